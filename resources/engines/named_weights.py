"""Options and identity of weights that are named, not held: for the engines ``vllm`` and ``server``.

The same words give the same weights id under both engines, so a store that one of them filled serves the other. Nothing
is loaded or downloaded here; files of a local folder are hashed once (``resources/engines/weights.py``).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from resources.engines.options import COMMIT, EngineOptions
from resources.engines.weights import FileHashes
from resources.errors import EngineError
from resources.identity import hash_json
from resources.paths import expanded

HUB_NAME = r"[\w.-]+/[\w.-]+"
"""``org/name``. A local folder that could be read so is written with ``./`` before it."""

_HUB_REFERENCE = re.compile(rf"({HUB_NAME})(?:@([\w./-]+))?")

_WEIGHT_FILES = ("*.safetensors", "*.bin")
"""Where a folder has both, engines load the first."""

_SHAPING_FILES = ("*.json", "*.jinja", "*.txt", "*.model", "*.tiktoken", "*.py", "*/config.json", "*/*.jinja")
"""Beside the weights: architecture, tokenizer, chat template, a model's own code, the pooling of an encoder."""

_NOT_SHAPING = frozenset(
    {
        "generation_config.json",  # defaults of sampling: every value is sent. Its end tokens: see _end_tokens
        "trainer_state.json",
        "training_args.bin",
        "optimizer.bin",
        "scheduler.bin",
        "requirements.txt",
        "LICENSE.txt",
    }
)


class NamedWeightsOptions(EngineOptions):
    """Which weights answer, and what changes them while they load."""

    model: str | None = Field(
        None, description="Hub repository of the weights, `org/name`.", pattern=rf"^{HUB_NAME}$", max_length=200
    )
    revision: str | None = Field(
        None, description="Commit of the weights (40 hex digits). A branch or a tag moves and counts as unresolved."
    )
    path: str | None = Field(
        None, description="Folder with safetensors, config.json and tokenizer, or a .gguf file, instead of `model`."
    )
    weights: str | None = Field(
        None,
        description="Weights id as another engine or machine shows it, when the files are not here or are a copy.",
        pattern=r"^[!-~]+$",
        max_length=300,
    )
    tokenizer: str | None = Field(
        None, description="Tokenizer, when it is not the model's own: `org/name@commit`, or a folder (./name, /name)."
    )
    quantisation: str | None = Field(
        None, description="Quantisation made while loading (fp8, awq, ...): it changes the weights, so also their id."
    )
    adapter: str | None = Field(
        None, description="LoRA adapter, `org/name@commit` or a folder (./name, /name): part of the identity."
    )
    context_tokens: int | None = Field(None, description="Longest prompt and answer together, in tokens.", gt=0)

    @model_validator(mode="after")
    def _one_source(self) -> NamedWeightsOptions:
        if self.model and self.path:
            raise ValueError("model and path both name weights; give one")
        if not (self.model or self.path or self.weights):
            raise ValueError("option 'model' is missing (or `path`, or `weights`)")
        if self.revision and not self.model:
            raise ValueError("revision belongs to model, which is not given")
        return self


