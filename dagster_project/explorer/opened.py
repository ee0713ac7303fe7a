"""One problem, opened: its samples with text, answer and verdict, its way back to the seed, and who was asked how.

Texts are read where they lie: released ones by file and row of the release, others by request key from the sealed
segments of the request store. Memory: the samples of one page.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from assets.release.folder_reading import SOLUTIONS, first_column
from dagster_project.explorer.access import Reader, parquet
from dagster_project.explorer.indexing import Index
from dagster_project.explorer.places import Place, StageTable
from resources.requests.segments import Folders, list_seals

SAMPLES = 40
"""Samples on one page of an opened problem."""

MAX_TEXT = 30_000
"""Characters of a sample that are shown. Longer ones are cut, and the page says so."""

MAX_DEPTH = 16
"""Generations that lineage is followed through."""


@dataclass(slots=True)
class Opened:
    """All that the page shows of a problem."""

    problem: dict[str, Any]
    samples: list[dict[str, Any]]
    """Index columns, with text, detail, answer_status and source of the text."""
    lineage: list[dict[str, Any]]
    """Edges from this problem upwards, nearest first: relation, parent_id, parent (text), source, source_row."""
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Stage -> who was asked, and how."""
    checks: list[dict[str, Any]] = field(default_factory=list)
    """What contamination stages say of the problem: name, value."""
    page: int = 0


def open_problem(reader: Reader, place: Place, index: Index, doc: int, page: int = 0) -> Opened | None:
    """Everything about the problem with the number ``doc``; None if there is none."""
    found = reader.ask(
        f"select * exclude (problem), left(problem, {MAX_TEXT}) as problem, length(problem) > {MAX_TEXT} as is_cut "
        f"from {index.table('problems')} where doc = $doc",
        {"doc": doc},
    )
    if not found:
        return None
    problem = found[0]
    samples = reader.ask(
        f"select * from {index.table('rows')} where doc = $doc "
        f"order by splits is null, stage, sample_index, solution_id limit {SAMPLES} offset {max(page, 0) * SAMPLES}",
        {"doc": doc},
        limit=SAMPLES,
    )
    _add_released_texts(reader, place, samples)
    _add_completions(reader, place, samples)
    _add_reasons(reader, place, samples)
    stages = sorted({sample["stage"] for sample in samples if sample["stage"]})
    settings = {stage: place.lineage[stage] for stage in stages if stage in place.lineage}
    edges = place.of_shape("edges")
    origin = None if edges and settings else _provenance(reader, place, samples)
    steps = _edges_up(reader, edges, problem["problem_id"]) if edges else list(_origin(origin))
    return Opened(
        problem=problem,
        samples=samples,
        lineage=_with_parents(reader, index, steps),
        settings=settings or _settings_of_row(origin),
        checks=list(_checks(reader, place, problem["problem_id"])),
        page=page,
    )


def _add_released_texts(reader: Reader, place: Place, samples: Sequence[dict[str, Any]]) -> None:
    """Of each file only the pages that hold its rows are read."""
    if place.release is None:
        return
    files = place.release.files
    column = first_column(files, SOLUTIONS)
    wanted: dict[int, dict[int, dict[str, Any]]] = {}
    for sample in samples:
        if sample["file"] is not None and column:
            wanted.setdefault(sample["file"], {})[sample["line"]] = sample
    for number, lines in wanted.items():
        rows = reader.ask(
            f"select file_row_number as line, left({column}, {MAX_TEXT + 1}) as text from {parquet([files[number]])} "
            f"where file_row_number in ({', '.join(str(int(line)) for line in lines)})"
        )
        for row in rows:
            lines[row["line"]].update(text=row["text"], text_from="release")


def _add_completions(reader: Reader, place: Place, samples: Sequence[dict[str, Any]]) -> None:
    """Texts that were not released. A journal that is not sealed yet is not read: a build may be writing it."""
    missing = {str(s["request_key"]): s for s in samples if s.get("text") is None and s["request_key"]}
    parts = [part for seal in list_seals(Folders(place.requests)) for part in seal.parts] if place.requests else []
    if not missing or not parts:
        return
    rows = reader.ask(
        f"select request_key, left(text, {MAX_TEXT + 1}) as text, finish_reason from {parquet(parts)} "
        f"where request_key in ({_uuids(list(missing))})"
    )
    for row in rows:
        missing[str(row["request_key"])].update(
            text=row["text"], text_from="request store", finish_reason=row["finish_reason"]
        )


def _add_reasons(reader: Reader, place: Place, samples: Sequence[dict[str, Any]]) -> None:
    """Reason and detail of rejects, and how answers were read."""
    for sample in samples:
        if sample["rule"] is not None:
            tables = [t for t in place.of_shape("rejects") if t.stage == sample["left_at"]]
            ids = [sample["solution_id"], sample["request_key"]]
            for row in _by_id(reader, tables, "id", [i for i in ids if i], "rule, reason, detail"):
                sample.update(reason=row["reason"], detail=row["detail"])
    solutions = {str(s["solution_id"]): s for s in samples if s["solution_id"]}
    columns = "solution_id, answer_key, answer_status"
    for row in _by_id(reader, place.of_shape("answers"), "solution_id", list(solutions), columns):
        solutions[str(row["solution_id"])].update(answer_key=row["answer_key"], answer_status=row["answer_status"])


