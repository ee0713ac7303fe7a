"""Shard files: cut at exact rows, of bytes that depend on rows alone."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.release import shards
from assets.release.shards import ShardWriter, row_bytes

SCHEMA = pa.schema([("text", pa.string()), ("number", pa.int64()), ("flag", pa.bool_())])
ROW = 4 + 8 + 1


def _table(lengths: list[int]) -> pa.Table:
    return pa.table(
        [["x" * n for n in lengths], list(range(len(lengths))), [True] * len(lengths)], names=SCHEMA.names
    ).cast(SCHEMA)


def _write(folder: Path, pieces: list[pa.Table], limit: int) -> list[shards.Shard]:
    folder.mkdir(exist_ok=True)
    writer = ShardWriter(folder, "s", SCHEMA, limit)
    for piece in pieces:
        writer.write(piece)
    return writer.close()


def test_row_bytes_count_text_offsets_and_fixed_widths() -> None:
    table = pa.table([["ab", None, "\u00e9"], [1, 2, None], [True, None, False]], names=SCHEMA.names).cast(SCHEMA)
    assert list(row_bytes(table)) == [2 + ROW, ROW, 2 + ROW]


@pytest.mark.parametrize(
    ("lengths", "limit", "counts"),
    [
        ([87] * 10, 1000, [10]),
        ([87] * 11, 1000, [10, 1]),
        ([87] * 10, 999, [9, 1]),
        ([5000, 1, 1], 1000, [1, 2]),
        ([1, 5000, 1], 1000, [1, 1, 1]),
        ([1, 1, 5000], 1000, [2, 1]),
        ([], 1000, [0]),
    ],
    ids=["just fits", "one more", "one byte less", "giant first", "giant between", "giant last", "no rows"],
)
def test_a_shard_ends_before_the_row_that_does_not_fit(
    tmp_path: Path, lengths: list[int], limit: int, counts: list[int]
) -> None:
    made = _write(tmp_path, [_table(lengths)], limit)
    assert [shard.row_count for shard in made] == counts
    assert [shard.first for shard in made] == [sum(counts[:i]) for i in range(len(counts))]
    assert sum(shard.bytes_in_memory for shard in made) == sum(lengths) + ROW * len(lengths)
    back = pa.concat_tables([pq.ParquetFile(shard.path).read() for shard in made])
    assert back.equals(_table(lengths))


def test_a_cut_ends_a_shard_and_never_makes_an_empty_one(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, "s", SCHEMA, 10**6)
    writer.cut()
    writer.write(_table([1, 1]))
    writer.cut()
    writer.cut()
    writer.write(_table([1]))
    assert [shard.row_count for shard in writer.close()] == [2, 1]


def test_row_groups_have_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "ROW_GROUP_BYTES", 1000)
    made = _write(tmp_path, [_table([87] * 7), _table([87] * 18)], 10**6)
    file = pq.ParquetFile(made[0].path)
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [10, 10, 5]


@given(lengths=st.lists(st.integers(0, 400), min_size=1, max_size=60), cuts=st.lists(st.integers(0, 60), max_size=5))
@settings(max_examples=25, deadline=None)
def test_bytes_do_not_depend_on_batches(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], cuts: list[int]
) -> None:
    whole, start, pieces = _table(lengths), 0, list[pa.Table]()
    for stop in [*sorted(min(cut, len(lengths)) for cut in cuts), len(lengths)]:
        pieces.append(whole.slice(start, stop - start))
        start = stop
    folder = tmp_path_factory.mktemp("shards")
    first = [shard.path.read_bytes() for shard in _write(folder / "a", [whole], 1500)]
    second = [shard.path.read_bytes() for shard in _write(folder / "b", pieces, 1500)]
    assert first == second


def test_a_changed_row_leaves_most_chunks_of_a_file_as_they_were(tmp_path: Path) -> None:
    """What content-defined chunking is for: an upload of the second file sends only what differs."""
    words = random.Random(0)
    texts = ["".join(words.choices("abcdefghijklmnop ", k=900)) for _ in range(9000)]

    def pages(name: str, rows: list[str]) -> set[bytes]:
        table = pa.table([rows, list(range(len(rows))), [True] * len(rows)], names=SCHEMA.names).cast(SCHEMA)
        path = _write(tmp_path / name, [table], 10**9)[0].path
        column = pq.ParquetFile(path).metadata.row_group(0).column(0)
        start = column.data_page_offset
        return _frames(path.read_bytes()[start : start + column.total_compressed_size])

    before, after = pages("before", texts), pages("after", ["new row", *texts])
    assert len(before & after) > len(before) // 2


def _frames(data: bytes) -> set[bytes]:
    """Compressed pages of a column: each is a zstd frame, which begins with this magic number."""
    return set(data.split(b"\x28\xb5\x2f\xfd"))
