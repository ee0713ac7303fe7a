"""Reads local files row by row: JSON Lines (gzip too), CSV, Parquet. Bounded memory, whatever the file holds.

A row that cannot be read is a :class:`SourceRow` with a fault, and reading goes on; only a file that is no such file at
all is an error. What the fields mean is the parsers' part.
"""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.errors import SeedError
from resources.lines import in_words, read_lines
from resources.sources.rows import MAX_ROW_BYTES, BadRow

_PARQUET_ROWS = 256
"""Rows decoded at once: 256 rows of a megabyte each still fit into a small machine."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Row ``number`` (from 0) of a source. ``place`` is where a person finds it; with ``fault`` there are no values."""

    number: int
    place: str
    values: Mapping[str, Any] = field(default_factory=dict)
    fault: BadRow | None = None


def read_file(path: Path, needed: Sequence[str], wanted: Sequence[str]) -> Iterator[SourceRow]:
    """Rows of a local file, by its ending. ``needed`` columns must be in its schema, where it has one.

    Raises:
        SeedError: No such file, an unknown ending, not that format at all, or a column that is not there.
    """
    name = path.name.lower().removesuffix(".gz")
    is_zipped = name != path.name.lower()
    if name.endswith((".jsonl", ".ndjson", ".json")):
        rows = _read_jsonl(path, is_zipped)
    elif name.endswith(".csv"):
        rows = _read_csv(path, is_zipped, needed)
    elif name.endswith(".parquet") and not is_zipped:
        rows = _read_parquet(path, needed, wanted)
    else:
        raise SeedError(
            f"the ending {''.join(path.suffixes) or path.name!r} is none that a source can have",
            where=str(path),
            fix="Give a .jsonl, .csv (both also .gz) or .parquet file",
        )
    with in_words(path, SeedError, absent="Correct the path of the source", damaged="Fetch or write it again"):
        yield from rows


def no_column(missing: str, present: Collection[str], where: str) -> SeedError:
    """The error for a column that no row has, with the nearest name there."""
    near = difflib.get_close_matches(missing, present, n=1, cutoff=0.0)
    shown = ", ".join(sorted(present)[:20]) or "none"
    return SeedError(
        f"no row has the column {missing!r} (columns there: {shown})",
        where=where,
        fix=f"Map it in the source, as in `columns: {{{missing}: {near[0] if near else '...'}}}`, or give another file",
    )


def _read_jsonl(path: Path, is_zipped: bool) -> Iterator[SourceRow]:
    row = 0
    for number, line in read_lines(path, MAX_ROW_BYTES, SeedError, is_zipped=is_zipped):
        if line is not None and not line.strip():
            continue
        if row == 0 and line is not None and line.strip() in (b"[", b"[{"):
            raise SeedError(
                "the file is one JSON array", where=f"{path}:{number}", fix="Write one object a line (jq -c '.[]')"
            )
        place = f"line {number}"
        try:
            yield SourceRow(row, place, _json_object(line))
        except BadRow as fault:
            yield SourceRow(row, place, fault=fault)
        row += 1


def _json_object(line: bytes | None) -> dict[str, Any]:
    if line is None:
        raise BadRow("too long", f"the line is longer than {MAX_ROW_BYTES} bytes")
    try:
        value = json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise BadRow("encoding", "the line is not UTF-8", f"byte {error.start}: {line[error.start]:#04x}") from None
    except (ValueError, RecursionError) as error:
        raise BadRow("malformed", "the line is not JSON", f"{error}: {line[:100].decode('utf-8', 'replace')}") from None
    if not isinstance(value, dict):
        raise BadRow("malformed", "the line is JSON and no object", f"{type(value).__name__}")
    return value


def _read_csv(path: Path, is_zipped: bool, needed: Sequence[str]) -> Iterator[SourceRow]:
    """Rows of a CSV with a header. A field may have 128 KiB (the csv module's own limit)."""
    numbered = _CsvLines(path, is_zipped)
    header = next(csv.reader(numbered, strict=True), None) or []
    if header:
        for name in needed:
            if name not in header:
                raise no_column(name, header, str(path))
    row = 0
    reader = csv.reader(numbered, strict=True)
    while True:
        first = numbered.number + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            fault: BadRow | None = BadRow("malformed", "the line is not CSV", str(error))
            fields, reader = [], csv.reader(numbered, strict=True)
        else:
            if not fields:
                continue
            fault = _csv_fault(header, fields)
        values = {} if fault else dict(zip(header, fields, strict=True))
        yield SourceRow(row, f"line {first}", values, fault)
        row += 1


def _csv_fault(header: Sequence[str], fields: Sequence[str]) -> BadRow | None:
    if _CsvLines.TOO_LONG in fields:
        return BadRow("too long", f"the line is longer than {MAX_ROW_BYTES} bytes")
    if len(fields) != len(header):
        return BadRow("malformed", "the row has another number of fields than the header", f"{len(fields)} fields")
    return None


class _CsvLines:
    """Decoded lines for ``csv.reader``, which counts records and not lines. Bytes that are no UTF-8 become surrogates.

    The field check then finds those, and only the row that holds them is rejected.
    """

    TOO_LONG = "\udcff too long"

    def __init__(self, path: Path, is_zipped: bool) -> None:
        self._lines = read_lines(path, MAX_ROW_BYTES, SeedError, is_zipped=is_zipped)
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        return self.TOO_LONG if line is None else line.decode("utf-8", "surrogateescape") + "\n"


def _read_parquet(path: Path, needed: Sequence[str], wanted: Sequence[str]) -> Iterator[SourceRow]:
    with pq.ParquetFile(path) as file:
        present = file.schema_arrow.names
        for name in needed:
            if name not in present:
                raise no_column(name, present, str(path))
        columns = [name for name in dict.fromkeys([*needed, *wanted]) if name in present]
        row = 0
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=columns):
            for index in range(batch.num_rows):
                yield _parquet_row(batch, index, row)
                row += 1


def _parquet_row(batch: pa.RecordBatch, index: int, row: int) -> SourceRow:
    place = f"row {row}"
    try:
        return SourceRow(row, place, batch.slice(index, 1).to_pylist()[0])
    except UnicodeDecodeError as error:
        return SourceRow(row, place, fault=BadRow("encoding", "a field is not UTF-8", f"byte {error.start}"))
