"""Vectors that are kept: found again, never made twice, and safe from kills, damage and builds side by side."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from resources.embedders.protocol import Vectors, unit_rows
from resources.errors import StoreError
from resources.vectors import store
from resources.vectors.store import StoredEmbedder, VectorStore, text_keys


class Counting:
    """Vectors made of the text's length; remembers what it was asked."""

    name = "counting"
    dimensions = 3

    def __init__(self, identity: str = "counting/1") -> None:
        self.asked: list[str] = []
        self._identity = identity

    def identity(self) -> str:
        return self._identity

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked += texts
        return unit_rows(np.array([[len(text), 1, ord(text[0])] for text in texts], np.float32).reshape(-1, 3))


TEXTS = ["a", "bb", "ccc", "a", "dddd"]


def test_no_text_is_embedded_twice(tmp_path: Path) -> None:
    first = Counting()
    embedder = StoredEmbedder(first, tmp_path)
    vectors = embedder.embed(TEXTS)
    assert (vectors == Counting().embed(TEXTS)).all()
    assert first.asked == ["a", "bb", "ccc", "dddd"]
    assert (embedder.embedded, embedder.reused, embedder.dimensions) == (4, 1, 3)

    second = Counting()
    again = StoredEmbedder(second, tmp_path)
    assert (again.embed(["e", *TEXTS[::-1]]) == Counting().embed(["e", *TEXTS[::-1]])).all()
    assert second.asked == ["e"]
    assert again.identity() == "counting/1"
    assert again.embed([]).shape == (0, 3)


def test_each_embedder_has_vectors_of_its_own(tmp_path: Path) -> None:
    StoredEmbedder(Counting(), tmp_path).embed(TEXTS)
    other = Counting("counting/2")
    StoredEmbedder(other, tmp_path).embed(TEXTS)
    assert len(other.asked) == 4


def test_many_texts_become_many_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "SEGMENT_VECTORS", 10)
    told: list[int] = []
    texts = [chr(97 + i % 26) * (i + 1) for i in range(95)]
    made = StoredEmbedder(Counting(), tmp_path, told.append).embed(texts)
    assert told == [10] * 9 + [5]
    opened = VectorStore(tmp_path, "counting/1")
    assert len(opened) == 95
    where, rows = opened.find(text_keys(texts))
    assert (where >= 0).all()
    out = np.zeros_like(made)
    opened.read(where, rows, out)
    assert (out == made).all()


def test_what_another_build_wrote_is_seen(tmp_path: Path) -> None:
    mine, theirs = VectorStore(tmp_path, "x"), VectorStore(tmp_path, "x")
    vectors = Counting().embed(TEXTS[:3])
    theirs.add(text_keys(TEXTS[:3]), vectors)
    mine.add(text_keys(TEXTS[1:3]), vectors[1:])
    assert len(mine) == 5, "both made two of the texts: harmless"
    where, _ = mine.find(text_keys(TEXTS))
    assert (where >= 0).tolist() == [True, True, True, True, False]


@pytest.mark.parametrize("damage", ["short keys", "short vectors", "no about", "broken about", "newer format"])
def test_a_damaged_segment_is_made_again(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    StoredEmbedder(Counting(), tmp_path).embed(TEXTS)
    [segment] = [path for folder in tmp_path.iterdir() for path in folder.iterdir()]
    about = segment / "segment.json"
    if damage.startswith("short"):
        file = segment / f"{damage.split()[1]}.bin"
        file.write_bytes(file.read_bytes()[:-3])
    elif damage == "no about":
        about.unlink()
    else:
        about.write_text("{" if damage == "broken about" else about.read_text().replace('"format": 1', '"format": 2'))
    again = Counting()
    with caplog.at_level(logging.WARNING):
        vectors = StoredEmbedder(again, tmp_path).embed(TEXTS)
    assert len(again.asked) == 4
    assert (vectors == Counting().embed(TEXTS)).all()
    assert ("will be made again" in caplog.text) is (damage != "newer format")


def test_half_written_segments_are_not_seen_and_go_in_time(tmp_path: Path) -> None:
    StoredEmbedder(Counting(), tmp_path).embed(TEXTS)
    [folder] = tmp_path.iterdir()
    for name, age in ((".fresh", 60), (".old", 200_000)):
        (folder / name).mkdir()
        (folder / name / "keys.bin").write_bytes(b"x")
        os.utime(folder / name, (time.time() - age, time.time() - age))
    assert len(VectorStore(tmp_path, "counting/1")) == 4
    assert (folder / ".fresh").is_dir()
    assert not (folder / ".old").exists()


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "vectors").write_text("a file")
    with pytest.raises(StoreError):
        StoredEmbedder(Counting(), tmp_path / "vectors").embed(TEXTS)


WRITE_FOREVER = """
import sys, numpy as np
from pathlib import Path
from resources.vectors.store import VectorStore, text_keys
store = VectorStore(Path(sys.argv[1]), "x")
number = 0
while True:
    texts = [f"{sys.argv[2]} {number + i}" for i in range(200)]
    store.add(text_keys(texts), np.full((200, 64), number, np.float32))
    number += 200
    print(number, flush=True)
"""


def test_kills_leave_whole_segments_of_all_builds(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[3]
    command = [sys.executable, "-c", WRITE_FOREVER, str(tmp_path)]
    running = [
        subprocess.Popen([*command, name], cwd=root, stdout=subprocess.PIPE, text=True) for name in ("one", "two")
    ]
    promised = {}
    for process, name in zip(running, ("one", "two"), strict=True):
        assert process.stdout
        lines = [int(process.stdout.readline()) for _ in range(5)]
        process.send_signal(signal.SIGKILL)
        promised[name] = max([*lines, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
    opened = VectorStore(tmp_path, "x")
    for name, count in promised.items():
        where, rows = opened.find(text_keys([f"{name} {i}" for i in range(count)]))
        assert (where >= 0).all()
        out = np.zeros((count, 64), np.float32)
        opened.read(where, rows, out)
        assert (out[:, 0] == np.arange(count) // 200 * 200).all()
