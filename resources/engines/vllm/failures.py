"""In vLLM's process: what its exceptions say, for one request or for the whole engine, in words that fit a frame."""
# vLLM lives in an environment of its own, where the type checker does not look:
# pyright: reportMissingImports=false

from __future__ import annotations

from typing import Any

from resources.engines.vllm.prompts import first_line

LONGEST = 500
"""Characters of a message. vLLM's are up to a page long; the first sentences say what is wrong."""


class BadArguments(Exception):
    """The engine arguments are none of this vLLM."""


def failure_of(exc: Exception) -> dict[str, Any]:
    """What a request gets that vLLM refuses (for good) or that it could not finish (not for good)."""
    from vllm.exceptions import VLLMClientError

    cause = exc.__cause__ or exc
    is_permanent = isinstance(cause, VLLMClientError | ValueError | TypeError)
    return {"failure": f"vLLM refuses the request: {first_line(cause)}", "permanent": is_permanent}


def describe_failure(exc: BaseException) -> str:
    """The message of an exception; of pydantic's, what is wrong with which argument."""
    errors: Any = getattr(exc, "errors", None)
    if callable(errors):
        try:
            told: Any = errors()
            faults = [(".".join(str(part) for part in error["loc"]), str(error["msg"])) for error in told]
        except (TypeError, KeyError):
            faults = []
        if faults:
            return _one_line("; ".join(f"{place}: {message}" if place else message for place, message in faults))
    if isinstance(exc, BadArguments):
        return str(exc)
    return _one_line(f"{type(exc).__name__}: {exc}" if str(exc).strip() else type(exc).__name__)


def _one_line(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
