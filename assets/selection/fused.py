"""The one pass over the texts of a batch: each text is read once, all rules see it, a column a rule is written.

Holds the batch while rules work on it (:class:`Texts`) and turns the verdicts into decisions (:func:`decide`). Texts
are Python strings of one Arrow batch at a time; offsets count code points of the completion's text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from assets.schemas import ID, MAX_DETAIL, id_array
from assets.selection.arithmetic import find_runs
from resources.identity import ID_BYTES

if TYPE_CHECKING:
    from assets.selection.rules import Rule


class Texts:
    """A batch under work. ``current[i]`` is row i as the rules so far left it."""

    def __init__(
        self, texts: pa.Array, problem_tokens: Sequence[int | None], engine_tokens: Sequence[int | None]
    ) -> None:
        """Outer white space is never part of a solution, so it is off from the start."""
        self._column = texts
        self.original: list[str] = texts.to_pylist()
        self.problem_tokens = problem_tokens
        self.current = [text.strip() for text in self.original]
        self.starts = [0] * len(self.original)
        self.ends = [len(text) for text in self.original]
        self.tokens: list[int | None] = [None] * len(self.original)
        self.trimmed: set[int] = set()
        self.rewritten: set[int] = set()
        self._engine_tokens = engine_tokens
        self._runs: list[list[str]] | None = None
        self._stale: set[int] = set()
        for i, (text, original) in enumerate(zip(self.current, self.original, strict=True)):
            if len(text) != len(original):
                self.starts[i] = len(original) - len(original.lstrip())
                self.ends[i] = self.starts[i] + len(text)

    def __len__(self) -> int:
        """Rows."""
        return len(self.original)

    def cut(self, i: int, start: int, end: int) -> None:
        """Keep ``[start, end)`` of row ``i`` as it is now, without outer white space."""
        text = self.current[i][start:end]
        start += len(text) - len(text.lstrip())
        self.current[i] = text = text.strip()
        self._stale.add(i)
        self.trimmed.add(i)
        self.tokens[i] = None
        if i not in self.rewritten:  # offsets speak of the completion, which a rewritten text is no slice of
            self.starts[i] += start
            self.ends[i] = self.starts[i] + len(text)

    def rewrite(self, i: int, text: str) -> None:
        """Row ``i`` has a text of its own from here on."""
        self.current[i] = text
        self.rewritten.add(i)
        self._stale.add(i)
        self.tokens[i] = None

    def runs(self, max_characters: int) -> Sequence[Sequence[str]]:
        """Stretches of arithmetic of each current text; none for texts above ``max_characters``."""
        if self._runs is None:
            self._runs = find_runs(pl.Series(pl.from_arrow(self._column)))
            self._stale |= {i for i, text in enumerate(self.original) if len(text) > max_characters}
        if self._stale:
            stale = sorted(self._stale)
            texts = [self.current[i] if len(self.current[i]) <= max_characters else "" for i in stale]
            for i, found in zip(stale, find_runs(pl.Series(texts, dtype=pl.String)), strict=True):
                self._runs[i] = found
            self._stale.clear()
        return self._runs

    def take_engine_counts(self) -> None:
        """Use the engine's count of tokens for every text that is still whole."""
        for i, count in enumerate(self._engine_tokens):
            if i not in self.trimmed and i not in self.rewritten:
                self.tokens[i] = count


def decide(batch: pa.RecordBatch, rules: Sequence[Rule], changed: dict[str, int]) -> pa.Table:
    """One row a solution with everything that ``rows``, ``rejects`` and ``decisions`` need.

    ``changed`` counts, by rule, the rows that trims cut and rewrites changed.
    """
    texts = Texts(
        batch.column("text"), batch.column("problem_tokens").to_pylist(), batch.column("completion_tokens").to_pylist()
    )
    columns: dict[str, pa.Array] = {}
    first: dict[int, tuple[str, str, str | None]] = {}
    for rule in rules:
        verdicts = rule.apply(texts)
        failed = verdicts.failed
        if rule.effect != "drop":
            changed[rule.name] = changed.get(rule.name, 0) + verdicts.changed
            continue
        columns[column_of(rule.name)] = pa.array([i in failed for i in range(len(texts))], pa.bool_())
        for i, (reason, detail) in failed.items():
            first.setdefault(i, (rule.name, reason, detail))
    return pa.table({**_columns(batch, texts, first), **columns})


def column_of(rule: str) -> str:
    """Name of the decision column of a drop rule."""
    return "failed_" + rule.replace(" ", "_")


def final_hash(text: str) -> bytes:
    """``digest128("text", text)``, written out because it runs once for every row of a release."""
    data = text.encode()
    hasher = blake2b(len(data).to_bytes(8, "little"), digest_size=ID_BYTES, person=b"text")
    hasher.update(data)
    return hasher.digest()


def _columns(
    batch: pa.RecordBatch, texts: Texts, first: Mapping[int, tuple[str, str, str | None]]
) -> dict[str, pa.Array]:
    rows = range(len(texts))
    words: list[list[str | None]] = [[first[i][part] if i in first else None for i in rows] for part in (0, 1, 2)]
    rewritten = [texts.current[i] if i in texts.rewritten and i not in first else None for i in rows]
    return {
        "solution_id": batch.column("solution_id"),
        "problem_id": batch.column("problem_id"),
        "kept": pa.array([i not in first for i in rows], pa.bool_()),
        "rule": pa.array(words[0], pa.string()),
        "reason": pa.array(words[1], pa.string()),
        "detail": pa.array([detail and detail[:MAX_DETAIL] for detail in words[2]], pa.string()),
        "start": pa.array(texts.starts, pa.int32()),
        "end": pa.array(texts.ends, pa.int32()),
        "rewritten": pa.array(rewritten, pa.string()),
        "final_text_hash": _hashes(texts, first),
        "characters": pa.array([len(text) for text in texts.current], pa.int32()),
        "tokens": pa.array(texts.tokens, pa.int32()),
        "is_trimmed": pa.array([i in texts.trimmed for i in rows], pa.bool_()),
        "is_rewritten": pa.array([i in texts.rewritten for i in rows], pa.bool_()),
    }


def _hashes(texts: Texts, first: Mapping[int, object]) -> pa.Array:
    """Hashes of the kept texts only: a rejected text is never compared."""
    hashes: Sequence[bytes | None] = [None if i in first else final_hash(t) for i, t in enumerate(texts.current)]
    found = id_array(hashes)
    assert found.type == ID
    return found
