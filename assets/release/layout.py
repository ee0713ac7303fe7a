"""Lays the rows of one config out in files: a set of shards per split, or shards that nested splits share.

Takes batches in the order of the release, each with a bit mask of splits, and never holds more than a row group per
open file. What the columns mean is not known here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pyarrow as pa
from pyarrow import compute as pc

from assets.release.shards import Shard, ShardWriter
from resources.errors import MathloomError
from resources.identity import hash_file

Mode = Literal["copied", "shared"]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A finished shard. ``path`` is inside the release folder, with slashes."""

    path: str
    row_count: int
    bytes: int
    bytes_in_memory: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How splits become files. ``splits``: name -> rows (none is 0), in declared order (bit i of a mask: the i-th)."""

    folder: Path
    splits: dict[str, int]
    mode: Mode
    max_shard_bytes: int
    where: str
    """Recipe and stage, for errors."""


@dataclass(slots=True)
class ConfigFiles:
    """The files of one config: split -> files, in order."""

    config: str
    schema: pa.Schema
    splits: dict[str, list[DataFile]] = field(default_factory=dict)

    def unique(self) -> list[DataFile]:
        """Every file once, in the order of the splits."""
        return list({file.path: file for files in self.splits.values() for file in files}.values())


def write_config(plan: Plan, config: str, directory: str, schema: pa.Schema, rows: Iterable[pa.Table]) -> ConfigFiles:
    """Write ``rows`` (columns of ``schema`` after ``mask``) under ``directory``; files get their final names.

    Raises:
        MathloomError: ``shared`` is asked for and the splits are not prefixes of each other.
    """
    (plan.folder / directory).mkdir(parents=True, exist_ok=True)
    layout = _Shared if plan.mode == "shared" else _Copied
    return ConfigFiles(config, schema, layout(plan, directory, schema).write(rows))


class _Copied:
    """Every split has files of its own."""

    def __init__(self, plan: Plan, directory: str, schema: pa.Schema) -> None:
        self._plan = plan
        self._directory = directory
        folder = plan.folder / directory
        self._writers = {name: ShardWriter(folder, name, schema, plan.max_shard_bytes) for name in plan.splits}

    def write(self, rows: Iterable[pa.Table]) -> dict[str, list[DataFile]]:
        """One pass: each batch goes to all splits that it belongs to."""
        try:
            for table in rows:
                data = table.drop_columns("mask")
                for index, writer in enumerate(self._writers.values()):
                    writer.write(data.filter(_member(table, index)))
            return {
                name: _named(self._plan.folder, self._directory, name, writer.close())
                for name, writer in self._writers.items()
            }
        finally:
            for writer in self._writers.values():
                writer.abort()


class _Shared:
    """Shards end at the borders of the splits, and a smaller split reads the first shards of the largest one."""

    def __init__(self, plan: Plan, directory: str, schema: pa.Schema) -> None:
        self._plan = plan
        self._directory = directory
        self._largest = max(plan.splits, key=lambda name: plan.splits[name])
        self._writer = ShardWriter(plan.folder / directory, self._largest, schema, plan.max_shard_bytes)

    def write(self, rows: Iterable[pa.Table]) -> dict[str, list[DataFile]]:
        """One pass with a cut at every border."""
        try:
            for table, is_border in self._pieces(rows):
                self._writer.write(table)
                if is_border:
                    self._writer.cut()
            shards = self._writer.close()
        finally:
            self._writer.abort()
        files = _named(self._plan.folder, self._directory, self._largest, shards)
        ends = [shard.first + shard.row_count for shard in shards]
        return {
            name: [file for file, end in zip(files, ends, strict=True) if end <= count]
            for name, count in self._plan.splits.items()
        }

    def _pieces(self, rows: Iterable[pa.Table]) -> Iterator[tuple[pa.Table, bool]]:
        borders = sorted(set(self._plan.splits.values()))
        position = 0
        for table in rows:
            start = 0
            while start < table.num_rows:
                border = next((b for b in borders if b > position), position + table.num_rows)
                count = min(border - position, table.num_rows - start)
                piece = table.slice(start, count)
                self._check_prefix(piece, position)
                position, start = position + count, start + count
                yield piece.drop_columns("mask"), position == border

    def _check_prefix(self, piece: pa.Table, position: int) -> None:
        expected = sum(1 << i for i, count in enumerate(self._plan.splits.values()) if position < count)
        if piece["mask"].unique().to_pylist() != [expected]:
            raise MathloomError(
                "the splits cannot share files, because they are not prefixes of one order",
                where=self._plan.where,
                fix="Write `splits: copied` in the settings of the stage",
            )


def _member(table: pa.Table, index: int) -> pa.ChunkedArray:
    bit = pc.call_function("bit_wise_and", [table["mask"], pa.scalar(1 << index, pa.int64())])
    return pc.call_function("not_equal", [bit, pa.scalar(0, pa.int64())])


def _named(folder: Path, directory: str, split: str, shards: Sequence[Shard]) -> list[DataFile]:
    files = []
    for index, shard in enumerate(shards):
        path = f"{directory}/{split}-{index:05d}-of-{len(shards):05d}.parquet"
        target = shard.path.rename(folder / path)
        size = target.stat().st_size
        files.append(DataFile(path, shard.row_count, size, shard.bytes_in_memory, hash_file(target)))
    return files
