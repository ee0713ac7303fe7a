"""Why vLLM failed: the line that says so in the log of its processes, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from resources.engines.vllm.options import CREDENTIALS_IN_URL, SECRET_NAME

_PREFIX = re.compile(r"^(?:\([^)]*pid=\d+[^)]*\)\s?)?(?:(?:ERROR|WARNING|INFO|DEBUG)\s[\d\- :.]+\[[^\]]*\]\s?)?")
"""What vLLM's logger writes before a message: the process, then level, time and place."""

_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit|Failure)(?::\s*(?P<what>.*))?$")

_EMPTY = (
    "Engine core initialization failed",
    "EngineCore encountered an issue",
    "EngineDeadError",
    "WorkerProc initialization failed",
    "Worker failed with error",
    "cancelled",
    "BrokenPipeError",
    "CancelledError",
    "SystemExit",
)
"""Messages that only say that another process failed."""

_LONGEST = 500
_SHORTEST_SECRET = 8

REMEDIES: Sequence[tuple[str, str]] = (
    (
        r"no engine argument|unexpected keyword|Input should be|Extra inputs|TypeError",
        "Correct `engine_args` in the profile: they are the arguments of vLLM's engine, with underscores.",
    ),
    (
        r"max seq len|max_model_len|maximum model length|KV cache|cache blocks",
        "Lower `context_tokens`, or give the cache more room (engine_args: {gpu_memory_utilization: 0.95}; on a CPU, "
        "env: {VLLM_CPU_KVCACHE_SPACE: '8'}, in GiB).",
    ),
    (
        r"out of memory|OutOfMemory|can't allocate|Cannot allocate|not enough memory|Free memory|Available memory",
        "Free memory on the device, or spread the model (engine_args: {tensor_parallel_size: N}), load it smaller "
        "(quantisation: fp8), lower `context_tokens` or engine_args.gpu_memory_utilization.",
    ),
    (
        r"401|403|404|gated|[Rr]epository ?[Nn]ot ?[Ff]ound|valid model identifier|[Oo]ffline|couldn't connect|"
        r"[Ll]ocal ?[Ee]ntry|Invalid repository",
        "Check `model` and `revision`; for a gated model set HF_TOKEN in the environment of the build; without a "
        "network, download it first or name a folder by `path`.",
    ),
    (
        r"architectures|[Aa]rchitecture|(is|are) not (yet )?supported|[Uu]nrecogni[sz]ed|model type",
        "This vLLM cannot load the model: update vLLM, or name another model.",
    ),
    (
        r"adapter|[Ll][Oo][Rr][Aa]",
        "Check `adapter`: it must have been trained on this model; a large one needs engine_args: {max_lora_rank: N}.",
    ),
    (
        r"No module named|ImportError|cannot import",
        "Mend the environment of vLLM: install vLLM again, with the torch that it asks for.",
    ),
)
"""What vLLM says -> what to do. The first that matches counts."""

OTHERWISE = "Mend what vLLM says. The end of its log is in {log}."


def root_cause(said: str, log: Iterable[str]) -> str:
    """``said``, or the last exception in ``log`` where ``said`` only tells of another process."""
    if not any(empty in said for empty in _EMPTY):
        return said
    return last_exception(log) or said


def last_exception(log: Iterable[str]) -> str | None:
    """The last exception in ``log`` that says more than that another process failed."""
    lines = [_PREFIX.sub("", line).rstrip() for line in log]
    for at in range(len(lines) - 1, -1, -1):
        found = _EXCEPTION.match(lines[at])
        if found is None or not found["what"] or any(empty in lines[at] for empty in _EMPTY):
            continue
        words = [lines[at].strip()]
        if re.search(r"validation errors? for \w+$", words[0]):  # pydantic says what is wrong on the lines below
            words += [line.strip() for line in lines[at + 1 : at + 3]]
        return " ".join(words)[:_LONGEST]
    return None


def remedy(cause: str, log_file: str) -> str:
    """An order to the reader."""
    for pattern, fix in REMEDIES:
        if re.search(pattern, cause):
            return f"{fix} The end of vLLM's log is in {log_file}."
    return OTHERWISE.format(log=log_file)


def redact(text: str, env: Mapping[str, str]) -> str:
    """``text`` without passwords in addresses and without the values of variables that hold secrets."""
    for name, value in env.items():
        if len(value) >= _SHORTEST_SECRET and SECRET_NAME.search(name):
            text = text.replace(value, "***")
    return CREDENTIALS_IN_URL.sub("***@", text)
