"""What the names of files say: which sample of its problem a file holds, and which part of the problems.

NeMo-Skills writes one file a seed, ``output-rs7.jsonl``, whose line i answers problem i, and while a run is split over
jobs one file a chunk, ``output-rs7_chunk_0.jsonl``; chunks in a row are the whole file. Without sampling the files are
``output.jsonl`` and ``output_chunk_0.jsonl``. Files that are named otherwise hold any rows, in any order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dagster_project.row_files.reading import UNFINISHED, bare_name
from resources.errors import FileError

_NAME = re.compile(r"(?P<stem>.+?)(?:-rs(?P<seed>\d{1,9}))?(?:_chunk_?(?P<chunk>\d{1,9}))?")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class CompletionFile:
    """One file and what its name says."""

    path: Path
    whole: str
    """Folder and name without the chunk: the chunks of one file have this in common."""
    seed: int | None
    chunk: int | None


def ordered(paths: Sequence[Path]) -> list[CompletionFile]:
    """The files in the order in which they are read: by folder and name, numbers in names by their value.

    Raises:
        FileError: A file is named twice, has no known ending, or has a seed where another has none or the same.
    """
    seen: dict[Path, Path] = {}
    for path in paths:
        if (other := seen.setdefault(path.resolve(), path)) is not path:
            raise FileError("the file is named twice", where=f"{other} and {path}", fix="Name each file once")
    files = sorted((_read_name(path) for path in paths), key=_order)
    seeds = {file.seed is None for file in files}
    if len(seeds) == 2:
        plain = next(file.path for file in files if file.seed is None)
        raise FileError(
            "the file has no seed in its name, and others have (output-rsN.jsonl)",
            where=str(plain),
            fix="Import the two kinds of files one after the other",
        )
    owners: dict[int, CompletionFile] = {}
    for file in files:
        if file.seed is not None and owners.setdefault(file.seed, file).whole != file.whole:
            raise FileError(
                f"two files have the seed {file.seed} in their names, {owners[file.seed].path} is the other",
                where=str(file.path),
                fix="Import them one after the other, the later one with --first-sample",
            )
    return files


def has_seeds(files: Sequence[CompletionFile]) -> bool:
    """Whether the names say which sample each file holds."""
    return bool(files) and files[0].seed is not None


def check_chunks(files: Sequence[CompletionFile]) -> None:
    """Raises FileError if a chunk before another one is missing or not ended: places of rows could not be known."""
    before: CompletionFile | None = None
    for file in files:
        same = before if before is not None and before.whole == file.whole else None
        expected = 0 if same is None else (same.chunk or 0) + 1
        if same is not None and same.path.name.endswith(UNFINISHED):
            expected -= 1
        if file.chunk is not None and file.chunk != expected:
            raise FileError(
                f"chunk {expected} before it is absent or has not ended, so its rows have no known places",
                where=str(file.path),
                fix="Give all chunks, or match by problem",
            )
        before = file


def _read_name(path: Path) -> CompletionFile:
    name = bare_name(path)
    found = _NAME.fullmatch(name)
    if found is None:
        return CompletionFile(path, str(path.parent / name), None, None)
    seed, chunk = found["seed"], found["chunk"]
    whole = name if chunk is None else name[: name.rindex("_chunk")]
    return CompletionFile(
        path, str(path.parent / whole), None if seed is None else int(seed), None if chunk is None else int(chunk)
    )


def _order(file: CompletionFile) -> tuple[int, list[tuple[int, int, str]], int, str]:
    """Seeds by their value; else names with their numbers by value; then chunks."""
    pieces = [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in _DIGITS.split(file.whole) if p]
    return (-1 if file.seed is None else file.seed, pieces, -1 if file.chunk is None else file.chunk, str(file.path))
