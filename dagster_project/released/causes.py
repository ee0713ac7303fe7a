"""Causes looked up in the store: the first stage, upstream first, at which the chain of a changed row parts.

A chain is the row's problem (and the problem it was made from), its solution, answer, text and place, in the tables of
the stages of both builds. Stages with the same version in both cannot part anything and are not read. All rows that
differ go through a stage at once, in SQL over ids; what parts there leaves with its cause, the others go on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb

from assets.schemas import shape_of
from dagster_project.released.joined import number, run
from dagster_project.released.parts import Part, words_of

_BESIDE = {"pairs", "matches", "figures", "benchmarks", "overlaps", "neighbours", "judged", "edges", "rejects"}
"""Shapes of tables that say something about problems and hold none: to be in them or not means nothing."""

_CONTENT = ("expected_answer", "expected_key", "answer_key", "final_text_hash")
"""Columns whose values are compared where both builds have the row."""


def find_causes(
    session: duckdb.DuckDBPyConnection, parts: Sequence[Part], same: Sequence[str], stages: Sequence[str]
) -> None:
    """Fill the temp table ``causes`` (key, cause, detail) for the rows of ``facts`` that did not only move.

    Args:
        session: With ``facts``; it may read the files of ``parts``.
        parts: From :func:`parts_of`.
        same: Stages with the same version in both.
        stages: All stages that either record names: rows of others cannot be explained.
    """
    _Chains(session, parts, same, stages).walk()


class _Chains:
    """One walk over the stages.

    Tables: ``open`` and ``nodes`` (rows and problems without a cause), ``causes``, ``node_causes``, and ``here`` (what
    parts at the stage at hand).
    """

    def __init__(
        self, session: duckdb.DuckDBPyConnection, parts: Sequence[Part], same: Sequence[str], stages: Sequence[str]
    ) -> None:
        self._session = session
        self._parts = parts
        self._same = list(same)
        self._stages = list(stages)

    def walk(self) -> None:
        """All stages, then what is left."""
        self._begin()
        for part in self._parts:
            if not self._number("select count(*) from open"):
                return
            if not part.rows or shape_of(part.columns) in _BESIDE:
                continue
            if part.asks_solutions:
                self._asked(part)
            elif "solution_id" in part.columns:
                self._solutions(part)
            elif "problem_id" in part.columns:
                self._problems(part)
        self._rest()

    def _begin(self) -> None:
        self._run("create or replace temp table causes (key uuid, cause varchar, detail varchar)")
        self._run(
            "create or replace temp table node_causes "
            "(problem uuid, stage varchar, place integer, cause varchar, detail varchar)"
        )
        self._run(
            """
            create or replace temp table open as
            select
                key, fate, problem, stage, sample,
                if(list_contains($same, stage), coalesce(old_solution, new_solution), old_solution) as old_solution,
                if(list_contains($same, stage), coalesce(new_solution, old_solution), new_solution) as new_solution,
            from facts
            where fate <> 'moved'
            """,
            {"same": self._same},
        )
        self._run("create or replace temp table nodes as select distinct problem from open where problem is not null")
        for part in reversed(self._parts):
            if {"problem_id", "parent_id"} <= part.columns:
                self._run(
                    f"insert into nodes select distinct parent_id from ({self._parents(part)}) "
                    "where problem_id in (select problem from nodes) and parent_id not in (select problem from nodes)"
                )

    # -- problems ----------------------------------------------------------------------------------------------------

    def _problems(self, part: Part) -> None:
        """Problems that only one build has at this stage, or with another expected answer."""
        self._run("create or replace temp table here (problem uuid, how varchar, cause varchar, detail varchar)")
        parents = "select null::uuid as problem, null::varchar as cause, null::varchar as detail where false"
        if {"problem_id", "parent_id"} <= part.columns:
            parents = f"""
                select p.problem_id as problem, arg_min(c.cause, c.place) as cause, arg_min(c.detail, c.place) as detail
                from ({self._parents(part)}) as p
                inner join node_causes as c on c.problem = p.parent_id
                where list_contains($ancestors, c.stage)
                group by p.problem_id
            """
        values = words_of(part) | {"ancestors": list(part.ancestors)}
        wanted = "select problem from nodes"
        self._insert_here(
            f"""
            insert into here
            select
                nodes.problem,
                if(o.id is null or n.id is null, 'presence', 'content') as how,
                coalesce(parents.cause, {_CAUSE}),
                if(parents.cause is null, {_DETAIL}, parents.detail),
            from nodes
            left join ({self._side(part, "old", "problem_id", wanted)}) as o on o.id = nodes.problem
            left join ({self._side(part, "new", "problem_id", wanted)}) as n on n.id = nodes.problem
            left join ({part.rejects_of("old")}) as ro on ro.id = nodes.problem and o.id is null
            left join ({part.rejects_of("new")}) as rn on rn.id = nodes.problem and n.id is null
            left join ({parents}) as parents on parents.problem = nodes.problem
            where {_parted(part)}
            """,
            values,
        )
        if not self._number("select count(*) from here"):
            return
        self._run(
            "insert into node_causes select problem, $stage, $place, cause, detail from here",
            {"stage": part.name, "place": self._parts.index(part)},
        )
        self._run("create or replace temp table nodes as select problem from nodes anti join here using (problem)")
        self._run(
            "insert into causes select open.key, here.cause, here.detail from open inner join here using (problem) "
            "where open.fate <> 'changed' or here.how = 'content'"
        )
        self._close()

    # -- solutions ---------------------------------------------------------------------------------------------------

    def _asked(self, part: Part) -> None:
        """Solutions of a problem and sample index, whose requests or texts differ."""
        for side in ("old", "new"):
            self._run(f"create or replace temp table asked_{side} as {self._solved(part, side)}")
        self._run(
            """
            create or replace temp table open as
            select
                open.* replace (
                    coalesce(open.old_solution, o.id) as old_solution, coalesce(open.new_solution, n.id) as new_solution
                )
            from open
            left join asked_old as o
                on open.stage = $stage and o.problem_id = open.problem and o.sample_index = open.sample
            left join asked_new as n
                on open.stage = $stage and n.problem_id = open.problem and n.sample_index = open.sample
            """,
            {"stage": part.name},
        )
        is_new = "true" if part.is_in_both else "false"
        self._finish_solutions(
            part,
            f"""
            insert into here
            select
                open.key,
                {_CAUSE},
                {_DETAIL},
            from open
            left join asked_old as o on o.problem_id = open.problem and o.sample_index = open.sample
            left join asked_new as n on n.problem_id = open.problem and n.sample_index = open.sample
            left join ({part.rejects_of("old")}) as ro on o.id is null and ro.id = n.request
            left join ({part.rejects_of("new")}) as rn on n.id is null and rn.id = o.request
            where open.stage = $stage and (({_parted(part)}) or ({is_new} and o.id <> n.id))
            """,
        )

    def _solutions(self, part: Part) -> None:
        """Solutions that only one build has at this stage, or with another answer or text."""
        self._finish_solutions(
            part,
            f"""
            insert into here
            select
                open.key,
                {_CAUSE},
                {_DETAIL},
            from open
            left join ({self._side(part, "old", "solution_id", "select old_solution from open")}) as o
                on o.id = open.old_solution
            left join ({self._side(part, "new", "solution_id", "select new_solution from open")}) as n
                on n.id = open.new_solution
            left join ({part.rejects_of("old")}) as ro on ro.id = open.old_solution and o.id is null
            left join ({part.rejects_of("new")}) as rn on rn.id = open.new_solution and n.id is null
            where {_parted(part)}
            """,
        )

    def _finish_solutions(self, part: Part, statement: str) -> None:
        self._run("create or replace temp table here (key uuid, cause varchar, detail varchar)")
        self._insert_here(statement, words_of(part) | {"stage": part.name})
        if self._number("select count(*) from here"):
            self._run("insert into causes select key, cause, detail from here")
            self._close()

    def _rest(self) -> None:
        """What parts at no stage differs by its place in a split only; what is not whole cannot be told."""
        self._run(
            """
            insert into causes
            select
                key,
                if(is_whole, 'split', 'unknown'),
                left(case
                    when is_whole then ''
                    when stage is null or not list_contains($stages, stage) then 'its stage is not recorded'
                    else concat(stage, ': no stage after it differs')
                end, 200),
            from (select *, coalesce(fate <> 'changed' and old_solution = new_solution, false) as is_whole from open)
            """,
            {"stages": self._stages},
        )

    # -- pieces ------------------------------------------------------------------------------------------------------

    def _side(self, part: Part, side: str, column: str, wanted: str) -> str:
        """Id and a hash of what is compared, of one side's rows with wanted ids; nothing for an absent stage."""
        table = part.rows.get(side)
        if table is None:
            return "select null::uuid as id, null::ubigint as content where false"
        compared = [f"min({name}::varchar)" for name in _CONTENT if name in part.columns] or ["0"]
        return (
            f"select {column} as id, hash({', '.join(compared)}) as content from {table.sql} "
            f"where {column} in ({wanted}) group by {column}"
        )

    @staticmethod
    def _solved(part: Part, side: str) -> str:
        """Solution, text and request of every problem and sample index that is still open."""
        table = part.rows.get(side)
        if table is None:
            return (
                "select null::uuid as problem_id, null::integer as sample_index, null::uuid as id, "
                "null::varchar as content, null::uuid as request where false"
            )
        text = "text_hash::varchar" if "text_hash" in table.columns else "''"
        return (
            "select problem_id, sample_index, first[1] as id, first[2] as content, first[3] as request from ("
            f"select problem_id, sample_index, min((solution_id, {text}, request_key)) as first from {table.sql} "
            "where problem_id in (select problem from open) group by problem_id, sample_index)"
        )

    @staticmethod
    def _parents(part: Part) -> str:
        return " union ".join(f"select problem_id, parent_id from {table.sql}" for table in part.rows.values())

    def _insert_here(self, statement: str, values: dict[str, object]) -> None:
        used = {name: value for name, value in values.items() if f"${name}" in statement}
        self._run(statement, used)

    def _close(self) -> None:
        self._run("create or replace temp table open as select * from open anti join causes using (key)")

    def _run(self, statement: str, values: Mapping[str, object] | None = None) -> None:
        run(self._session, statement, values)

    def _number(self, statement: str) -> int:
        return number(self._session, statement)


_CAUSE = "case when coalesce(ro.rule, rn.rule) is not null then $ruled else $cause end"
_DETAIL = """
left(case
    when coalesce(ro.rule, rn.rule) is not null then concat($name, ': ', coalesce(ro.rule, rn.rule))
    when o.id is not null and n.id is not null then $content_detail
    else $detail
end, 200)
"""


def _parted(part: Part) -> str:
    """Where a chain parts. What only one build has as a stage parts those that it rejects, or made."""
    if part.is_in_both:
        return "(o.id is null) <> (n.id is null) or (o.id is not null and o.content is distinct from n.content)"
    if part.any.is_source or part.any.lineage:
        return "coalesce(o.id, n.id) is not null"
    return "coalesce(ro.rule, rn.rule) is not null"
