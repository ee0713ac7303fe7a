"""Causes where recipes differ in their stages, or tables lack rows: versions written into a store by hand."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets.release.difference import Difference
from assets.release.folder_reading import Release
from assets.schemas import GENERATED_PROBLEM, PROBLEM, REJECT, SOLUTION, id_array
from dagster_project.released.difference import compare
from resources.store import Store
from tests.dagster_project.released.conftest import Make, Row, uid

LINEAGE = {"weights": "w", "prompts": {"solve": "1"}, "settings": {"samples": 2}}
FEWER = LINEAGE | {"settings": {"samples": 1}}


@dataclass(frozen=True)
class Stage:
    """One stage of a build: what its rows and rejects are."""

    kind: str
    schema: pa.Schema
    inputs: Sequence[str] = ()
    rows: Sequence[Mapping[str, Any]] = ()
    rejects: Mapping[str, str] = field(default_factory=dict)
    """Id -> rule."""
    lineage: Mapping[str, Any] | None = None
    code: str = "1"


def table(schema: pa.Schema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    columns = []
    for column in schema:
        values = [row.get(column.name) for row in rows]
        if column.type == pa.uuid():
            columns.append(id_array([uuid.UUID(value).bytes if value else None for value in values]))
        else:
            blank = 0 if pa.types.is_integer(column.type) else ""
            filled = [blank if value is None and not column.nullable else value for value in values]
            columns.append(pa.array(filled, column.type))
    return pa.Table.from_arrays(columns, schema=schema)


def seed(text: str, answer: str = "1") -> dict[str, Any]:
    return {"problem_id": uid("problem", text), "problem": text, "expected_answer": answer}


def made(text: str, parent: str) -> dict[str, Any]:
    return seed(text) | {"parent_id": uid("problem", parent), "request_key": uid("request", text)}


def solution(row: Row) -> dict[str, Any]:
    return {
        "solution_id": uid("solution", row.problem, row.stage, row.sample, row.text),
        "problem_id": uid("problem", row.problem),
        "request_key": uid("request", row.problem, row.stage, row.sample, row.text),
        "text_hash": uid("text", row.text),
        "sample_index": row.sample,
        "stage": row.stage,
    }


P, Q = Row("p"), Row("q")
SEEDS = Stage("seeds/problems", PROBLEM, rows=[seed("p"), seed("q")])
SOLVED = Stage("generation/solve", SOLUTION, ["seeds"], rows=[solution(P), solution(Q)], lineage=LINEAGE)
CHECKED = Stage("local/checked", SOLUTION, ["solutions"], rows=[solution(P), solution(Q)])
TRAIN = Stage("sql/split_prefix", SOLUTION, ["checked"], rows=[solution(P), solution(Q)])
BASE = {"seeds": SEEDS, "solutions": SOLVED, "checked": CHECKED, "train": TRAIN}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def write(store: Store, make: Make, stages: Mapping[str, Stage], rows: Sequence[Row]) -> Release:
    """A build of ``stages`` that released ``rows``."""
    records, lineage = {}, {}
    for name, stage in stages.items():
        schemas = {"rows": stage.schema, "rejects": REJECT}
        with store.stage(stage.kind, schemas, where=name) as staging:
            staging.writers["rows"].write(table(stage.schema, stage.rows))
            rejects = [{"id": one, "rule": rule, "reason": "because"} for one, rule in stage.rejects.items()]
            staging.writers["rejects"].write(table(REJECT, rejects))
            staging.close()
            version = staging.commit({})
        records[name] = {
            "kind": stage.kind, "code": stage.code, "version": version.version, "settings": {},
            "inputs": {"rows": list(stage.inputs)},
        }  # fmt: skip
        lineage |= {name: dict(stage.lineage)} if stage.lineage else {}
    return make({"train": rows}, {"format": 2, "stages": records, "lineage": lineage})


def differ(store: Store, make: Make, old: Any, new: Any) -> set[tuple[str, str, str]]:
    """(kind, cause, detail), both ways round."""
    sides = [write(store, make, *side) for side in (old, new)]
    found = compare(*sides, names=("a", "b"), store=store, memory_limit="500MB")
    assert found.is_exact
    back = compare(*reversed(sides), names=("b", "a"), store=store, memory_limit="500MB")
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert {(turned[kind], cause) for kind, cause, _ in causes(back)} == {pair[:2] for pair in causes(found)}
    return causes(found)


def causes(found: Difference) -> set[tuple[str, str, str]]:
    return {(line.kind, line.cause, line.detail) for line in found.lines}


def without_q(name: str, **changes: Any) -> dict[str, Stage]:
    """The base, where the stage ``name`` and those below it have lost the row of ``q``."""
    below = list(BASE)[list(BASE).index(name) :]
    lost = {n: replace(BASE[n], rows=BASE[n].rows[:1]) for n in below}
    return BASE | lost | {name: replace(lost[name], **changes)}


def test_a_stage_that_came_takes_rows_by_its_rules(store: Store, release: Make) -> None:
    strict = replace(CHECKED, kind="local/strict", inputs=["checked"], rows=[solution(P)])
    strict = replace(strict, rejects={solution(Q)["solution_id"]: "too odd"})
    new = BASE | {"strict": strict, "train": replace(TRAIN, inputs=["strict"], rows=[solution(P)])}
    assert differ(store, release, (BASE, [P, Q]), (new, [P])) == {("removed", "filter", "strict: too odd")}


def test_a_source_and_a_stage_that_came_bring_their_rows(store: Store, release: Make) -> None:
    r = Row("r", stage="more_solutions")
    other = replace(SOLVED, kind="generation/other", inputs=["seeds"])
    s = Row("p", stage="other_solutions")
    new = BASE | {
        "more": replace(SEEDS, kind="seeds/more", rows=[seed("r")]),
        "more_solutions": replace(SOLVED, inputs=["more"], rows=[solution(r)]),
        "other_solutions": replace(other, rows=[solution(s)]),
        "checked": replace(
            CHECKED,
            inputs=["solutions", "more_solutions", "other_solutions"],
            rows=[*CHECKED.rows, solution(r), solution(s)],
        ),
    }
    assert differ(store, release, (BASE, [P, Q]), (new, [P, Q, r, s])) == {
        ("added", "seed", "more: new stage"),
        ("added", "prompt", "other_solutions: new stage"),
    }


@pytest.mark.parametrize(
    ("stages", "cause", "detail"),
    [
        (without_q("seeds"), "seed", "seeds"),
        (without_q("checked", rejects={solution(Q)["solution_id"]: "short"}), "filter", "checked: short"),
        (without_q("checked", code="2"), "code", "checked: code"),
        (without_q("checked", code="2", rejects={solution(Q)["solution_id"]: "short"}), "code", "checked: short"),
        (without_q("checked"), "unknown", "checked"),
        (without_q("solutions"), "unknown", "solutions: no setting differs"),
        (without_q("solutions", rejects={solution(Q)["request_key"]: "failed"}), "filter", "solutions: failed"),
        (
            without_q("solutions", lineage=FEWER),
            "sampling",
            "solutions: samples 2 became 1",
        ),
        (without_q("train"), "split", "train: 2 rows became 1"),
    ],
)
def test_where_a_row_is_lost(store: Store, release: Make, stages: Any, cause: str, detail: str) -> None:
    assert differ(store, release, (BASE, [P, Q]), (stages, [P])) == {("removed", cause, detail)}


def test_the_same_request_with_another_text_cannot_be_told(store: Store, release: Make) -> None:
    """Two stores can hold other answers to one request: no stage of the recipe has changed."""
    q = replace(Q, text="other", origin={"solution_id": solution(Q)["solution_id"]})
    row = solution(Q) | {"text_hash": uid("text", "other")}
    new = {n: replace(s, rows=[solution(P), row]) if n != "seeds" else s for n, s in BASE.items()}
    found = differ(store, release, (BASE, [P, Q]), (new, [P, q]))
    assert found == {("changed", "unknown", "solutions: no setting differs")}


def test_a_problem_of_a_problem_goes_with_the_seed_of_both(store: Store, release: Make) -> None:
    child, grandchild = Row("child", seed="q"), Row("grandchild", seed="q")

    def stages(names: Sequence[str], rows: Sequence[Row]) -> dict[str, Stage]:
        first = [made("child", "q")] if "q" in names else []
        second = [made("grandchild", "child")] if "q" in names else []
        return {
            "seeds": replace(SEEDS, rows=[seed(name) for name in names]),
            "one": Stage("generation/one", GENERATED_PROBLEM, ["seeds"], rows=first, lineage=LINEAGE),
            "two": Stage("generation/two", GENERATED_PROBLEM, ["one"], rows=second, lineage=LINEAGE),
            "solutions": replace(SOLVED, inputs=["seeds", "one", "two"], rows=[solution(row) for row in rows]),
            "train": replace(TRAIN, inputs=["solutions"], rows=[solution(row) for row in rows]),
        }

    every = [P, Q, child, grandchild]
    found = differ(store, release, (stages(["p", "q"], every), every), (stages(["p"], [P]), [P]))
    assert found == {("removed", "seed", "seeds")}


def test_a_row_of_a_stage_that_no_record_names_is_unknown(store: Store, release: Make) -> None:
    odd = Row("q", stage="elsewhere")
    found = differ(store, release, (BASE, [P, odd]), (without_q("train"), [P]))
    assert found == {("removed", "unknown", "its stage is not recorded")}
