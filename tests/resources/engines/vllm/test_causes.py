"""Reasons in vLLM's log: the one that counts is found, has a remedy, and shows no secret."""

import re

import pytest

from resources.engines.vllm.causes import REMEDIES, redact, remedy, root_cause

GENERIC = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
CORE = "(EngineCore pid=41) ERROR 11-21 11:40:01 [core.py:1100] "
WORKER = "(Worker_TP1 pid=77) ERROR 11-21 11:40:00 [multiproc_executor.py:9] "

CAUSES = [
    ("said itself", "ValueError: bad", ["RuntimeError: other"], "ValueError: bad"),
    (
        "in another process",
        GENERIC,
        [CORE + "Traceback (most recent call last):", CORE + "torch.OutOfMemoryError: CUDA out of memory.", GENERIC],
        "torch.OutOfMemoryError: CUDA out of memory.",
    ),
    (
        "in a worker of it",
        GENERIC,
        [
            WORKER + "ValueError: To serve at least one request, 9 GiB KV cache is needed",
            CORE + "Exception: WorkerProc initialization failed due to an exception in a background process.",
            GENERIC,
            "asyncio.exceptions.CancelledError: cancelled",
        ],
        "ValueError: To serve at least one request, 9 GiB KV cache is needed",
    ),
    (
        "pydantic says it below",
        GENERIC,
        ["pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig", "  Value error, no arch"],
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig Value error, no arch",
    ),
    ("nowhere", GENERIC, ["INFO 11-21 11:40:01 [a.py:1] loading"], GENERIC),
]


@pytest.mark.parametrize(("said", "log", "cause"), [case[1:] for case in CAUSES], ids=[case[0] for case in CAUSES])
def test_the_reason_that_counts_is_found(said: str, log: list[str], cause: str) -> None:
    assert root_cause(said, log) == cause


def test_a_reason_is_not_endless() -> None:
    assert len(root_cause(GENERIC, ["ValueError: " + "x" * 10_000])) == 500


FIXES = [
    ("vLLM 0.32.0 has no engine argument 'x'", "engine_args"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 8 GiB", "tensor_parallel_size"),
    ("ValueError: To serve at least one request with the model's max seq len (8192), 9 GiB KV cache", "context_tokens"),
    ("OSError: org/m is not a local folder and is not a valid model identifier", "HF_TOKEN"),
    ("GatedRepoError: 403 Client Error. Access to org/m is gated", "HF_TOKEN"),
    ("ValueError: Model architectures ['Foo'] are not supported for now.", "update vLLM"),
    ("ValueError: LoRA rank 64 is greater than max_lora_rank 16.", "adapter"),
    ("ModuleNotFoundError: No module named 'torchvision'", "install vLLM again"),
    ("RuntimeError: something new", "Mend what vLLM says"),
]


@pytest.mark.parametrize(("cause", "says"), FIXES)
def test_every_reason_has_a_remedy(cause: str, says: str) -> None:
    fix = remedy(cause, "cache/vllm.log")
    assert says in fix
    assert "cache/vllm.log" in fix


def test_remedies_are_patterns() -> None:
    for pattern, fix in REMEDIES:
        re.compile(pattern)
        assert fix.endswith(".")


def test_secrets_are_not_shown() -> None:
    env = {"HF_TOKEN": "hf_abcdefgh", "MY_API_KEY": "short", "HOME": "/somewhere"}
    text = "sent hf_abcdefgh by http://me:pw@proxy:1/x from /somewhere, short"
    assert redact(text, env) == "sent *** by http://***@proxy:1/x from /somewhere, short"
