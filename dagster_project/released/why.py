"""Why a row is in a dataset, or why it is not: its chain from the seed to the split, or to where it was rejected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from dagster_project.explorer.places import StageTable
from dagster_project.released.finding import not_found, resolve
from dagster_project.released.ids import Wanted, parse_id
from dagster_project.released.joined import readable
from dagster_project.released.making import above
from dagster_project.released.shelf import Look, Shelf, looking

State = Literal["released", "rejected", "not released"]

_BESIDE = ("pairs", "matches", "figures", "benchmarks", "overlaps", "neighbours", "judged", "edges")
_ASKED = ("stage", "role", "model", "weights", "prompts", "sampling", "sample_index", "request_key")
_ENDED = ("finish_reason", "prompt_tokens", "completion_tokens")
_TEXT = ("start", "end", "is_trimmed", "is_rewritten", "tokens")
_VOTE = ("answer", "expected_answer", "votes", "n_valid")
_MATCH = (
    "split",
    "problem",
    "rule",
    "benchmark",
    "benchmark_row",
    "benchmark_problem",
    "shared",
    "longest",
    "similarity",
)
_MAX_STEPS = 8


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that is known of one row or problem. Texts are whole, and hostile; ids are text."""

    id: str
    what: Literal["solution", "problem"]
    where: str
    state: State
    problem: Mapping[str, Any]
    """problem_id, problem, source, expected_answer."""
    seed: Mapping[str, Any] = field(default_factory=dict)
    """source, row (from 0), problem_id, problem."""
    edges: Sequence[Mapping[str, Any]] = ()
    """From the problem upwards, nearest first: relation, parent_id, parent, source, source_row, request_key."""
    asked: Mapping[str, Any] = field(default_factory=dict)
    """Who was asked for the solution, and how: stage, role, model, weights, prompts, sampling, sample_index, ..."""
    vote: Mapping[str, Any] = field(default_factory=dict)
    """answer, expected_answer, votes, n_valid."""
    text: Mapping[str, Any] = field(default_factory=dict)
    """solution, and what was trimmed: start, end, is_trimmed, is_rewritten, tokens."""
    path: Sequence[Mapping[str, Any]] = ()
    """Stages that it went through, upstream first: stage, kind, outcome (kept, rejected), rule, reason, detail."""
    checks: Sequence[Mapping[str, Any]] = ()
    """Data tests of those stages: stage, name, passed, blocking."""
    splits: Sequence[Mapping[str, Any]] = ()
    """Where it was released: split, row, rank, k."""
    contamination: Sequence[Mapping[str, Any]] = ()
    """Benchmark problems that its problem matches."""
    solutions: Sequence[Mapping[str, Any]] = ()
    """Of a problem: solution_id, stage, sample_index, state, rule."""

    def as_json(self) -> dict[str, Any]:
        """For machines: nothing is cut."""
        return asdict(self)


def explain(words: str, shelf: Shelf, *, memory_limit: str = "1GB") -> Explanation:
    """The row or problem that ``words`` names (see :func:`dagster_project.released.ids.parse_id`).

    Raises:
        FileError: No row is named so, or several are.
        ReleaseError: A file cannot be read.
    """
    wanted = parse_id(words)
    with readable(shelf.name), looking(shelf, memory_limit) as look:
        return _Explainer(look).explain(resolve(look, wanted), wanted)


# -- what is known of it ---------------------------------------------------------------------------------------------


