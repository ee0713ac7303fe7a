"""A small world to release: two seeds, one new problem, six solutions, and a session as the runner opens it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.kinds import Job, Table
from assets.release.kinds import Folder, FolderSettings
from assets.release.tables import FILES, GRADED, SPLIT, TEXTS, VOTED
from assets.schemas import EDGE, PROBLEM, problem_id, seed_row_id, solution_id, table_of
from resources.identity import digest128
from resources.sql import Part, View, open_session

COMPLETIONS = pa.schema([("request_key", pa.uuid()), ("text", pa.string())])
VOTED_WITH_COUNTS = VOTED.append(pa.field("votes", pa.int32())).append(pa.field("n_valid", pa.int32()))


def key_of(number: int) -> bytes:
    """Request key of solution ``number``."""
    return digest128("request", str(number))


@dataclass
class World:
    """Rows of every input, to be changed by a test. ``solutions``: number -> (problem, text, start, end, rewritten)."""

    seeds: Sequence[tuple[str, str]] = (("Seed one?", "1"), ("Seed two?", "2"))
    new: Sequence[str] = ("New one?",)
    texts: dict[int, tuple[str, str, int, int, str | None]] = field(default_factory=dict)
    splits: dict[str, list[int]] = field(default_factory=dict)
    """Split -> solutions in the order of their rank."""
    context: dict[str, Any] = field(default_factory=dict)
    edges: list[dict[str, Any]] = field(default_factory=list)
    contamination: dict[str, dict[str, pa.Table]] | None = None
    """Its two inputs, as :meth:`tables` gives the others."""
    tweak: Callable[[dict[str, dict[str, pa.Table]]], None] = lambda tables: None
    """Changes the tables after they are made: what no sound build would give."""

    def tables(self) -> dict[str, dict[str, pa.Table]]:
        """Formal input -> part -> rows."""
        seeds = [
            {"problem_id": problem_id(p), "problem": p, "expected_answer": a, "problem_source": "gsm8k"}
            for p, a in self.seeds
        ]
        new = [{"problem_id": problem_id(p), "problem": p, "problem_source": "augmented_gsm8k"} for p in self.new]
        answers = dict(self.seeds) | dict.fromkeys(self.new, "9")
        graded, texts, completions = [], [], []
        for number, (problem, text, start, end, rewritten) in self.texts.items():
            solution = solution_id(problem_id(problem), key_of(number))
            graded.append(
                {
                    "solution_id": solution,
                    "problem_id": problem_id(problem),
                    "request_key": key_of(number),
                    "text_hash": digest128("text", text),
                    "problem_source": "gsm8k",
                    "sample_index": number,
                    "finish_reason": "stop",
                    "prompt_tokens": 10,
                    "completion_tokens": 20 + number,
                    "stage": "solved",
                    "answer": answers[problem],
                    "expected_answer": answers[problem],
                }
            )
            texts.append(
                {
                    "solution_id": solution,
                    "start": start,
                    "end": end,
                    "rewritten": rewritten,
                    "final_text_hash": digest128("text", rewritten or text[start:end]),
                    "tokens": 5,
                    "is_trimmed": (start, end) != (0, len(text)),
                    "is_rewritten": rewritten is not None,
                }
            )
            completions.append({"request_key": key_of(number), "text": text})
        expected_seeds = [{"problem_id": problem_id(p), "expected_answer": a, "expected_key": a} for p, a in self.seeds]
        expected_new = [
            {"problem_id": problem_id(p), "expected_answer": "9", "expected_key": "9", "votes": 3, "n_valid": 4}
            for p in self.new
        ]
        return {
            "splits": {name: table_of(SPLIT, self._split(numbers)) for name, numbers in self.splits.items()},
            "solutions": {"graded": table_of(GRADED, graded)},
            "texts": {"distinct": table_of(TEXTS, texts)},
            "problems": {"seeds": table_of(PROBLEM, seeds), "new": table_of(PROBLEM, new)},
            "expected": {
                "seed_expected": table_of(VOTED, expected_seeds),
                "new_expected": table_of(VOTED_WITH_COUNTS, expected_new),
            },
            "edges": {"seeds": table_of(EDGE, self._seed_edges()), "generated": table_of(EDGE, self._edges())},
            "completions": {"store": table_of(COMPLETIONS, completions)},
        }

    def _split(self, numbers: list[int]) -> list[dict[str, Any]]:
        return [
            {
                "solution_id": solution_id(problem_id(self.texts[n][0]), key_of(n)),
                "problem_id": problem_id(self.texts[n][0]),
                "k": rank // 3,
                "rank": rank,
            }
            for rank, n in enumerate(numbers)
        ]

    def _seed_edges(self) -> list[dict[str, Any]]:
        return [
            {
                "child_id": problem_id(p),
                "parent_id": seed_row_id("gsm8k", row),
                "relation": "seed",
                "source": "gsm8k",
                "source_row": row,
                "expected_answer": a,
            }
            for row, (p, a) in enumerate(self.seeds)
        ]

    def _edges(self) -> list[dict[str, Any]]:
        made = [
            {
                "child_id": problem_id(p),
                "parent_id": problem_id(self.seeds[1][0]),
                "relation": "augmented",
                "request_key": key_of(100),
            }
            for p in self.new
        ]
        return made + self.edges


@dataclass
class Released:
    """What a release wrote."""

    folder: Path
    files: list[dict[str, Any]]
    facts: dict[str, Any]

    def read(self, config: str, split: str) -> list[dict[str, Any]]:
        """Rows of one split, straight from its Parquet files."""
        paths = [f["path"] for f in self.files if (f["config"], f["split"]) == (config, split)]
        return [row for path in paths for row in pq.ParquetFile(self.folder / path).read().to_pylist()]

    def card(self) -> str:
        """README.md."""
        return (self.folder / "README.md").read_text(encoding="utf-8")


class _Rows:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        """Refuse what the store would refuse."""
        assert rows.schema.equals(FILES)
        self.rows += rows.to_pylist()


Release = Callable[..., Released]


@pytest.fixture
def world() -> World:
    """Six solutions; the texts have trims, a rewrite, and letters beyond the first Unicode plane."""
    texts: dict[int, tuple[str, str, int, int, str | None]] = {
        0: ("Seed one?", "My solution: it is \\boxed{1}. Bye", 13, 29, None),
        1: ("Seed one?", "so \\boxed{1}", 0, 12, None),
        2: ("Seed two?", "\U0001d7da\u0301 e\u0301 is \\boxed{2} end", 2, 18, None),
        3: ("Seed two?", "1 + 1 + 0 = 2", 0, 13, "1 + 1 + 0 = 2 + 0 = 2"),
        4: ("New one?", "nine \\boxed{9}", 0, 14, None),
        5: ("New one?", 'quote " and | and `tick`, \\boxed{9}', 0, 35, None),
    }
    return World(texts=texts, splits={"train": [4, 0, 2, 5, 1, 3], "train_small": [4, 0]})


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """Call it with a world and settings; every call writes into a folder of its own."""
    count = 0

    def run(world: World, *, threads: int = 2, memory: str = "512MB", **settings: Any) -> Released:
        nonlocal count
        count += 1
        base = tmp_path / f"build{count}"
        return run_release(base, world, FolderSettings(**settings), threads=threads, memory=memory)

    return run


def run_release(
    base: Path, world: World, settings: FolderSettings, *, threads: int = 2, memory: str = "512MB"
) -> Released:
    """One release of ``world`` under ``base``."""
    tables = world.tables()
    if world.contamination is not None:
        tables |= world.contamination
    world.tweak(tables)
    paths = write_tables(base / "inputs", tables)
    kind = Folder()
    inputs = {
        formal: [Table(name, table.schema, [paths[formal][name]], table.num_rows) for name, table in parts.items()]
        for formal, parts in tables.items()
        if formal in kind.inputs
    }
    folder = base / "release"
    folder.mkdir()
    writer, facts = _Rows(), dict[str, Any]()
    with session_over(base / "spill", tables, paths, threads=threads, memory=memory) as session:
        job = Job("mine", "dataset", settings, inputs, session, {"rows": writer}, folder, facts, world.context)
        kind.run(job)
    return Released(folder, writer.rows, facts)


def write_tables(folder: Path, tables: Mapping[str, Mapping[str, pa.Table]]) -> dict[str, dict[str, Path]]:
    """Every part as a Parquet file."""
    paths: dict[str, dict[str, Path]] = {}
    for formal, parts in tables.items():
        for part, table in parts.items():
            path = folder / formal / f"{part}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(table, path)
            paths.setdefault(formal, {})[part] = path
    return paths


def session_over(
    spill: Path,
    tables: Mapping[str, Mapping[str, pa.Table]],
    paths: Mapping[str, Mapping[str, Path]],
    *,
    threads: int,
    memory: str,
) -> duckdb.DuckDBPyConnection:
    """The session that the runner gives to a release stage."""
    views = {}
    for formal, parts in tables.items():
        schema = next(iter(parts.values())).schema
        if formal == "completions" or not Folder.inputs[formal].many:
            views[formal] = View(schema, paths=list(paths[formal].values()))
        else:
            views[formal] = View(schema, parts=[Part(n, [paths[formal][n]], t.schema) for n, t in parts.items()])
    for formal, declared in Folder.inputs.items():
        if declared.optional and formal not in views:
            views[formal] = View(declared.schema, parts=[])
    return open_session(memory_limit=memory, threads=threads, temp=spill, views=views)
