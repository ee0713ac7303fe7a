"""The engine ``files``: answers from files of completions that a user has already, and asks nobody.

For completions from a cluster, from an older project, or from ``mathloom requests export``. A prompt is found by its
text, so the recipe that asks must be the one that asked. What a row means is in ``rows``, the files in ``reading``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator

from resources.engines.files.index import AnswerIndex
from resources.engines.files.reading import CompletionFile, Spool, is_readable
from resources.engines.files.rows import COLUMNS, BadRow, digest_of, read_answer, read_place
from resources.engines.options import EngineOptions
from resources.engines.protocol import EngineRequest, EngineResult, Prompt
from resources.engines.weights import FileHashes
from resources.errors import EngineError
from resources.identity import hash_json
from resources.paths import expanded

_SHOWN_CHARACTERS = 80
_SHOWN_FILES = 3
_MAX_FILES = 1 << 16


class FilesOptions(EngineOptions):
    """The weights id names who wrote the answers; the files and their columns say where they are."""

    paths: tuple[str, ...] = Field(
        description="Files or globs: .jsonl, .jsonl.gz or .parquet, one row a sample.",
        min_length=1,
    )
    weights: str | None = Field(
        None,
        description="Id of the weights that wrote the answers, as another engine shows it; rows that name others are "
        "left out. Without it, the id is the hash of the files.",
        pattern=r"^[!-~]+$",
        max_length=300,
    )
    columns: Mapping[str, str] = Field(
        default_factory=dict, description=f"Names in the files of what is called otherwise here: {', '.join(COLUMNS)}."
    )

    @field_validator("paths", mode="before")
    @classmethod
    def _one_path(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, value: Mapping[str, str]) -> Mapping[str, str]:
        if unknown := sorted(set(value) - set(COLUMNS)):
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(COLUMNS)}")
        return value


class FilesEngine:
    """Reads all rows once at ``start``, keeps where they lie, and reads each answer when it is asked for."""

    name = "files"
    holds_device = False
    options_type: ClassVar[type[EngineOptions]] = FilesOptions

    def __init__(self, options: FilesOptions, *, where: str, cache: Path, secrets: Mapping[str, str]) -> None:
        del secrets  # files need none
        self._options = options
        self._where = where
        self._cache = cache
        self._spool = Spool(cache)
        self._columns = {meaning: options.columns.get(meaning, meaning) for meaning in COLUMNS}
        self._weights_id = options.weights
        self._files: list[CompletionFile] = []
        self._index: AnswerIndex | None = None
        self._forms: tuple[bool, ...] = ()
        """Whether rows say their sampling: True, False, or both where files differ."""

    def weights_id(self) -> str:
        """The declared id; else the hash of the files in their order, which other files change."""
        if self._weights_id is None:
            hashes = FileHashes(self._cache, where=self._where)
            parts = [hashes.hash(path) for path in self._paths()]
            self._weights_id = f"files:sha256:{hash_json([parts, dict(self._options.columns)])}"
        return self._weights_id

    def describe(self) -> Mapping[str, Any]:
        """The options that were set, with the names of the files and no folder of this machine."""
        shown = self._options.model_dump(mode="json", exclude_defaults=True)
        shown["paths"] = _names(self._paths())
        return {**shown, "engine": self.name, "weights": self.weights_id()}

    def check(self) -> None:
        """The files are there and have the columns. Looks at the beginning of each."""
        for path in self._paths():
            self._file(path).check()

    def start(self) -> None:
        """Read all rows once and note where they lie."""
        if self._index is not None:
            return
        index, forms, weights = AnswerIndex(), set[bool](), set[str]()
        self._files = [self._file(path) for path in self._paths()]
        try:
            for number, file in enumerate(self._files):
                self._note_rows(index, forms, weights, number, file)
        except BaseException:
            self.stop()
            raise
        index.finish()
        self._index, self._forms = index, tuple(sorted(forms, reverse=True))

    def stream(self, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        """Answer each sample, in order, from its row.

        Raises:
            EngineError: A sample has no row. Nothing that was asked before is lost.
        """
        self.start()
        for request in requests:
            digests = [digest_of(request, with_sampling=form) for form in self._forms]
            for index in range(request.first, request.first + request.count):
                yield self._answer(request, digests, index)

    def stop(self) -> None:
        """Forget the rows and free the disk. Idempotent."""
        self._index = None
        self._files = []
        self._spool.close()

    def _file(self, path: Path) -> CompletionFile:
        return CompletionFile(path, self._columns, spool=self._spool, where=self._where)

    def _paths(self) -> list[Path]:
        """The files, each once: as written, those of a glob by the numbers in their names."""
        found: dict[Path, Path] = {}
        for pattern in self._options.paths:
            path = expanded(pattern)
            files = [path] if path.is_file() else sorted(filter(Path.is_file, _glob(path)), key=_natural)
            if not files:
                raise self._wrong(
                    f"no file is there for {pattern!r}", "Correct `paths`; a glob is written as dir/*.jsonl."
                )
            if odd := [file for file in files if not is_readable(file)]:
                raise self._wrong(
                    f"the ending of {odd[0].name!r} is none that completions are read from",
                    "Give .jsonl (also .jsonl.gz) or .parquet files with one row a sample.",
                )
            for file in files:
                found.setdefault(file.resolve(), file)
        if len(found) > _MAX_FILES:
            raise self._wrong(f"{len(found)} files", f"Join them to at most {_MAX_FILES}.")
        return list(found.values())

    def _note_rows(
        self, index: AnswerIndex, forms: set[bool], weights: set[str], number: int, file: CompletionFile
    ) -> None:
        for place, line, row in file.rows():
            try:
                found = read_place(row)
                read_answer(row, 0, 0)
            except BadRow as exc:
                raise file.bad_row(line, str(exc)) from None
            if found.weights is not None and not self._is_ours(found.weights, weights):
                continue
            forms.add(found.says_sampling)
            index.add(found.digest, found.sample_index, number, place)

    def _is_ours(self, named: str, seen: set[str]) -> bool:
        if self._options.weights is not None:
            return named == self._options.weights
        seen.add(named)
        if len(seen) > 1:
            raise self._wrong(
                f"the files hold answers of several weights: {', '.join(sorted(seen))}",
                "Say in `weights` which of them are meant.",
            )
        return True

    def _answer(self, request: EngineRequest, digests: list[bytes], index: int) -> EngineResult:
        if self._index is None:
            raise self._wrong("the engine was stopped in the middle of a stage", "Run the command again.")
        places = [place for digest in digests if (place := self._index.find(digest, index))]
        if not places:
            raise self._missing(self._index, request, digests, index)
        number, place = min(places)
        file = self._files[number]
        try:
            row = file.read(place)
            if read_place(row).digest not in digests:
                raise BadRow("the row is another one")
            return read_answer(row, request.number, index)
        except BadRow as exc:
            raise self._wrong(
                f"{file.path} was changed while it was read (byte {place}: {exc})",
                "Leave it as it is while a build runs.",
            ) from None

    def _missing(self, index: AnswerIndex, request: EngineRequest, digests: list[bytes], sample: int) -> EngineError:
        there = sorted({each for digest in digests for each in index.indices(digest)})
        state = f"of its samples {_ranges(there)} are there" if there else "none of its samples is there"
        files = _names([file.path for file in self._files])
        return self._wrong(
            f"no answer for sample {sample} of the prompt {_shown(request.prompt)!r}: {state} ({len(index):,} rows in "
            f"{files})",
            "Add its row to the files, ask for fewer samples, or build with an engine that can write it. What was "
            "found is stored.",
        )

    def _wrong(self, what: str, fix: str) -> EngineError:
        return EngineError(what, where=self._where, fix=fix)


def _names(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:_SHOWN_FILES])
    return f"{names} and {len(paths) - _SHOWN_FILES} more" if len(paths) > _SHOWN_FILES else names


def _shown(prompt: Prompt) -> str:
    """The end of the prompt, since prompts with examples all begin alike."""
    text = prompt.text if prompt.mode == "raw" else " ".join(content for _, content in prompt.messages)
    words = " ".join("".join(c if c.isprintable() else " " for c in text[-10 * _SHOWN_CHARACTERS :]).split())
    return words if len(words) <= _SHOWN_CHARACTERS else "..." + words[3 - _SHOWN_CHARACTERS :]


def _ranges(numbers: list[int]) -> str:
    if numbers[-1] - numbers[0] == len(numbers) - 1 and len(numbers) > 1:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers[:10])) + (", ..." if numbers[10:] else "")


def _glob(path: Path) -> Iterator[Path]:
    base = Path(path.anchor)  # empty for a relative path
    return base.glob(str(path.relative_to(base)))


def _natural(path: Path) -> list[Any]:
    """Sorts output-rs2 before output-rs10."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", str(path))]