def _by_id(
    reader: Reader, tables: Sequence[StageTable], column: str, ids: Sequence[Any], columns: str
) -> Iterator[dict[str, Any]]:
    wanted = _uuids(ids)
    for table in tables if wanted else ():
        yield from reader.ask(f"select {columns} from {parquet(table.paths)} where {column} in ({wanted})")


def _with_parents(reader: Reader, index: Index, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    texts = _texts(reader, index, [step["parent_id"] for step in steps if step.get("parent_id")])
    for step in steps:
        step["parent"], step["parent_doc"] = texts.get(str(step.get("parent_id")), (None, None))
    return steps


def _edges_up(reader: Reader, edges: Sequence[StageTable], child: Any) -> list[dict[str, Any]]:
    """Parents, their parents, and so on. Every generation is one question; a child that was seen is not asked again."""
    found: list[dict[str, Any]] = []
    seen: set[str] = set()
    waiting = [child]
    for _ in range(MAX_DEPTH):
        seen |= {str(one) for one in waiting}
        columns = "child_id, parent_id, relation, request_key, source, source_row, expected_answer"
        steps = sorted(_by_id(reader, edges, "child_id", waiting, columns), key=lambda e: (str(e["relation"]), str(e)))
        found += steps[:MAX_DEPTH]
        waiting = [
            s["parent_id"] for s in steps[:MAX_DEPTH] if s["relation"] != "seed" and str(s["parent_id"]) not in seen
        ]
        if not waiting:
            break
    return found[: 4 * MAX_DEPTH]


def _origin(row: Mapping[str, Any] | None) -> Iterator[dict[str, Any]]:
    """What the provenance of a released row says: its parent, and the seed at the other end."""
    if row is None:
        return
    if row["parent_id"] and row["parent_id"] != row["seed_problem_id"]:
        yield {"relation": "made from", "parent_id": row["parent_id"]}
    if row["seed_problem_id"] or row["seed_source"]:
        yield {
            "relation": "seed",
            "parent_id": row["seed_problem_id"],
            "source": row["seed_source"],
            "source_row": row["seed_row"],
        }


def _provenance(reader: Reader, place: Place, samples: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The provenance of the first released sample: found by its place, like the row of the data."""
    release = place.release
    sample = next((s for s in samples if s["file"] is not None), None)
    if release is None or not release.provenance or sample is None:
        return None
    path = release.files[sample["file"]]
    split = next(name for name, paths in release.data.items() if path in paths)
    found = _at(release.provenance[split], _first_row(release.data[split], path) + sample["line"])
    if found is None:
        return None
    rows = reader.ask(
        f"select * from {parquet([found[0]])} where file_row_number = $line",
        {"line": found[1]},
    )
    return rows[0] if rows else None


def _first_row(paths: Sequence[Path], wanted: Path) -> int:
    """Rows of a split before the file ``wanted``; from the ends of the files, which hold their counts."""
    return sum(pq.read_metadata(path).num_rows for path in paths[: list(paths).index(wanted)])


def _at(paths: Sequence[Path], row: int) -> tuple[Path, int] | None:
    """File, and row in it, of the row ``row`` of a split."""
    for path in paths:
        count = pq.read_metadata(path).num_rows
        if row < count:
            return path, row
        row -= count
    return None


def _settings_of_row(row: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Who was asked, where only the provenance says it."""
    if row is None or not row["stage"]:
        return {}
    return {row["stage"]: {name: _read(row[name]) for name in ("role", "model", "weights", "prompts", "sampling")}}


def _read(value: Any) -> Any:
    try:
        return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
    except ValueError:
        return value


def _texts(reader: Reader, index: Index, ids: Sequence[Any]) -> dict[str, tuple[str, int]]:
    if not ids:
        return {}
    docs = reader.ask(f"select distinct doc from {index.table('ids')} where id in ({_uuids(ids)})")
    numbers = ", ".join(str(int(row["doc"])) for row in docs)
    if not numbers:
        return {}
    rows = reader.ask(
        f"select problem_id, doc, left(problem, {MAX_TEXT}) as problem from {index.table('problems')} "
        f"where doc in ({numbers})"
    )
    return {str(row["problem_id"]): (row["problem"], row["doc"]) for row in rows}


def _checks(reader: Reader, place: Place, problem_id: Any) -> Iterator[dict[str, Any]]:
    for shape in ("overlaps", "neighbours", "judged", "matches"):
        for row in _by_id(reader, place.of_shape(shape), "problem_id", [problem_id], "*"):
            for name, value in row.items():
                if not name.endswith(("_id", "_ids")) and name not in ("problem", "split") and value is not None:
                    yield {"name": f"{shape}: {name.replace('_', ' ')}", "value": _short(value)}


def _uuids(ids: Sequence[Any]) -> str:
    """Ids for ``in (...)``; what is none never gets into SQL."""
    return ", ".join(f"'{uuid.UUID(str(value))}'::uuid" for value in ids)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_short(item) for item in value[:10])
    return f"{value:.3f}" if isinstance(value, float) else str(value)
