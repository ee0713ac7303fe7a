"""Reads files row by row: JSON Lines (gzip too) and Parquet. Bounded memory, whatever the file holds.

A row that cannot be read is a :class:`FileRow` with a fault, and reading goes on; only a file that is no such file at
all is an error. What the columns mean is the business of those who read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.errors import FileError
from resources.lines import in_words, read_lines

MAX_ROW_BYTES = 32 << 20
"""Longest line, in bytes: 128k tokens of reasoning are under 1 MB; one above 32 MB is a broken file."""

UNFINISHED = "-async"
"""What NeMo-Skills puts after the name of a file whose generation has not ended; its rows carry their places."""
JSONL_ENDINGS = (".jsonl", ".ndjson", ".json", f".jsonl{UNFINISHED}")
PARQUET_ENDING = ".parquet"

_PARQUET_ROWS = 256
"""Rows decoded at once: 256 answers of a megabyte each still fit into a small machine."""
_SHOWN = 100


class WrittenNumber(float):
    """A number of a JSON file with a point or an exponent, which knows how it was written: ``1.50`` is not ``1.5``."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> WrittenNumber:
        """Read it as JSON does."""
        number = super().__new__(cls, text)
        number.text = text
        return number


@dataclass(frozen=True, slots=True)
class FileRow:
    """Row ``number`` of a file, from 0; blank lines are not counted. With ``fault`` there are no values."""

    number: int
    line: int
    """Where a person finds it, from 1: the line of JSON Lines, the row of Parquet."""
    values: Mapping[str, Any]
    fault: str = ""


def bare_name(path: Path) -> str:
    """The file's name without the endings that say its format: ``output-rs0.jsonl.gz`` -> ``output-rs0``.

    Raises:
        FileError: The ending is none that is read.
    """
    name = path.name.removesuffix(".gz")
    lower = name.lower()
    for ending in JSONL_ENDINGS:
        if lower.endswith(ending):
            return name[: -len(ending)]
    if lower.endswith(PARQUET_ENDING) and name == path.name:
        return name[: -len(PARQUET_ENDING)]
    raise FileError(
        f"the ending {''.join(path.suffixes) or path.name!r} is none that is read",
        where=str(path),
        fix="Give .jsonl (also .jsonl.gz) or .parquet files with one row a sample",
    )


def is_parquet(path: Path) -> bool:
    """Whether the file is Parquet, by its ending."""
    return path.name.lower().endswith(PARQUET_ENDING)


def read_rows(
    path: Path, wanted: Collection[str] | None = None, *, parse_float: Callable[[str], float] = float
) -> Iterator[FileRow]:
    """Rows of one file.

    Args:
        path: JSON Lines or Parquet, by its ending.
        wanted: Columns that are needed, where the format can leave out the others.
        parse_float: What makes numbers of JSON, such as :class:`WrittenNumber`.

    Raises:
        FileError: No such file, an unknown ending, damaged, or not that format at all.
    """
    bare_name(path)
    with file_errors(path):
        yield from _parquet(path, wanted) if is_parquet(path) else _jsonl(path, parse_float)


def file_errors(path: Path) -> AbstractContextManager[None]:
    """What the system and the formats' libraries raise, as one line with a remedy."""
    return in_words(path, FileError, absent="Correct the path", damaged="Copy or write it again")


def _jsonl(path: Path, parse_float: Callable[[str], float]) -> Iterator[FileRow]:
    number = 0
    for line, data in read_lines(path, MAX_ROW_BYTES, FileError, is_zipped=path.name.lower().endswith(".gz")):
        if data is not None and not data.strip():
            continue
        if number == 0 and data is not None and data.strip() in (b"[", b"[{"):
            raise FileError(
                "the file is one JSON array", where=f"{path}:{line}", fix="Write one object a line (jq -c '.[]')"
            )
        values, fault = _object(data, parse_float)
        yield FileRow(number, line, values, fault)
        number += 1


def _object(data: bytes | None, parse_float: Callable[[str], float]) -> tuple[Mapping[str, Any], str]:
    """The JSON object of one line, or why there is none."""
    if data is None:
        return {}, f"the line is longer than {MAX_ROW_BYTES} bytes"
    try:
        value = json.loads(data.decode(), parse_float=parse_float)
    except UnicodeDecodeError as error:
        return {}, f"the line is not UTF-8 (byte {error.start}: {data[error.start]:#04x})"
    except (ValueError, RecursionError) as error:
        return {}, f"the line is not JSON ({' '.join(str(error).split())[:_SHOWN]})"
    if not isinstance(value, dict):
        return {}, f"the line is JSON and no object ({type(value).__name__})"
    return value, ""


def _parquet(path: Path, wanted: Collection[str] | None) -> Iterator[FileRow]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        columns = [name for name in names if wanted is None or name in wanted]
        number = 0
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS, columns=columns):
            try:
                rows = batch.to_pylist()
            except UnicodeDecodeError:  # one row with bytes that are no UTF-8 must not take the others with it
                rows = [_one(batch, at) for at in range(batch.num_rows)]
            for values in rows:
                fault = "a column is not UTF-8" if values is None else ""
                yield FileRow(number, number + 1, values or {}, fault)
                number += 1


def _one(batch: pa.RecordBatch, at: int) -> dict[str, Any] | None:
    try:
        return batch.slice(at, 1).to_pylist()[0]
    except UnicodeDecodeError:
        return None
