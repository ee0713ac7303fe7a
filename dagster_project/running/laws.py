"""Conservation laws, checked on ids: no row may appear or vanish at a stage without a record.

Ids of both sides are compared as multisets by count and by the sum of 64-bit hashes: one streaming pass, no sort, and a
change of any id changes the sum. Only when they differ are the offending ids looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb

from assets.kinds import Law
from dagster_project.running.outcome import CheckResult

SAMPLE = 5
"""Offending ids shown."""

_WORDS = {
    "source": "rows read = rows kept + rejects",
    "filter": "rows in = rows out + rejects",
    "map": "rows in = rows out",
    "expand": "requests = completions + failed + rejected, and each row asked or was rejected",
    "spread": "each row in is in rows, once or often, or is one reject",
    "group": "groups in = groups out + rejected groups, and members add up",
    "union": "rows out = sum of the inputs",
    "split": "a prefix of the input",
    "release": "each split holds exactly the rows of its stage",
}


def check_law(
    law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], facts: dict[str, Any]
) -> CheckResult:
    """Check ``law`` in a session that has a view per formal input and ``out_<table>`` per output table."""
    offenders = _CHECKERS[law.name](law, session, outputs, facts)
    return CheckResult(
        name=f"law_{law.name}",
        passed=not offenders,
        blocking=True,
        description=_WORDS[law.name],
        violations=len(offenders),
        sample=[{"id": str(row[0]), "problem": str(row[1])} for row in offenders[:SAMPLE]],
    )


def _ids(column: str, relation: str) -> str:
    return f"select {column} as id from {relation}"  # noqa: S608 - names from a kind's declaration, never values


def _differ(session: duckdb.DuckDBPyConnection, left: str, right: str, words: tuple[str, str]) -> list[tuple[Any, ...]]:
    sums = [
        session.sql(f"select count(*), sum(hash(id)::hugeint) from ({side})").fetchall()[0]  # noqa: S608
        for side in (left, right)
    ]
    if sums[0] == sums[1]:
        return []
    found: list[tuple[Any, ...]] = []
    for first, second, word in ((left, right, words[0]), (right, left, words[1])):
        query = f"select id, $word from (({first}) except all ({second})) limit 1000"  # noqa: S608
        found += session.sql(query, params={"word": word}).fetchall()
    return found or [("?", "hashes differ and ids do not")]


def _out(table: str, column: str, outputs: Sequence[str]) -> str:
    if table in outputs:
        return _ids(column, f"out_{table}")
    return "select null::uuid as id where false"


def _filter(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], _: Any) -> list[tuple[Any, ...]]:
    right = f"({_ids(law.row_id, 'out_rows')}) union all ({_out('rejects', 'id', outputs)})"
    words = ("vanished: neither kept nor rejected", "appeared: kept or rejected more often than it came in")
    return _differ(session, _ids(law.id, law.input), right, words)


def _map(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], _: Any) -> list[tuple[Any, ...]]:
    words = ("vanished", "appeared")
    return _differ(session, _ids(law.id, law.input), _ids(law.row_id, "out_rows"), words)


def _source(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], facts: Any) -> list[tuple[Any, ...]]:
    row = session.sql("select (select count(*) from out_rows) + (select count(*) from out_rejects)").fetchall()[0]
    written = row[0]
    found: list[tuple[Any, ...]] = []
    if facts.get("read") != written:
        found.append(("all", f"{facts.get('read')} rows were read, {written} are kept or rejected"))
    twice = f"select {law.row_id}, 'kept twice' from out_rows group by all having count(*) > 1 limit 1000"  # noqa: S608
    return found + session.sql(twice).fetchall()


def _expand(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], _: Any) -> list[tuple[Any, ...]]:
    rejects = _out("rejects", "id", outputs)
    asked = f"{_ids('row_id', 'out_requests')} union all ({rejects})"
    silent = (
        f"select id, 'asked nothing and was not rejected' from ({_ids(law.id, law.input)}) "  # noqa: S608
        f"where id not in ({asked}) limit 1000"
    )
    found = session.sql(silent).fetchall()
    ended = "select request_key as id from out_requests where status <> 'failed'"
    shown = (
        f"select request_key as id from out_rows union all "  # noqa: S608
        f"select id from ({rejects}) where id not in ({_ids(law.id, law.input)})"
    )
    words = ("answered, yet neither a row nor a reject", "a row or reject without an answered request")
    return found + _differ(session, ended, shown, words)


def _spread(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], _: Any) -> list[tuple[Any, ...]]:
    kept = f"select distinct {law.row_id} as id from out_rows"  # noqa: S608
    right = f"({kept}) union all ({_out('rejects', 'id', outputs)})"
    words = ("vanished: neither in rows nor rejected", "appeared, or is both in rows and rejected")
    return _differ(session, _ids(law.id, law.input), right, words)


def _group(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], _: Any) -> list[tuple[Any, ...]]:
    groups = f"select distinct {law.id} as id from {law.input}"  # noqa: S608
    right = f"({_ids(law.row_id, 'out_rows')}) union all ({_out('rejects', 'id', outputs)})"
    found = _differ(session, groups, right, ("a group vanished", "a group appeared"))
    members = (
        f"select i.id, 'members: ' || o.{law.members} || ' said, ' || i.n || ' came in' from "  # noqa: S608
        f"(select {law.id} as id, count(*) as n from {law.input} group by 1) as i "
        f"join out_rows as o on o.{law.row_id} = i.id where o.{law.members} <> i.n limit 1000"
    )
    return found + session.sql(members).fetchall()


def _union(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], _: Any) -> list[tuple[Any, ...]]:
    return _map(law, session, outputs, _)


def _split(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], _: Any) -> list[tuple[Any, ...]]:
    prefix = f"{_ids(law.id, law.input)} where {law.order} < (select count(*) from out_rows)"  # noqa: S608
    return _differ(session, prefix, _ids(law.row_id, "out_rows"), ("missing from the prefix", "not in the prefix"))


def _release(law: Law, session: duckdb.DuckDBPyConnection, outputs: Sequence[str], _: Any) -> list[tuple[Any, ...]]:
    query = f"""
        select
            coalesce(i.part, o.split),
            'the stage has ' || coalesce(i.n, 0) || ' rows, the files ' || coalesce(o.n, 0)
        from (select part, count(*) as n from {law.input} group by 1) as i
        full join (
            select split, config, sum(row_count) as n from out_rows where config <> 'contamination' group by 1, 2
        ) as o on o.split = i.part
        where i.n is distinct from o.n
    """  # noqa: S608
    return session.sql(query).fetchall()


_CHECKERS = {
    "source": _source,
    "filter": _filter,
    "map": _map,
    "expand": _expand,
    "spread": _spread,
    "group": _group,
    "union": _union,
    "split": _split,
    "release": _release,
}