class _Explainer:
    def __init__(self, look: Look) -> None:
        self._look = look
        self._stages = look.shelf.stages

    def explain(self, ids: Mapping[str, str], wanted: Wanted) -> Explanation:
        """By the most exact of the columns that hold the id."""
        if "solution_id" in ids:
            return self._solution(ids["solution_id"])
        if "request_key" in ids:
            return self._request(ids["request_key"], wanted)
        if "problem_id" in ids:
            return self._problem(ids["problem_id"])
        return self._rejected_only(ids["id"], wanted)

    def _request(self, key: str, wanted: Wanted) -> Explanation:
        """A request is asked for a solution, or for a new problem."""
        origins = self._look.origins("request_key", key)
        if origins:
            return self._solution(str(origins[0]["solution_id"]))
        for table in self._look.of_shape("solutions", "problems"):
            if "request_key" in table.columns and (rows := self._look.rows(table, "request_key", [key])):
                row = rows[0]
                return self._solution(row["solution_id"]) if "solution_id" in row else self._problem(row["problem_id"])
        return self._rejected_only(key, wanted)

    def _rejected_only(self, value: str, wanted: Wanted) -> Explanation:
        """A row that left before it got an id of its own: a request without a problem in it, a row of a source."""
        path = list(self._path([value], []))
        if any(step["outcome"] == "rejected" for step in path):
            return Explanation(value, "problem", self._look.shelf.name, "rejected", {}, path=path)
        raise not_found(self._look, wanted)

    def _solution(self, solution: str) -> Explanation:
        origins = self._look.origins("solution_id", solution)
        origin = origins[0] if origins else {}
        known = self._staged(solution) | {k: v for k, v in origin.items() if v is not None}
        problem = str(known["problem_id"]) if known.get("problem_id") else ""
        data = self._look.released(origin["split"], origin["row"]) if origins else {}
        key = str(known["request_key"]) if known.get("request_key") else ""
        path = list(self._path([solution, key], [problem], str(known.get("stage") or "")))
        vote = self._votes(problem) | known | ({"expected_answer": data["expected"]} if data.get("expected") else {})
        text = data.get("text") or (self._look.completion(key) if key else None)
        return Explanation(
            id=solution,
            what="solution",
            where=self._look.shelf.name,
            state=_state(bool(origins), path),
            problem=self._problem_of(problem, data),
            seed=self._seed(problem, origin),
            edges=self._edges(problem, origin),
            asked=self._asked(known),
            vote=_chosen(vote, _VOTE),
            text={"solution": text} | _chosen(self._trims(solution) | known, _TEXT),
            path=path,
            checks=list(self._checks(path)),
            splits=[_chosen(one, ("split", "row", "rank", "k")) for one in origins],
            contamination=self._matches(problem),
        )

    def _problem(self, problem: str) -> Explanation:
        origins = self._look.origins("problem_id", problem)
        origin = origins[0] if origins else {}
        data = self._look.released(origin["split"], origin["row"]) if origins else {}
        matches = self._matches(problem)
        path = list(self._path([], [problem])) or [_left_by_match(match) for match in matches if not origins][:1]
        data = data or _chosen(matches[0] if matches else {}, ("problem",))
        vote = self._votes(problem) | _chosen(origin, ("votes", "n_valid"))
        return Explanation(
            id=problem,
            what="problem",
            where=self._look.shelf.name,
            state=_state(bool(origins), path),
            problem=self._problem_of(problem, data),
            seed=self._seed(problem, origin),
            edges=self._edges(problem, origin),
            vote=_chosen(vote | ({"expected_answer": data["expected"]} if data.get("expected") else {}), _VOTE),
            path=path,
            checks=list(self._checks(path)),
            contamination=matches,
            solutions=list(self._solutions(problem, origins)),
        )

    # -- pieces ------------------------------------------------------------------------------------------------------

    def _staged(self, solution: str) -> dict[str, Any]:
        """What the stages know of a solution; a later one adds what it says itself."""
        found: dict[str, Any] = {}
        for table in self._look.of_shape("solutions", "answers"):
            for row in self._look.rows(table, "solution_id", [solution])[:1]:
                found = row | {k: v for k, v in found.items() if v is not None}
        return found

    def _trims(self, solution: str) -> dict[str, Any]:
        for table in self._look.shelf.tables:
            if {"solution_id", "start", "end", "is_trimmed"} <= set(table.columns):
                for row in self._look.rows(table, "solution_id", [solution])[:1]:
                    return row
        return {}

    def _votes(self, problem: str) -> dict[str, Any]:
        for table in self._look.of_shape("expected") if problem else ():
            for row in self._look.rows(table, "problem_id", [problem])[:1]:
                return row
        return {}

    def _problem_of(self, problem: str, data: Mapping[str, Any]) -> dict[str, Any]:
        row = self._text_of(problem) if not data.get("problem") else {}
        found = {"problem_id": problem or None, "problem": data.get("problem"), "source": data.get("source")}
        return found | {k: v for k, v in row.items() if v is not None}

    def _text_of(self, problem: str) -> dict[str, Any]:
        """Text and source of a problem: from the stages, else from a released row of it."""
        for table in self._look.of_shape("problems") if problem else ():
            for row in self._look.rows(table, "problem_id", [problem])[:1]:
                return {"problem": row["problem"], "source": row["problem_source"]}
        for row in self._look.origins("problem_id", problem)[:1] if problem else ():
            return _chosen(self._look.released(row["split"], row["row"]), ("problem", "source"))
        return {}

    def _seed(self, problem: str, origin: Mapping[str, Any]) -> dict[str, Any]:
        seed = str(origin.get("seed_problem_id") or "")
        found = {"source": origin.get("seed_source"), "row": origin.get("seed_row")}
        if not seed:
            last = next((step for step in reversed(self._edges(problem, {})) if step["relation"] == "seed"), None)
            if last is None:
                return {}
            seed, found = str(last["child_id"]), {"source": last["source"], "row": last["source_row"]}
        return found | {"problem_id": seed, "problem": self._text_of(seed).get("problem")}

    def _edges(self, problem: str, origin: Mapping[str, Any]) -> list[dict[str, Any]]:
        tables = self._look.of_shape("edges")
        if not tables or not problem:
            parent = origin.get("parent_id")
            text = self._text_of(str(parent)).get("problem") if parent else None
            return [{"relation": "made from", "parent_id": parent, "parent": text}] if parent else []
        found: list[dict[str, Any]] = []
        waiting, seen = [problem], set()
        while waiting and len(found) < _MAX_STEPS:
            seen |= set(waiting)
            steps = [row for table in tables for row in self._look.rows(table, "child_id", waiting)]
            found += sorted(steps, key=lambda row: (row["relation"] != "seed", str(row["parent_id"])))[:_MAX_STEPS]
            waiting = [s["parent_id"] for s in steps if s["relation"] != "seed" and s["parent_id"] not in seen]
            waiting = waiting[:_MAX_STEPS]
        for step in found:
            is_seed = step["relation"] == "seed"
            step["parent"] = None if is_seed else self._text_of(step["parent_id"]).get("problem")
        return found

    def _asked(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """As the row's provenance says, else as the release says of its stage."""
        stage = self._stages.get(str(known.get("stage")))
        lineage = dict(stage.lineage) if stage else {}
        lineage["sampling"] = lineage.pop("settings", None)
        found = {name: known.get(name) if known.get(name) is not None else lineage.get(name) for name in _ASKED}
        found |= {name: _read(found[name]) for name in ("prompts", "sampling")}
        return {k: v for k, v in (found | _chosen(known, _ENDED)).items() if v is not None}

    def _path(self, ids: Sequence[str], problems: Sequence[str], stage: str = "") -> Iterator[dict[str, Any]]:
        """Stages whose tables have the row; without tables those that a released row must have gone through."""
        ids, problems = [one for one in ids if one], [one for one in problems if one]
        if not self._look.shelf.tables:
            yield from self._path_of_record(stage)
            return
        for name in dict.fromkeys(table.stage for table in self._look.shelf.tables):
            tables = [table for table in self._look.shelf.tables if table.stage == name]
            made = self._stages.get(name)
            step = {"stage": name, "kind": made.kind if made else None}
            rejects = self._rejects(tables, [*ids, *problems])
            if rejects:
                yield step | {"outcome": "rejected"} | _chosen(rejects[0], ("rule", "reason", "detail"))
            elif any(self._holds(table, ids, problems) for table in tables if table.table == "rows"):
                yield step | {"outcome": "kept"}

    def _path_of_record(self, stage: str) -> Iterator[dict[str, Any]]:
        release = self._look.shelf.release
        through = above(self._stages, release.data if release else ())
        for name, made in self._stages.items():
            is_before = stage in self._stages and name in above(self._stages, [stage])
            is_after = name in through and stage in above(self._stages, [name])
            is_split = release is not None and name in release.data
            if (is_before or is_after) and made.inputs is not None and not is_split:
                yield {"stage": name, "kind": made.kind, "outcome": "kept"}

    def _rejects(self, tables: Sequence[StageTable], ids: Sequence[str]) -> list[dict[str, Any]]:
        return [row for table in tables if table.shape == "rejects" for row in self._look.rows(table, "id", ids)]

    def _holds(self, table: StageTable, ids: Sequence[str], problems: Sequence[str]) -> bool:
        if table.shape in _BESIDE:
            return False
        if "solution_id" in table.columns:
            return bool(self._look.rows(table, "solution_id", ids))
        return "problem_id" in table.columns and bool(self._look.rows(table, "problem_id", problems))

    def _checks(self, path: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        release = self._look.shelf.release
        stages = release.build.get("stages") if release else None
        records: Mapping[str, Any] = stages if isinstance(stages, Mapping) else {}
        for step in path:
            record = records.get(step["stage"])
            for check in (record.get("checks") or ()) if isinstance(record, Mapping) else ():
                if isinstance(check, Mapping):
                    yield {"stage": step["stage"], **_chosen(check, ("name", "passed", "blocking", "violations"))}

    def _matches(self, problem: str) -> list[dict[str, Any]]:
        return [_chosen(row, _MATCH) for row in self._look.matches(problem)] if problem else []

    def _solutions(self, problem: str, origins: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Every solution of a problem, and what became of it."""
        released = {str(origin["solution_id"]) for origin in origins}
        asking = {name for name, made in self._stages.items() if made.lineage}
        rows = {
            row["solution_id"]: row
            for table in self._look.of_shape("solutions")
            if not asking or table.stage in asking
            for row in self._look.rows(table, "problem_id", [problem])
        } or {str(origin["solution_id"]): origin for origin in origins}
        rules = {
            row["id"]: (table.stage, row["rule"])
            for table in self._look.of_shape("rejects")
            for row in self._look.rows(table, "id", list(rows))
        }
        for solution, row in sorted(
            rows.items(), key=lambda pair: (str(pair[1].get("stage")), pair[1]["sample_index"])
        ):
            left = rules.get(solution)
            state = "released" if solution in released else "rejected" if left else "not released"
            found = {"solution_id": solution, "state": state, **_chosen(row, ("stage", "sample_index"))}
            yield found | ({"left_at": left[0], "rule": left[1]} if left else {})


def _left_by_match(match: Mapping[str, Any]) -> dict[str, Any]:
    """The step of a problem that only the report of a release knows. Seeds are reported and stay."""
    outcome = "rejected" if match.get("split") == "removed" else "kept"
    return {"stage": "contamination", "outcome": outcome, **_chosen(match, ("rule",))}


def _state(is_released: bool, path: Sequence[Mapping[str, Any]]) -> State:
    if is_released:
        return "released"
    return "rejected" if any(step["outcome"] == "rejected" for step in path) else "not released"


def _chosen(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names if row.get(name) is not None}


def _read(value: Any) -> Any:
    """JSON of the provenance, read; anything else as it is."""
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    except (ValueError, RecursionError):
        return value
