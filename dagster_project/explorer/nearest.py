"""Contamination: a benchmark problem, the problems of the dataset that are nearest to it, and the nearest seeds beside.

Where a stage computed neighbours, its similarities are shown. Everywhere, also for a text that a person pastes, the
index itself gives neighbours by shared words: the share of the words of the question, rare ones weighing more, that a
problem has too. That is a help for the eye and no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster_project.explorer.access import Reader, parquet
from dagster_project.explorer.found import id_in, words
from dagster_project.explorer.indexing import Index
from dagster_project.explorer.places import Place

TOP = 8
"""Neighbours shown on each side."""

PICKED = 200
"""Benchmark problems in the list to pick from: those with the nearest neighbours come first."""

COMMON = 0.1
"""Words in more than this share of all problems say nothing about a pair of them, and their lists are long."""

MAX_TEXT = 4000


@dataclass(frozen=True, slots=True)
class Beside:
    """Neighbours of one text."""

    text: str
    benchmark: str | None
    computed: Sequence[dict[str, Any]]
    """By a stage: doc, problem, source, n_released, n_rows, similarity."""
    dataset: Sequence[dict[str, Any]]
    """By shared words, among problems that are no seeds."""
    seeds: Sequence[dict[str, Any]]
    findings: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    """What the report of the release says of this benchmark problem."""


def benchmarks(reader: Reader, place: Place, index: Index, text: str = "") -> list[dict[str, Any]]:
    """Benchmark problems to pick from: benchmark_id, problem, benchmark, best (similarity or null)."""
    if index.facts["benchmarks"]:
        return reader.ask(
            f"select benchmark_id, left(problem, {MAX_TEXT}) as problem, benchmark, best from "
            f"{index.table('benchmarks')} where contains(lower(problem), lower($text)) limit {PICKED}",
            {"text": text[:200]},
            limit=PICKED,
        )
    files = place.report("matches")
    if not files:
        return []
    return reader.ask(
        f"select benchmark_id::varchar as benchmark_id, left(any_value(benchmark_problem), {MAX_TEXT}) as problem, "
        f"any_value(benchmark) as benchmark, null::float as best, count(*) as n from {parquet(files)} "
        "where benchmark_problem is not null and contains(lower(benchmark_problem), lower($text)) "
        f"group by 1 order by n desc, 1 limit {PICKED}",
        {"text": text[:200]},
        limit=PICKED,
    )


def beside(reader: Reader, place: Place, index: Index, text: str, benchmark_id: str | None = None) -> Beside:
    """The neighbours of ``text``; those that a stage computed too, where ``benchmark_id`` names a benchmark problem."""
    near = _by_words(reader, index, text[:MAX_TEXT])
    return Beside(
        text=text[:MAX_TEXT],
        benchmark=benchmark_id,
        computed=_computed(reader, index, benchmark_id),
        dataset=[row for row in near if not row["is_seed"]][:TOP],
        seeds=[row for row in near if row["is_seed"]][:TOP],
        findings=findings(reader, place, text),
    )


def findings(reader: Reader, place: Place, text: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """Matches of the report: all, or those whose benchmark problem is ``text``."""
    files = place.report("matches")
    if not files:
        return []
    test = "benchmark_problem = $text" if text else "$text = ''"
    return reader.ask(f"select * from {parquet(files)} where {test} limit {limit}", {"text": text}, limit=limit)


def figures(reader: Reader, place: Place) -> list[dict[str, Any]]:
    """Counts of the report."""
    files = place.report("figures")
    return reader.ask(f"select * from {parquet(files)} limit 200", limit=200) if files else []


def _computed(reader: Reader, index: Index, benchmark_id: str | None) -> list[dict[str, Any]]:
    if not benchmark_id or not id_in(benchmark_id) or not index.facts["nearest"]:
        return []
    return reader.ask(
        f"""
        select p.doc, left(p.problem, {MAX_TEXT}) as problem, p.source, p.is_seed, p.n_rows, p.n_released, p.rule,
            n.similarity
        from {index.table("nearest")} as n
        inner join {index.table("problems")} as p on p.doc = n.doc
        where n.benchmark_id = $id::uuid
        order by n.similarity desc, p.doc limit {TOP}
        """,
        {"id": benchmark_id},
    )


def _by_words(reader: Reader, index: Index, text: str) -> list[dict[str, Any]]:
    """The best of both sides, by the weighted share of words."""
    asked = words(reader, text)
    if not asked:
        return []
    total = max(int(index.facts["problems"]), 1)
    counts = reader.ask(
        f"select word, docs from {index.table('vocabulary')} where word in (select unnest($words))",
        {"words": asked},
    )
    rare = {row["word"]: row["docs"] for row in counts if row["docs"] <= max(total * COMMON, 50)}
    if not rare:
        return []
    common = {row["word"] for row in counts} - rare.keys()
    weight = {word: math.log(1 + total / rare.get(word, 1)) for word in asked if word not in common}
    values = [f"('{word}', {weight[word]:.6f})" for word in rare if word.isalnum() or word.replace(".", "").isalnum()]
    sides = " union all ".join(f"(select * from near where {side} limit {TOP})" for side in ("is_seed", "not is_seed"))
    return reader.ask(
        f"""
        with asked (word, weight) as (values {", ".join(values)}),
        scores as (
            select w.doc, sum(a.weight) / {sum(weight.values()):.6f} as similarity
            from {index.table("words")} as w
            inner join asked as a on a.word = w.word
            where w.word in ({", ".join(value.split(",")[0][1:] for value in values)})
            group by w.doc
            order by similarity desc limit 400
        ),
        near as (
            select p.doc, left(p.problem, {MAX_TEXT}) as problem, p.source, p.is_seed, p.n_rows, p.n_released, p.rule,
                s.similarity
            from scores as s
            inner join {index.table("problems")} as p on p.doc = s.doc
            order by s.similarity desc, p.doc
        )
        {sides}
        """
    )
