"""Causes told from two releases alone, where the store no longer has their stages: provenance and BUILD.json.

Only what both records point to is said: the source of a row's seed has other content and the other release has nothing
of that seed; a stage asked its model otherwise; the vote of the problem went otherwise; filters have other settings, or
one has other code. What they leave open is ``unknown``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any

import duckdb
import pyarrow as pa

from assets.release.difference import Cause
from assets.release.folder_reading import Release, first_column
from dagster_project.released.joined import beside_origins, run
from dagster_project.released.lineages import asked_otherwise, short
from dagster_project.released.making import Made

_STAGES = pa.schema([("stage", pa.string()), ("cause", pa.string()), ("detail", pa.string())])

_GUESS = """
insert into causes
select
    f.key,
    case
        when {seed} or {truth} then 'seed'
        when {new_problem} then $problem_cause
        when a.cause is not null then a.cause
        when {vote} then 'vote'
        when $filter_cause <> '' then $filter_cause
        else 'unknown'
    end,
    left(case
        when {seed} or {truth} then concat('source ', f.seed_source)
        when {new_problem} then $problem_detail
        when a.cause is not null then a.detail
        when {vote} then 'votes or expected answer of the problem'
        when $filter_cause <> '' then $filter_detail
        else $unknown
    end, 200),
from facts as f
left join asked as a on a.stage = f.stage
left join problems_old as po on po.problem = f.problem
left join problems_new as pn on pn.problem = f.problem
where f.fate <> 'moved'
"""

_SEED = """
(list_contains($other_sources, f.seed_source) and f.seed_problem not in (
    select seed_problem from problems_old where seed_problem is not null
    intersect select seed_problem from problems_new
))
"""
_NEW_PROBLEM = "($problem_cause <> '' and f.parent is not null and (po.problem is null or pn.problem is null))"
_TRUTH = "(po.vote <> pn.vote and not po.is_voted and not pn.is_voted and list_contains($other_sources, f.seed_source))"
"""The source itself gives another answer."""
_VOTE = "(po.problem is not null and pn.problem is not null and po.vote <> pn.vote)"


def guess_causes(
    session: duckdb.DuckDBPyConnection,
    old: Release,
    new: Release,
    stages: tuple[Mapping[str, Made], Mapping[str, Made]],
    *,
    by_origin: bool,
) -> None:
    """Fill the temp table ``causes`` (key, cause, detail) for the rows of ``facts`` that did not only move."""
    run(session, "create or replace temp table causes (key uuid, cause varchar, detail varchar)")
    if not by_origin:
        run(
            session,
            "insert into causes select key, 'unknown', 'one of them has no provenance' "
            "from facts where fate <> 'moved'",
        )
        return
    for side, release in (("old", old), ("new", new)):
        run(session, f"create or replace temp table problems_{side} as {_problems(release)}")
    asked = _asked(*stages)
    solving = {row[0] for row in run(session, "select distinct stage from facts")}
    session.register("asked_stages", pa.Table.from_pylist(asked, schema=_STAGES))
    run(session, "create or replace temp table asked as select * from asked_stages")
    writing = [line for line in asked if line["stage"] not in solving]
    filters, filter_words = _filter(*stages, splits={*old.data, *new.data})
    values = {
        "other_sources": _other_sources(old, new),
        "problem_cause": writing[0]["cause"] if writing else "",
        "problem_detail": writing[0]["detail"] if writing else "",
        "filter_cause": filters,
        "filter_detail": filter_words,
        "unknown": "the two releases alone do not tell",
    }
    run(session, _GUESS.format(seed=_SEED, truth=_TRUTH, new_problem=_NEW_PROBLEM, vote=_VOTE), values)


def _problems(release: Release) -> str:
    """Problem, its seed, and a hash of its votes and expected answer, each once."""
    selects = []
    for split, origins in release.provenance.items():
        votes = [name for name in ("votes", "n_valid") if first_column(origins, (name,))]
        expected = first_column(release.data[split], ("expected_answer",))
        vote = ", ".join([*(f"p.{name}" for name in votes), *([f"d.{expected}"] if expected else [])]) or "0"
        seed = "try_cast(p.seed_problem_id as uuid)" if first_column(origins, ("seed_problem_id",)) else "null::uuid"
        is_voted = f"p.{votes[0]} is not null" if votes else "true"
        selects.append(
            f"select try_cast(p.problem_id as uuid) as problem, {seed} as seed_problem, hash({vote}) as vote, "
            f"{is_voted} as is_voted "
            f"from {beside_origins(release, split)}"
        )
    union = " union all ".join(selects)
    return (
        f"select problem, min(seed_problem) as seed_problem, min(vote) as vote, bool_or(is_voted) as is_voted "
        f"from ({union}) "
        "where problem is not null group by problem"
    )


def _asked(old: Mapping[str, Made], new: Mapping[str, Made]) -> list[dict[str, str]]:
    """Stages of both that asked a model otherwise."""
    found = []
    for name in new:
        if (
            name in old
            and old[name].lineage
            and new[name].lineage
            and (change := asked_otherwise(old[name], new[name]))
        ):
            found.append({"stage": name, "cause": change[0], "detail": change[1]})
    return found


def _other_sources(old: Release, new: Release) -> list[str]:
    """Names of sources whose content differs, or that only one has."""
    before, after = (_sources(release) for release in (old, new))
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _sources(release: Release) -> dict[str, Any]:
    sources = release.build.get("sources")
    found = sources if isinstance(sources, Mapping) else {}
    return {
        str(n): line.get("sha256") or line.get("revision") for n, line in found.items() if isinstance(line, Mapping)
    }


def _filter(old: Mapping[str, Made], new: Mapping[str, Made], *, splits: Container[str]) -> tuple[Cause | str, str]:
    """The stages beside those that ask whose settings or code differ; nothing if none does, or several kinds do."""
    names = [n for n in new if n in old and n not in splits and not new[n].lineage and not new[n].is_source]
    changed = {n: words for n in names if (words := old[n].changed_settings(new[n]))}
    if not changed:
        coded = [n for n in names if old[n].has_other_code(new[n])]
        return ("code", short(f"{coded[0]}: code")) if len(coded) == 1 else ("", "")
    if len({new[n].is_vote for n in changed}) > 1:
        return "", ""
    cause = "vote" if all(new[n].is_vote for n in changed) else "filter"
    if len(changed) > 1:
        return cause, short(f"one of {', '.join(changed)}")
    [(name, words)] = changed.items()
    return cause, short(f"{name}: {', '.join(words)}")
