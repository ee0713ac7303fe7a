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
    """The problems that ``wishes`` describe, in the order of the release.

    First their numbers, from narrow columns; then the texts of one page, by number.
    """
    values: dict[str, Any] = {}
    count, page, hits = _hits(reader, index, wishes, values)
    if not hits:
        return Found([], count, page)
    rows = reader.ask(
        f"""
        select
            doc, left(problem, {EXCERPT}) as problem, source, expected_answer, is_seed, votes, n_valid,
            n_rows, n_released, rule
        from {index.table("problems")}
        where doc in ({", ".join(str(doc) for doc in hits)})
        order by doc
        """,
        limit=PAGE,
    )
    return Found([{**row, "matching": hits[row["doc"]]} for row in rows], count, page)


def _hits(
    reader: Reader, index: Index, wishes: Wishes, values: dict[str, Any]
) -> tuple[int, int, dict[int, int | None]]:
    """How many problems fit, the page that there is, and the problems on it with their fitting rows."""
    sets = list(_sets(reader, index, wishes, values))
    if not sets and not wishes.asks_of_rows:
        count = int(index.facts["problems"])
        page = _page(wishes, count)
        return count, page, dict.fromkeys(range(page * PAGE, min(count, (page + 1) * PAGE)))
    query = _intersection(sets, index, wishes, values)
    # The page that is asked for is read with the count; only one beyond the end is asked for again.
    page = _page(wishes, MAX_PAGE * PAGE)
    count, found = _read_page(reader, query, values, page)
    if not found and count:
        page = _page(wishes, count)
        count, found = _read_page(reader, query, values, page)
    return count, page if count else 0, found


def _read_page(reader: Reader, query: str, values: dict[str, Any], page: int) -> tuple[int, dict[int, int | None]]:
    [row] = reader.ask(
        f"""
        with hits as materialized ({query})
        select
            (select count(*) from hits) as n,
            (select list((doc, matching)) from (from hits order by doc limit {PAGE} offset {page * PAGE})) as found
        """,
        values,
    )
    return int(row["n"]), dict(sorted(tuple(pair) for pair in row["found"] or ()))


def _page(wishes: Wishes, count: int) -> int:
    return max(0, min(wishes.page, MAX_PAGE - 1, (count - 1) // PAGE))


def _intersection(sets: list[str], index: Index, wishes: Wishes, values: dict[str, Any]) -> str:
    """SQL for doc and matching of the problems in all ``sets`` that have a row that fits."""
    joins = "".join(f" semi join ({one}) as s{number} on s{number}.doc = b.doc" for number, one in enumerate(sets))
    if wishes.asks_of_rows:
        tests = " and ".join(_of_rows(index, wishes, values))
        rows = f"(select doc from {index.table('rows')} where {tests})"
        return f"select b.doc, count(*) as matching from {rows} as b{joins} group by b.doc"
    first, *others = sets
    joins = "".join(f" semi join ({one}) as s{number} on s{number}.doc = b.doc" for number, one in enumerate(others))
    return f"select distinct b.doc, null::bigint as matching from ({first}) as b{joins}"


def words(reader: Reader, text: str) -> list[str]:
    """The words of a question, cut as those of the index are: each once, in order, the last one last."""
    [row] = reader.ask(f"select {words_of('$text')} as words", {"text": text[:MAX_QUERY]})
    return list(reversed(dict.fromkeys(reversed(row["words"]))))[-MAX_QUERY_WORDS:]


def id_in(text: str) -> str | None:
    """The id that a search consists of, if it is one."""
    match = _ID.fullmatch(text)
    return match[1] if match else None


def _sets(reader: Reader, index: Index, wishes: Wishes, values: dict[str, Any]) -> Iterator[str]:
    """SQL for sets of problems that a wish must all be in."""
    if named := id_in(wishes.text):
        values["id"] = named
        yield f"select doc from {index.table('ids')} where id = $id::uuid"
    elif wishes.text.strip():
        asked = words(reader, wishes.text)
        for number, word in enumerate(asked):
            values[f"word_{number}"] = word
            test = f"word = $word_{number}"
            if number == len(asked) - 1 and wishes.text[-1:].isalpha():
                values["end"] = word + "\U0010ffff"
                test = f"word >= $word_{number} and word < $end"
            yield f"select doc from {index.table('words')} where {test}"
    if conditions := list(_of_problems(wishes, values)):
        yield f"select doc from {index.table('problems')} where {' and '.join(conditions)}"


def _of_problems(wishes: Wishes, values: dict[str, Any]) -> Iterator[str]:
    if wishes.source:
        values["source"] = wishes.source
        yield "source = $source"
    if wishes.least_votes is not None:
        values["least_votes"] = wishes.least_votes
        yield "votes >= $least_votes"
    if wishes.most_votes is not None:
        values["most_votes"] = wishes.most_votes
        yield "votes <= $most_votes"


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
