"""Vectors on disk, found again by what they were made from: no text is embedded twice by one embedder.

One folder an embedder, one folder a segment in it: the keys of its texts in ascending order and the vectors in the same
order. A segment is written under a hidden name, synced and renamed, so that it is there whole or not at all; a kill
loses what was not yet written. Nothing is ever changed, so that builds side by side cannot disturb each other: at worst
both embed the same text. Where the folder comes from: a stage's ``cache``. It may be deleted at any moment.

Memory: 32 bytes a key while a store is open (1M vectors: 32 MB); vectors are mapped, and read where they are asked for.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from resources.embedders.protocol import Embedder, Vectors
from resources.errors import StoreError
from resources.identity import ID_BYTES, digest128, hash_json
from resources.requests.index import Keys, Words, bytes_of, sort_order, words_of
from resources.store.layout import read_json, store_errors, sync_file, sync_folder, write_json

FORMAT = 1
"""Format of a segment. Others are left alone and read as if they were not there."""
SEGMENT_VECTORS = 8_192
"""Vectors embedded before they are written: at most so many are lost by a kill. 12 MB at 384 dimensions."""

_LEFTOVER_S = 86_400.0
"""A segment takes seconds to write: one under a hidden name for a day belongs to a build that was killed."""

_ABOUT, _KEYS, _VECTORS = "segment.json", "keys.bin", "vectors.bin"
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Segment:
    high: Words
    low: Words
    file: Path
    dimensions: int

    def take(self, rows: npt.NDArray[np.int64]) -> Vectors:
        """Some of its vectors. Mapped for this one look: a store of many segments keeps no file open."""
        return np.memmap(self.file, "<f4", mode="r", shape=(len(self.high), self.dimensions))[rows]


class VectorStore:
    """The vectors of one embedder under ``root``. Not for several threads at once; for several processes, yes."""

    def __init__(self, root: Path, identity: str) -> None:
        """Open what is there: key files are read, vectors are not. Damaged segments are passed over with a warning."""
        self.folder = root / hash_json(identity)[:32]
        self._identity = identity
        self._segments: list[_Segment] = []
        self._names: set[str] = set()
        _sweep(self.folder)
        self.refresh()

    @property
    def dimensions(self) -> int:
        """Length of its vectors; 0 while it has none."""
        return self._segments[0].dimensions if self._segments else 0

    def __len__(self) -> int:
        """Vectors in all segments; one that two builds made counts twice."""
        return sum(len(segment.high) for segment in self._segments)

    def refresh(self) -> None:
        """See segments that others wrote meanwhile."""
        with store_errors(self.folder):
            names = sorted(os.listdir(self.folder)) if self.folder.is_dir() else []  # noqa: PTH208 - names only
        for name in names:
            if not name.startswith(".") and name not in self._names:
                self._names.add(name)
                segment = _read(self.folder / name, self._identity)
                self._segments += [] if segment is None else [segment]

    def find(self, keys: Keys) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Segment of each key (-1: in none) and its row there."""
        high, low = words_of(keys)
        where, rows = np.full(len(keys), -1, np.int32), np.zeros(len(keys), np.int64)
        for number, segment in enumerate(self._segments):
            places = np.searchsorted(segment.high, high)
            # Equal high halves, one in 2**64, stand side by side: the second of them is looked for too.
            for shift in (0, 1):
                at = np.minimum(places + shift, len(segment.high) - 1)
                hit = (segment.high[at] == high) & (segment.low[at] == low)
                where[hit], rows[hit] = number, at[hit]
        return where, rows

    def read(self, where: npt.NDArray[np.int32], rows: npt.NDArray[np.int64], out: Vectors) -> None:
        """Put the vectors that :meth:`find` found into the same rows of ``out``; others are left as they are."""
        for number in np.unique(where[where >= 0]):
            here = where == number
            out[here] = self._segments[number].take(rows[here])

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Write one segment, durably. ``keys``: each once. Raises StoreError (disk full, no permission)."""
        high, low = words_of(keys)
        order = sort_order(high, low)
        name = uuid.uuid4().hex
        aside = self.folder / f".{name}"
        with store_errors(self.folder):
            aside.mkdir(parents=True)
            try:
                bytes_of(high[order], low[order]).tofile(aside / _KEYS)
                np.ascontiguousarray(vectors[order], "<f4").tofile(aside / _VECTORS)
                for file in (_KEYS, _VECTORS):
                    sync_file(aside / file)
                about = {"format": FORMAT, "embedder": self._identity}
                write_json(aside / _ABOUT, about | {"vectors": len(keys), "dimensions": vectors.shape[1]})
                aside.rename(self.folder / name)
            except OSError:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            sync_folder(self.folder)
        self.refresh()


class StoredEmbedder:
    """An embedder that asks ``store`` first and puts there what it had to embed."""

    def __init__(self, embedder: Embedder, root: Path, on_progress: Callable[[int], None] | None = None) -> None:
        """``root``: folder of vector stores. ``on_progress``: told of texts that were embedded, a segment at a time."""
        self.name = embedder.name
        self.embedded = 0
        """Texts that had to be embedded."""
        self.reused = 0
        """Texts whose vector was there, or that came twice."""
        self._embedder = embedder
        self._store = VectorStore(root, embedder.identity())
        self._on_progress = on_progress

    @property
    def dimensions(self) -> int:
        """Length of a vector, from the store where it has one."""
        return self._store.dimensions or self._embedder.dimensions

    def identity(self) -> str:
        """That of the embedder: where a vector comes from does not change it."""
        return self._embedder.identity()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See :meth:`resources.embedders.protocol.Embedder.embed`. Memory: the vectors asked for, and one segment."""
        keys = text_keys(texts)
        where, rows = self._store.find(keys)
        missing = fresh = np.flatnonzero(where < 0)
        if len(missing):
            _, first = np.unique(keys[missing].view(f"S{ID_BYTES}")[:, 0], return_index=True)
            fresh = np.sort(missing[first])
            for start in range(0, len(fresh), SEGMENT_VECTORS):
                some = fresh[start : start + SEGMENT_VECTORS]
                self._store.add(keys[some], self._embedder.embed([texts[int(i)] for i in some]))
                if self._on_progress is not None:
                    self._on_progress(len(some))
            where, rows = self._store.find(keys)
        self.embedded += len(fresh)
        self.reused += len(texts) - len(fresh)
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        self._store.read(where, rows, vectors)
        return vectors


