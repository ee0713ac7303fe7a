"""Every conservation law, held by rows that keep it and broken by a stage that is wrong on purpose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from assets.kinds import Law
from dagster_project.running.laws import check_law

IDS = {n: f"00000000-0000-0000-0000-{n:012d}" for n in range(20)}


def table(session: duckdb.DuckDBPyConnection, name: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    session.execute(f"create table {name} ({columns})")
    for row in rows:
        session.execute(f"insert into {name} values ({', '.join('?' for _ in row)})", list(row))  # noqa: S608


def ids(*numbers: int) -> list[tuple[str]]:
    return [(IDS[n],) for n in numbers]


@dataclass(frozen=True)
class Case:
    id: str
    law: Law
    tables: dict[str, tuple[str, list[tuple[Any, ...]]]]
    facts: dict[str, Any]
    broken: str | None


FILTER = Law("filter", "given", "id")
GROUP = Law("group", "given", "id", members="members")
SPREAD = Law("spread", "given", "id", out_id="of")
SPLIT = Law("split", "given", "id", order="rank")
EXPAND = Law("expand", "given", "id")
UUID = "id uuid"
LEDGER = "request_key uuid, row_id uuid, status varchar"


def filter_case(
    name: str, given: tuple[int, ...], rows: tuple[int, ...], rejects: tuple[int, ...], broken: str | None
) -> Case:
    tables = {"given": (UUID, ids(*given)), "out_rows": (UUID, ids(*rows)), "out_rejects": (UUID, ids(*rejects))}
    return Case(f"filter {name}", FILTER, tables, {}, broken)  # type: ignore[arg-type]


def group_case(name: str, rows: list[tuple[str, int]], broken: str | None) -> Case:
    tables: dict[str, Any] = {
        "given": (UUID, ids(1, 1, 1, 2)),
        "out_rows": ("id uuid, members int", rows),
        "out_rejects": (UUID, ids(2)),
    }
    return Case(f"group {name}", GROUP, tables, {}, broken)


def spread_case(name: str, rows: tuple[int, ...], rejects: tuple[int, ...], broken: str | None) -> Case:
    tables: dict[str, Any] = {
        "given": (UUID, ids(1, 2, 3)),
        "out_rows": ("of uuid", ids(*rows)),
        "out_rejects": (UUID, ids(*rejects)),
    }
    return Case(f"spread {name}", SPREAD, tables, {}, broken)


def split_case(name: str, rows: tuple[int, ...], broken: str | None) -> Case:
    tables: dict[str, Any] = {
        "given": ("id uuid, rank int", [(IDS[n], n - 1) for n in (1, 2, 3)]),
        "out_rows": (UUID, ids(*rows)),
    }
    return Case(f"split {name}", SPLIT, tables, {}, broken)


def expand_case(
    name: str, requests: list[tuple[str, str, str]], rows: tuple[int, ...], rejects: tuple[int, ...], broken: str | None
) -> Case:
    tables: dict[str, Any] = {
        "given": (UUID, ids(1, 2)),
        "out_requests": (LEDGER, requests),
        "out_rows": ("request_key uuid", ids(*rows)),
        "out_rejects": (UUID, ids(*rejects)),
    }
    return Case(f"expand {name}", EXPAND, tables, {}, broken)


def ask(key: int, row: int, status: str = "completed") -> tuple[str, str, str]:
    return (IDS[key], IDS[row], status)


CASES = [
    filter_case("kept", (1, 2, 3), (1, 3), (2,), None),
    filter_case("copies kept and rejected", (1, 1, 2), (1, 2), (1,), None),
    filter_case("empty", (), (), (), None),
    filter_case("lost a row", (1, 2, 3), (1,), (2,), "vanished"),
    filter_case("invented a row", (1, 2), (1, 2, 4), (), "appeared"),
    filter_case("swapped an id, totals right", (1, 2), (1, 3), (), "vanished"),
    filter_case("kept and rejected", (1, 2), (1, 2), (2,), "appeared"),
    Case("map kept", Law("map", "given", "id"), {"given": (UUID, ids(1, 2)), "out_rows": (UUID, ids(2, 1))}, {}, None),  # type: ignore[arg-type]
    Case(
        "map lost", Law("map", "given", "id"), {"given": (UUID, ids(1, 2)), "out_rows": (UUID, ids(1))}, {}, "vanished"
    ),  # type: ignore[arg-type]
    Case(
        "source kept",
        Law("source", id="id"),
        {"out_rows": (UUID, ids(1)), "out_rejects": (UUID, ids(2))},
        {"read": 2},
        None,
    ),  # type: ignore[arg-type]
    Case(
        "source lost",
        Law("source", id="id"),
        {"out_rows": (UUID, ids(1)), "out_rejects": (UUID, ids(2))},
        {"read": 3},
        "3 rows were read",
    ),  # type: ignore[arg-type]
    Case(
        "source twice",
        Law("source", id="id"),
        {"out_rows": (UUID, ids(1, 1)), "out_rejects": (UUID, [])},
        {"read": 2},
        "kept twice",
    ),  # type: ignore[arg-type]
    group_case("kept", [(IDS[1], 3)], None),
    group_case("wrong members", [(IDS[1], 2)], "members"),
    group_case("lost group", [], "a group vanished"),
    spread_case("once and often", (1, 1, 3), (2,), None),
    spread_case("lost a row", (1, 1), (2,), "vanished"),
    spread_case("invented a row", (1, 2, 4), (3,), "appeared"),
    spread_case("kept and rejected", (1, 1, 2), (2, 3), "is both in rows and rejected"),
    spread_case("rejected twice", (1,), (2, 2, 3), "is both in rows and rejected"),
    split_case("prefix", (1, 2), None),
    split_case("all", (1, 2, 3), None),
    split_case("not a prefix", (1, 3), "missing from the prefix"),
    expand_case("kept", [ask(11, 1), ask(12, 2, "failed"), ask(13, 2)], (11,), (13,), None),
    expand_case("row rejected without asking", [ask(11, 1)], (11,), (2,), None),
    expand_case("silent row", [ask(11, 1)], (11,), (), "asked nothing"),
    expand_case("lost completion", [ask(11, 1), ask(12, 2)], (11,), (), "answered, yet neither"),
    expand_case(
        "row of a failed request", [ask(11, 1), ask(12, 2, "failed")], (11, 12), (), "without an answered request"
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_law(case: Case) -> None:
    session = duckdb.connect()
    for name, (columns, rows) in case.tables.items():
        table(session, name, columns, rows)
    outputs = [name.removeprefix("out_") for name in case.tables if name.startswith("out_")]
    result = check_law(case.law, session, outputs, case.facts)
    assert result.passed == (case.broken is None), result.sample
    if case.broken:
        assert case.broken in " ".join(str(row) for row in result.sample)
        assert result.violations >= 1