class NamedWeights:
    """One set of weights with tokenizer and adapter: its id, and where an engine finds the parts."""

    def __init__(self, options: NamedWeightsOptions, *, where: str, cache: Path) -> None:
        self._options = options
        self._where = where
        self._hashes = FileHashes(cache, where=where)

    def name(self) -> str:
        """The weights id: base weights, then what changes them while they load.

        Reads files for a ``path`` or a local adapter only (1 to 2 GB a second the first time, then none of them).

        Raises:
            EngineError: A path that is named holds no weights.
        """
        options = self._options
        parts = [options.weights or self._base()]
        if options.quantisation:
            parts.append(f"quantisation={options.quantisation}")
        if options.adapter:
            parts.append(f"adapter={self._part(options.adapter)}")
        if options.tokenizer:
            parts.append(f"tokenizer={self._part(options.tokenizer)}")
        return ";".join(parts)

    def check_fixed(self) -> None:
        """Refuse weights that can change under the same id. Raises EngineError."""
        options = self._options
        if options.model and not options.weights and not _is_commit(options.revision):
            raise EngineError(
                f"the revision {options.revision!r} of {options.model!r} can move, so its answers could not be kept "
                "apart",
                where=self._where,
                fix="Give `revision` as the full commit (40 hex digits), as the page of the repository shows it.",
            )
        for option in ("adapter", "tokenizer"):
            named = hub_reference(getattr(options, option) or "")
            if named and not _is_commit(named[1]):
                raise EngineError(
                    f"{option} {named[0]!r} at {named[1]!r} can move, so its answers could not be kept apart",
                    where=self._where,
                    fix=f"Write `{option}: {named[0]}@<commit>` with the full commit (40 hex digits), or name a local "
                    "folder with ./ or / before it.",
                )

    def locate(self) -> Path | None:
        """The folder or the GGUF file of ``path``, absolute; None when the weights come from the Hub."""
        if self._options.path is None:
            return None
        path = expanded(self._options.path).absolute()
        if (path.is_dir() and (path / "config.json").is_file()) or (path.is_file() and path.suffix == ".gguf"):
            return path
        state = "holds no config.json" if path.is_dir() else "is no .gguf file" if path.exists() else "is absent"
        raise EngineError(
            f"weights {self._options.path!r}: the path {state}",
            where=self._where,
            fix="Give a folder that holds config.json, the weights and the tokenizer, or a .gguf file. If the files "
            "are on another machine, give their id as `weights`.",
        )

    def folder(self, option: str, value: str) -> Path:
        """The local folder that ``value`` of ``option`` (adapter, tokenizer) names. Raises EngineError."""
        path = expanded(value).absolute()
        if path.is_dir():
            return path
        raise EngineError(
            f"{option} {value!r} is no folder",
            where=self._where,
            fix=f"Give {option} as `org/name@commit` or as a folder that exists, with ./ or / before it.",
        )

    def _base(self) -> str:
        options = self._options
        path = self.locate()
        if path is None:
            fixed = options.revision if _is_commit(options.revision) else "unresolved"
            return f"hf:{options.model}@{fixed}"
        if path.is_file():
            return f"gguf:sha256:{self._hashes.hash(path)}"
        digest = self._hashes.hash_folder(path, shaping_files(path))
        ends = _end_tokens(path)
        return "folder:sha256:" + (digest if ends is None else hash_json([digest, ends]))

    def _part(self, value: str) -> str:
        if named := hub_reference(value):
            return f"{named[0]}@{named[1] or 'unresolved'}"
        folder = self.folder("adapter or tokenizer", value)
        return "sha256:" + self._hashes.hash_folder(folder, shaping_files(folder))


def hub_reference(value: str) -> tuple[str, str | None] | None:
    """``org/name@commit`` as a pair; None for anything else, which is a local folder."""
    if value.startswith(("./", "../", "~/", "/")):
        return None
    found = _HUB_REFERENCE.fullmatch(value)
    return (found[1], found[2]) if found else None


def shaping_files(folder: Path) -> list[Path]:
    """The files of a model's folder that shape answers, without what only training or a reader needs."""
    weights = next((found for pattern in _WEIGHT_FILES if (found := _files(folder, pattern))), [])
    return sorted({*weights, *(file for pattern in _SHAPING_FILES for file in _files(folder, pattern))})


def _files(folder: Path, pattern: str) -> list[Path]:
    return [file for file in folder.glob(pattern) if file.is_file() and file.name not in _NOT_SHAPING]


def _end_tokens(folder: Path) -> Any:
    """The tokens that end an answer, which engines read from the defaults of sampling even if they use no other."""
    try:
        found = json.loads((folder / "generation_config.json").read_text())
    except (OSError, ValueError):
        return None
    return found.get("eos_token_id") if isinstance(found, dict) else None


def _is_commit(revision: str | None) -> bool:
    return bool(revision and COMMIT.fullmatch(revision))
