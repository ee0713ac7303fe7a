"""Searching and filtering: which problems a page of results lists. Reads the index only.

A search finds problems that hold all its words; the last word may be the beginning of one. An id (of a problem, a
solution or a request) finds its problem. Filters of rows (split, status, rule, length) keep the problems that have
such a row, and say how many.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dagster_project.explorer.access import Reader
from dagster_project.explorer.index_sql import words_of
from dagster_project.explorer.indexing import Index

PAGE = 25
"""Problems on a page of results."""

MAX_PAGE = 400
"""Last page that can be asked for: beyond 10,000 problems a filter serves better than leafing."""

EXCERPT = 600
"""Characters of a problem in the list."""

MAX_QUERY = 1000
"""Characters of a search that are read."""

MAX_QUERY_WORDS = 24

_ID = re.compile(r"\s*([0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12})\s*")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person asks to see. Empty strings and None are no wish; ranges include both ends."""

    text: str = ""
    source: str = ""
    status: str = ""
    """released, rejected or not released."""
    rule: str = ""
    split: str = ""
    least_votes: int | None = None
    most_votes: int | None = None
    shortest: int | None = None
    longest: int | None = None
    page: int = 0

    @property
    def asks_of_rows(self) -> bool:
        """Whether it has a filter of rows, and not only of problems."""
        return bool(self.status or self.rule or self.split or self.shortest is not None or self.longest is not None)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of problems and how many there are in all. Each has doc, problem (cut), source, counts, ``matching``."""

    rows: Sequence[dict[str, Any]]
    count: int
    page: int

    @property
    def pages(self) -> int:
        """Pages that can be leafed through."""
        return min(-(-self.count // PAGE), MAX_PAGE)


def find(reader: Reader, index: Index, wishes: Wishes) -> Found:
    """The problems that ``wishes`` describe, in the order of the release. Two questions, each with its own time-out."""
    values: dict[str, Any] = {}
    joins = list(_joins(reader, index, wishes, values))
    conditions = list(_of_problems(wishes, values)) or ["true"]
    body = f"from {index.table('problems')} as p {' '.join(joins)} where {' and '.join(conditions)}"
    count = reader.number(f"select count(*) {body}", values)
    page = max(0, min(wishes.page, MAX_PAGE - 1, (count - 1) // PAGE))
    matching = "w.matching" if wishes.asks_of_rows else "null::bigint"
    rows = reader.ask(
        f"""
        select
            p.doc, left(p.problem, {EXCERPT}) as problem, p.source, p.expected_answer, p.is_seed, p.votes, p.n_valid,
            p.n_rows, p.n_released, p.rule, {matching} as matching
        {body}
        order by p.doc limit {PAGE} offset {page * PAGE}
        """,
        values,
        limit=PAGE,
    )
    return Found(rows, count, page)


def words(reader: Reader, text: str) -> list[str]:
    """The words of a question, cut as those of the index are: each once, in order, the last one last."""
    [row] = reader.ask(f"select {words_of('$text')} as words", {"text": text[:MAX_QUERY]})
    return list(reversed(dict.fromkeys(reversed(row["words"]))))[-MAX_QUERY_WORDS:]


def id_in(text: str) -> str | None:
    """The id that a search consists of, if it is one."""
    match = _ID.fullmatch(text)
    return match[1] if match else None


def _joins(reader: Reader, index: Index, wishes: Wishes, values: dict[str, Any]) -> Iterator[str]:
    if named := id_in(wishes.text):
        values["id"] = named
        yield f"semi join (select doc from {index.table('ids')} where id = $id::uuid) as h on h.doc = p.doc"
    elif wishes.text.strip():
        for number, word in enumerate(asked := words(reader, wishes.text)):
            values[f"word_{number}"] = word
            is_open = number == len(asked) - 1 and wishes.text[-1:].isalpha()
            test = f"word = $word_{number}"
            if is_open:
                values["end"] = word + "\U0010ffff"
                test = f"word >= $word_{number} and word < $end"
            name = f"h{number}"
            yield (f"semi join (select doc from {index.table('words')} where {test}) as {name} on {name}.doc = p.doc")
    if wishes.asks_of_rows:
        tests = " and ".join(_of_rows(index, wishes, values))
        yield (
            f"inner join (select doc, count(*) as matching from {index.table('rows')} where {tests} group by doc) "
            "as w on w.doc = p.doc"
        )


def _of_problems(wishes: Wishes, values: dict[str, Any]) -> Iterator[str]:
    if wishes.source:
        values["source"] = wishes.source
        yield "p.source = $source"
    if wishes.least_votes is not None:
        values["least_votes"] = wishes.least_votes
        yield "p.votes >= $least_votes"
    if wishes.most_votes is not None:
        values["most_votes"] = wishes.most_votes
        yield "p.votes <= $most_votes"


def _of_rows(index: Index, wishes: Wishes, values: dict[str, Any]) -> Iterator[str]:
    for name in ("status", "rule"):
        if value := getattr(wishes, name):
            values[name] = value
            yield f"{name} = ${name}"
    splits = list(index.facts["splits"])
    if wishes.split:
        # An unknown split has no rows.
        values["bit"] = 1 << splits.index(wishes.split) if wishes.split in splits else 0
        yield "splits & $bit <> 0"
    if wishes.shortest is not None:
        values["shortest"] = wishes.shortest
        yield "length >= $shortest"
    if wishes.longest is not None:
        values["longest"] = wishes.longest
        yield "length <= $longest"
