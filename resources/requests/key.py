"""The request key: 16 bytes that name one answer by everything that shapes it (DESIGN, generation).

Lives here: what goes into a key, in which form, and the seed that follows from it. Nothing is stored here, and no
tokenizer is needed. A change of one byte loses every user's store; ``tests/resources/requests/test_key.py`` holds fixed
vectors. A field that :class:`Sampling` gains later enters the key only where it differs from a neutral default, so that
the keys of today stay as they are.
"""

from __future__ import annotations

import math
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from resources.engines.protocol import Prompt, Sampling
from resources.errors import RecipeError
from resources.identity import ID_BYTES, canonical_json, digest128

KEY_VERSION = "1"
"""First part of every key. A new version is a new set of keys: never change it without a migration of the store."""

SEED_RANGE = 2**31
"""Seeds are non-negative 31-bit integers: the range that every engine takes (a C int)."""

MAX_INDEX = 2**63 - 1
"""Largest sample index: the column of sample indices is a signed integer."""

_BASE_DOMAIN = "request"
_SAMPLE_DOMAIN = "request-sample"
_INDEX_BYTES = 8
_WHERE = "request key"

_REALS = ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty")
_COUNTS = ("top_k", "max_tokens")


def base_key(weights_id: str, prompt: Prompt, sampling: Sampling, salt: str = "", *, template_id: str = "") -> bytes:
    """Hash of all that names a request but the sample index.

    Args:
        weights_id: The engine's exact name of the weights (``Engine.weights_id``).
        prompt: The prompt as text or messages. Of a raw prompt only the text counts: no template touches it.
        sampling: All values, resolved. 1 and 1.0 are equal, and so are 0.0 and -0.0.
        salt: Sets of samples of the same prompt that must differ have different salts. Left out at temperature 0.
        template_id: Hash of the chat template, where it is not the one that the weights name. Left out of raw prompts.

    Returns:
        16 bytes. Samples have their own keys: :func:`sample_key`.

    Raises:
        RecipeError: A sampling value is no number, or a template argument is no JSON.
    """
    values = _sampling_json(sampling)
    body = prompt.text if prompt.mode == "raw" else _conversation_json(prompt, template_id)
    used_salt = "" if is_greedy(sampling) else salt
    return digest128(_BASE_DOMAIN, KEY_VERSION, weights_id, prompt.mode, body, values, used_salt)


def sample_key(base: bytes, index: int, sampling: Sampling) -> bytes:
    """Key of the sample with ``index`` (from 0). At temperature 0 all indices have the key of index 0."""
    _check_index(index)
    used = 0 if is_greedy(sampling) else index
    return digest128(_SAMPLE_DOMAIN, base, used.to_bytes(_INDEX_BYTES, "little"))


def sample_keys(base: bytes, first: int, count: int, sampling: Sampling) -> list[bytes]:
    """Keys of ``count`` samples from index ``first``: as :func:`sample_key`, above 1M keys a second."""
    if count <= 0:
        return []
    if is_greedy(sampling):
        return [sample_key(base, first, sampling)] * count
    _check_index(first)
    _check_index(first + count - 1)
    # The bytes that digest128 would hash, up to the index: the hasher is copied and not fed anew for each sample.
    start = blake2b(
        len(base).to_bytes(8, "little") + base + _INDEX_BYTES.to_bytes(8, "little"),
        digest_size=ID_BYTES,
        person=_SAMPLE_DOMAIN.encode(),
    )
    keys = []
    for index in range(first, first + count):
        hasher = start.copy()
        hasher.update(index.to_bytes(_INDEX_BYTES, "little"))
        keys.append(hasher.digest())
    return keys


def seed_base(base: bytes) -> int:
    """Seed of sample 0; sample i has ``(seed_base + i) mod 2**31``, which is vLLM's rule for n samples."""
    return int.from_bytes(base, "big") % SEED_RANGE


def is_greedy(sampling: Sampling) -> bool:
    """Whether every sample would be the same: temperature 0."""
    return sampling.temperature == 0


def check_samples(sampling: Sampling, count: int, *, where: str = "sampling") -> None:
    """Refuse what would pay several times for one answer. ``where`` names the stage or the file for the error.

    Raises:
        RecipeError: ``count`` is below 1, or above 1 at temperature 0.
    """
    if count < 1:
        raise RecipeError(f"{count} samples were asked for", where=where, fix="Ask for 1 sample or more")
    if count > 1 and is_greedy(sampling):
        raise RecipeError(
            f"{count} samples at temperature 0 would all be the same text",
            where=where,
            fix="Set samples: 1, or a temperature above 0",
        )


@lru_cache(maxsize=256)  # a stage has a handful of samplings and a million prompts
def _sampling_json(sampling: Sampling) -> str:
    values: dict[str, Any] = {name: _real(name, getattr(sampling, name)) for name in _REALS}
    values |= {name: _count(name, getattr(sampling, name)) for name in _COUNTS}
    values["top_k"] = max(values["top_k"], 0)  # -1 and 0 both mean "no limit"
    values["stop"] = list(dict.fromkeys(sampling.stop))
    if sampling.grammar:  # came later: keys without one stay as they were
        values["grammar"] = sampling.grammar
    return canonical_json(values)


def _conversation_json(prompt: Prompt, template_id: str) -> str:
    value = {
        "arguments": dict(prompt.template_arguments),
        "messages": [list(message) for message in prompt.messages],
        "template": template_id,
        "text": prompt.text,
    }
    try:
        return canonical_json(value)
    except (TypeError, ValueError) as error:
        raise _refused(f"the template arguments are no JSON ({error})", "Use text, numbers, lists, mappings") from error


def _real(name: str, value: Any) -> float:
    """``value`` as the float that stands for it in a key: an int gives the same text, and -0.0 gives 0.0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _refused(f"{name} is {value!r}, which is no number", f"Give {name} a number")
    number = float(value)
    if not math.isfinite(number):
        raise _refused(f"{name} is {value!r}, which is not finite", f"Give {name} a finite number")
    return number + 0.0


def _count(name: str, value: Any) -> int:
    number = _real(name, value)
    if number != int(number):
        raise _refused(f"{name} is {value!r}, which is no whole number", f"Give {name} a whole number")
    return int(number)


def _check_index(index: int) -> None:
    if not 0 <= index <= MAX_INDEX:
        raise _refused(f"the sample index {index} is not between 0 and {MAX_INDEX}", "Count samples from 0")


def _refused(what: str, fix: str) -> RecipeError:
    return RecipeError(what, where=_WHERE, fix=fix)
