"""What the request store holds: a completion or a recorded failure, and their bytes in a journal.

Lives here: the two records, their compact encoding, and how text that is no valid UTF-8 is kept. Files and locks are in
``journal``, Parquet in ``segments``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from resources.engines.protocol import EngineResult
from resources.errors import StoreError
from resources.identity import ID_BYTES, digest128

MAX_REASON = 1000
"""Characters kept of a failure's reason: a server may answer with a page of HTML."""

_HEAD = struct.Struct("<B16sQii")
"""Flags, request key, time stored (ns since 1970), prompt tokens, completion tokens (-1: not known)."""
_LENGTH = struct.Struct("<I")
_NO_TEXT = 0xFFFFFFFF
_IS_FAILURE, _IS_PERMANENT = 1, 2
_KNOWN_FLAGS = _IS_FAILURE | _IS_PERMANENT
MIN_PAYLOAD = _HEAD.size
"""No record is shorter: a run of zero bytes is not a record."""
_MAX_TOKENS = 2**31 - 1
_MAX_TIME = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer. ``text`` and ``reasoning`` are as the engine gave them, lone surrogates included."""

    request_key: bytes
    text: str
    finish_reason: str
    engine: str
    weights: str
    reasoning: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    stored_at_ns: int = 0
    """Set by the store. Orders two answers to one request; never part of an identity."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that gave no answer. ``is_permanent``: no repetition mends it."""

    request_key: bytes
    reason: str
    engine: str
    weights: str
    is_permanent: bool = False
    stored_at_ns: int = 0


Record: TypeAlias = Completion | Failure


def record_of(request_key: bytes, result: EngineResult, *, engine: str, weights: str) -> Record:
    """What to store of one result of an engine."""
    if result.failure is not None:
        return Failure(request_key, result.failure, engine, weights, result.is_permanent)
    return Completion(
        request_key=request_key,
        text=result.text,
        finish_reason=result.finish_reason,
        engine=engine,
        weights=weights,
        reasoning=result.reasoning,
        prompt_tokens=result.prompt_tokens,
        completion_tokens=result.completion_tokens,
    )


def valid_text(text: str) -> str:
    """``text`` as valid UTF-8 can hold it: surrogate pairs joined, lone surrogates as U+FFFD.

    Lone surrogates are what pyarrow, Polars and DuckDB refuse. NUL bytes pass.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def raw_text(text: str) -> bytes | None:
    """The original code points (UTF-8 with surrogates let through) where they differ from :func:`valid_text`."""
    return None if text.isascii() or valid_text(text) == text else text.encode("utf-8", "surrogatepass")


def text_hash(text: str) -> bytes:
    """Id of a completion's text. Takes valid text, so that whoever reads the store finds the same hash."""
    return digest128("text", text)


def encode(record: Record, stored_at_ns: int) -> bytes:
    """``record`` as the payload of a journal record, stamped with ``stored_at_ns``; odd clocks are kept in range."""
    stored_at_ns = min(max(stored_at_ns, 0), _MAX_TIME)
    if len(record.request_key) != ID_BYTES:
        raise StoreError(
            f"a request key of {len(record.request_key)} bytes was given to the store",
            where="request store",
            fix=f"Make keys of {ID_BYTES} bytes with resources.requests.key",
        )
    if isinstance(record, Failure):
        flags = _IS_FAILURE | (_IS_PERMANENT if record.is_permanent else 0)
        head = _HEAD.pack(flags, record.request_key, stored_at_ns, -1, -1)
        texts = (record.engine, record.weights, record.reason[:MAX_REASON])
    else:
        prompt, completion = _tokens(record.prompt_tokens), _tokens(record.completion_tokens)
        head = _HEAD.pack(0, record.request_key, stored_at_ns, prompt, completion)
        texts = (record.engine, record.weights, record.finish_reason, record.reasoning, record.text)
    parts = [head]
    for text in texts:
        if text is None:
            parts.append(_LENGTH.pack(_NO_TEXT))
        else:
            data = text.encode("utf-8", "surrogatepass")
            parts += (_LENGTH.pack(len(data)), data)
    return b"".join(parts)


def decode(payload: bytes) -> Record:
    """The record in ``payload``, whose checksum has been proven. Raises ValueError if it is none of this version."""
    flags, key, stored_at_ns, prompt, completion = _HEAD.unpack_from(payload)
    if flags & ~_KNOWN_FLAGS:
        raise ValueError(f"unknown flags {flags:#x}")
    texts = _texts(payload)
    if flags & _IS_FAILURE:
        engine, weights, reason = texts
        return Failure(key, reason or "", engine or "", weights or "", bool(flags & _IS_PERMANENT), stored_at_ns)
    engine, weights, finish_reason, reasoning, text = texts
    return Completion(
        request_key=key,
        text=text or "",
        finish_reason=finish_reason or "",
        engine=engine or "",
        weights=weights or "",
        reasoning=reasoning,
        prompt_tokens=None if prompt < 0 else prompt,
        completion_tokens=None if completion < 0 else completion,
        stored_at_ns=stored_at_ns,
    )


def peek(payload: memoryview | bytes) -> tuple[bool, bytes, int]:
    """Whether it is a failure, its key, and when it was stored: what sealing sorts by, without reading the text."""
    flags, key, stored_at_ns, _, _ = _HEAD.unpack_from(payload)
    return bool(flags & _IS_FAILURE), key, stored_at_ns


def _texts(payload: bytes) -> list[str | None]:
    texts: list[str | None] = []
    at = _HEAD.size
    while at < len(payload):
        (length,) = _LENGTH.unpack_from(payload, at)
        at += _LENGTH.size
        if length == _NO_TEXT:
            texts.append(None)
            continue
        texts.append(payload[at : at + length].decode("utf-8", "surrogatepass"))
        at += length
    return texts


def _tokens(count: int | None) -> int:
    return -1 if count is None else min(max(count, 0), _MAX_TOKENS)
