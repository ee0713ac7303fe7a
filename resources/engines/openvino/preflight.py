"""What can be seen before the embedded model is loaded: the kind of its weights, and whether they fit into memory."""

from __future__ import annotations

import os
from pathlib import Path

from resources.engines.openvino.gguf import ARCHITECTURES, Header, read_header
from resources.errors import EngineError

_GIB = 1 << 30
_FOLDER_NEEDS = ("openvino_model.xml", "openvino_model.bin", "openvino_tokenizer.xml", "openvino_detokenizer.xml")
_BASE_BYTES = 300 << 20
"""The process without a model: Python, OpenVINO, its kernels."""


def check_weights(path: Path, where: str) -> Header:
    """See that OpenVINO reads the weights at ``path``. Returns the header of a GGUF file, nothing of a folder.

    Raises:
        EngineError: It does not; says why.
    """
    if path.is_dir():
        if absent := [name for name in _FOLDER_NEEDS if not (path / name).is_file()]:
            raise EngineError(
                f"the weights {path} lack {', '.join(absent)}",
                where=where,
                fix="Convert the model together with its tokenizer, as `optimum-cli export openvino` does.",
            )
        return {}
    try:
        header = read_header(path)
    except (OSError, ValueError) as exc:
        raise EngineError(
            f"cannot read the weights {path}: {exc}", where=where, fix="Download the file again, or name another one."
        ) from exc
    if (architecture := header.get("general.architecture")) not in ARCHITECTURES:
        raise EngineError(
            f"the weights {path} are of the architecture {str(architecture)[:40]!r}, which OpenVINO does not read from "
            "GGUF",
            where=where,
            fix=f"Use a file of a {', '.join(ARCHITECTURES)} model, or convert this model to an OpenVINO folder.",
        )
    return header


def check_memory(path: Path, cache_gb: int, where: str) -> None:
    """See that weights and KV cache fit into this machine's memory, whatever else it holds.

    Raises:
        EngineError: They cannot fit.
    """
    files = [path] if path.is_file() else [file for file in path.iterdir() if file.is_file()]
    needed = sum(file.stat().st_size for file in files) + cache_gb * _GIB + _BASE_BYTES
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > there:
        raise EngineError(
            f"the model needs {needed / _GIB:.1f} GiB ({cache_gb} of them for the KV cache) and this machine has "
            f"{there / _GIB:.1f}",
            where=where,
            fix="Lower cache_gb, or use a smaller model.",
        )
