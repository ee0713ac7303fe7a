"""The header of a GGUF file: what a model says about itself, read without any library.

Two things are wanted from it: whether OpenVINO can read the architecture, which it otherwise says after the load; and
whether texts begin with a first token (BOS), which its tokenizer does not heed.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""Those that openvino-genai 2026.4 reads from GGUF."""

_MAGIC = b"GGUF"
_MAX_ENTRIES = 1 << 16
_MAX_TEXT = 1 << 24
"""A chat template has some kilobytes. Both limits only keep a damaged file from asking for the whole memory."""

_STRING, _ARRAY = 8, 9
_SCALARS: Mapping[int, struct.Struct] = {
    number: struct.Struct("<" + code)
    for number, code in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
"""Types of values by their number in the GGUF specification, version 3."""

_BOS_BY_DEFAULT = frozenset({"llama-bpe", "llama3", "llama-v3"})
"""Names of the pre-tokenizer of Llama 3, whose texts begin with BOS also where the file does not say so."""

Header = Mapping[str, str | int | float | bool]


def read_header(path: Path) -> Header:
    """The scalar and text entries of the header; lists (the vocabulary) are passed over.

    Raises:
        ValueError: The file is no GGUF file, or is cut inside its header.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise ValueError("the file does not begin as a GGUF file does")
        version, _, count = struct.unpack("<IQQ", _take(file, 20))
        if version not in (2, 3) or count > _MAX_ENTRIES:
            raise ValueError(f"GGUF version {version} with {count} entries is not known")
        header: dict[str, str | int | float | bool] = {}
        for _ in range(count):
            name = _text(file)
            (kind,) = struct.unpack("<I", _take(file, 4))
            if kind == _ARRAY:
                _skip_list(file)
            else:
                header[name] = _value(file, kind)
        return header


def begins_with_bos(header: Header) -> bool:
    """Whether the model was trained on texts that begin with its BOS token."""
    said = header.get("tokenizer.ggml.add_bos_token")
    if said is not None:
        return bool(said)
    # The defaults of llama.cpp, for which such files are written: SentencePiece yes, byte pairs no, but for Llama 3.
    return header.get("tokenizer.ggml.model") == "llama" or header.get("tokenizer.ggml.pre") in _BOS_BY_DEFAULT


def _value(file: BinaryIO, kind: int) -> str | int | float | bool:
    if kind == _STRING:
        return _text(file)
    return _scalar(kind).unpack(_take(file, _scalar(kind).size))[0]


def _text(file: BinaryIO) -> str:
    (size,) = struct.unpack("<Q", _take(file, 8))
    if size > _MAX_TEXT:
        raise ValueError(f"a text of {size} bytes in the header")
    return _take(file, size).decode("utf-8", "replace")


def _skip_list(file: BinaryIO) -> None:
    kind, count = struct.unpack("<IQ", _take(file, 12))
    if kind != _STRING:
        file.seek(count * _scalar(kind).size, 1)
        return
    for _ in range(count):
        (size,) = struct.unpack("<Q", _take(file, 8))
        file.seek(size, 1)


def _scalar(kind: int) -> struct.Struct:
    try:
        return _SCALARS[kind]
    except KeyError:
        raise ValueError(f"a value of the unknown type {kind} in the header") from None


def _take(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the file ends inside its header")
    return data
