"""Reads files of completions row by row, and rows again by their place. Bounded memory, whatever a file holds.

A plain JSONL file is read again where it lies, by byte offset. What cannot be read from the middle (gzip; Parquet,
whose row groups may be larger than the memory) is written out once, as JSONL, into a file without a name: it is gone
when this process ends, however it ends.
"""

from __future__ import annotations

import gzip
import json
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from resources.engines.files.rows import BadRow
from resources.errors import EngineError

MAX_ROW_BYTES = 32 << 20
"""Longest line: 128k tokens of reasoning are under 1 MB; a line above 32 MB is a broken file."""

_JSONL = (".jsonl", ".ndjson", ".json")
_PARQUET_ROWS = 256
"""Rows decoded at once: 256 answers of a megabyte each still fit into a small machine."""
_BOM = b"\xef\xbb\xbf"


class Spool:
    """The rows that were written out, of all files of an engine: one file without a name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: IO[bytes] | None = None

    def write(self, row: Mapping[str, Any]) -> int:
        """Add a row; returns its place."""
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = cast(IO[bytes], tempfile.TemporaryFile(dir=self.folder))  # noqa: SIM115  # see close
        place = self._file.seek(0, 2)
        # ASCII: lone surrogates survive, and a newline inside a text is escaped.
        self._file.write(json.dumps(row, default=repr).encode() + b"\n")
        return place

    def line(self, place: int) -> bytes:
        """The row at ``place``; nothing when the spool is closed."""
        if self._file is None:
            return b""
        self._file.seek(place)
        return self._file.readline()

    def close(self) -> None:
        """Free the disk. Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None


class CompletionFile:
    """One file: its rows with their places, and a row again. Holds nothing open: there may be thousands."""

    def __init__(self, path: Path, columns: Mapping[str, str], *, spool: Spool, where: str) -> None:
        """``columns``: meaning -> name in the file."""
        self.path = path
        self._columns = columns
        self._spool = spool
        self._where = where
        self._is_spooled = _is_parquet(path) or _is_zipped(path)

    def check(self) -> None:
        """See that the file can be read and has the columns, from its first row or its schema.

        Raises:
            EngineError: It cannot be read, has another format, or lacks the text or the prompt.
        """
        with self._errors():
            if _is_parquet(self.path):
                names = set(pq.read_schema(self.path).names)
            else:
                first = next(self._read_lines(), None)
                names = set(first[2]) if first else set()
            needs = {self._columns["text"]}
            prompts = {self._columns["prompt"], self._columns["messages"], self._columns["mode"]}
            if not names:
                raise self._bad("it holds no row")
            if missing := (needs - names) or (not prompts & names and {self._columns["prompt"]}):
                raise self._bad(
                    f"it has no column {min(missing)!r} (columns there: {', '.join(sorted(names)[:20])})",
                    fix="Say what the column is called, as in `columns: {text: generation}`.",
                )

    def rows(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Place, number of the line or row from 1, and values by meaning, of each row."""
        with self._errors():
            for place, line, values in self._read_parquet() if _is_parquet(self.path) else self._read_lines():
                row = self._meant(values)
                if self._is_spooled:
                    place = self._spool.write({self._columns[meaning]: value for meaning, value in row.items()})
                yield place, line, row

    def read(self, place: int) -> dict[str, Any]:
        """The row at ``place``, by meaning. Raises BadRow when there is none any more."""
        with self._errors():
            if self._is_spooled:
                return self._meant(_json_object(self._spool.line(place)))
            with self.path.open("rb") as handle:
                handle.seek(place)
                return self._meant(_json_object(handle.readline(MAX_ROW_BYTES + 1).removeprefix(_BOM)))

    def bad_row(self, line: int, reason: str) -> EngineError:
        """The error for a row that is no completion."""
        return EngineError(
            f"{self.path}:{line}: {reason}",
            where=self._where,
            fix="Mend or remove this row, or say what its columns are called (`columns`).",
        )

    def _meant(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {meaning: values[name] for meaning, name in self._columns.items() if values.get(name) is not None}

    def _read_lines(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        with cast(IO[bytes], gzip.open(self.path, "rb") if _is_zipped(self.path) else self.path.open("rb")) as handle:
            place = number = 0
            while line := handle.readline(MAX_ROW_BYTES + 1):
                number += 1
                if len(line) > MAX_ROW_BYTES:
                    raise self.bad_row(number, f"the line is longer than {MAX_ROW_BYTES >> 20} MiB")
                body = line.removeprefix(_BOM) if number == 1 else line
                if body.strip():
                    try:
                        yield place, number, _json_object(body)
                    except BadRow as exc:
                        raise self.bad_row(number, str(exc)) from None
                place += len(line)

    def _read_parquet(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        number = 0
        with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 16) as file:
            wanted = [name for name in self._columns.values() if name in file.schema_arrow.names]
            for batch in file.iter_batches(_PARQUET_ROWS, columns=wanted):
                for values in batch.to_pylist():
                    number += 1
                    yield number, number, values

    def _bad(
        self, reason: str, fix: str = "Give .jsonl (also .jsonl.gz) or .parquet files with one row a sample."
    ) -> EngineError:
        return EngineError(f"{self.path}: {reason}", where=self._where, fix=fix)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the system and the formats' libraries raise, as one line with a remedy."""
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException) as exc:
            raise self._bad(
                f"the file is damaged: {' '.join(str(exc).split())[:200]}", "Fetch or write it again."
            ) from exc
        except OSError as exc:
            raise self._bad(
                f"it cannot be read, or not written out into {self._spool.folder}: {exc.strerror or exc}",
                "Check the file, and that the disk has room.",
            ) from exc


def is_readable(path: Path) -> bool:
    """Whether the ending is one that completions are read from."""
    return _is_parquet(path) or path.name.lower().removesuffix(".gz").endswith(_JSONL)


def _is_parquet(path: Path) -> bool:
    return path.name.lower().endswith(".parquet")


def _is_zipped(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _json_object(line: bytes) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):  # bad UTF-8 is a ValueError; deep nesting is hostile
        raise BadRow("the line is no JSON") from None
    if not isinstance(value, dict):
        raise BadRow("the line is no JSON object")
    return value