def text_keys(texts: Sequence[str]) -> Keys:
    """What names the text of each vector."""
    joined = b"".join(digest128("vector", text) for text in texts)
    return np.frombuffer(joined, np.uint8).reshape(-1, ID_BYTES)


def _read(folder: Path, identity: str) -> _Segment | None:
    """A segment whose files are as long as it says, or None."""
    try:
        about = read_json(folder / _ABOUT)
        count, dimensions = int(about["vectors"]), int(about["dimensions"])
        if about["format"] != FORMAT or about["embedder"] != identity or count < 1:
            return None
        high, low = words_of(np.fromfile(folder / _KEYS, np.uint8).reshape(count, ID_BYTES))
        file = folder / _VECTORS
        if file.stat().st_size != 4 * count * dimensions:
            raise ValueError(f"{_VECTORS} has {file.stat().st_size} bytes, not {4 * count * dimensions}")
        return _Segment(high, low, file, dimensions)
    except (OSError, ValueError, KeyError, TypeError, StoreError) as error:
        _LOG.warning("vectors in %s cannot be read (%s) and will be made again", folder, error)
        return None


def _sweep(folder: Path) -> None:
    """Remove what killed builds left half-written, once no build can still be at it."""
    for left in folder.glob(".*"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _LEFTOVER_S:
                shutil.rmtree(left)
