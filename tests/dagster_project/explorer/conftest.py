"""A scripted build, a released folder with hostile rows, and a page of each in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.explorer.access import Reader
from dagster_project.explorer.indexing import Index, open_index
from dagster_project.explorer.places import Place, place_of_folder

HOSTILE = (
    r"""Bad <script>window.broken = 1</script><img src=x onerror="window.broken = 1">
![picture](https://example.org/a.png) [link](javascript:window.broken=1) <a href="https://example.org">here</a>
$\href{javascript:window.broken=1}{x}$ $\includegraphics{https://example.org/b.png}$ $\def\a{\a\a}\a$
$\htmlStyle{color:red}{x}$ $$\rule{100em}{100em}$$ ${window.broken = 1} {{constructor}} `code` @children
$\unicode{x}$ $\frac{$ """
    + "\x1b[31mred\u202egnp.exe\u0000"
)

PROBLEMS = [
    r"Find $x^2$ if $x = \frac{1}{2}$ and the apple costs $5 and $6.",
    "How many pears are in 3 baskets of 4 pears?",
    "How many plums are in 5 baskets of 4 plums?",
    HOSTILE,
    r"Solve \begin{align*} x + y &= 3 \\ x - y &= 1 \end{align*} for the apple.",
]


def provenance_row(row: int, problem: int, *, text: str) -> dict[str, Any]:
    """A row of provenance: problem 1 is a seed, the others are made from it."""
    return {
        "solution_id": f"00000000-0000-0000-0000-{row:012d}",
        "problem_id": f"10000000-0000-0000-0000-{problem:012d}",
        "parent_id": None if problem == 1 else f"10000000-0000-0000-0000-{1:012d}",
        "seed_problem_id": f"10000000-0000-0000-0000-{1:012d}",
        "seed_source": "fruit",
        "seed_row": 7,
        "sample_index": row % 2,
        "votes": problem,
        "n_valid": 4,
        "answer": "12",
        "request_key": f"20000000-0000-0000-0000-{row:012d}",
        "text_hash": text,
        "stage": "new_solutions",
        "role": "teacher",
        "model": "a model <b>",
        "weights": "w",
        "prompts": '{"solve": "abc"}',
        "sampling": '{"temperature": 0.7}',
        "tokens": 10 + row,
    }


def write_release(folder: Path, texts: Sequence[str] | None = None, *, rows: int = 10) -> Path:
    """A released folder of two nested splits (train in two files), with provenance, report and BUILD.json."""
    texts = texts or [f"Solution {row} of \\(1 + {row}\\) \\boxed{{12}}" for row in range(rows)]
    data = [
        {
            "problem": PROBLEMS[row % len(PROBLEMS)],
            "generated_solution": texts[row],
            "expected_answer": "12",
            "problem_source": "fruit" if row % len(PROBLEMS) == 1 else "augmented_fruit",
        }
        for row in range(len(texts))
    ]
    origin = [provenance_row(row, row % len(PROBLEMS), text=texts[row]) for row in range(len(texts))]
    for directory, records in (("data", data), ("provenance", origin)):
        (folder / directory).mkdir(parents=True)
        table = pa.Table.from_pylist(records)
        pq.write_table(table.slice(0, 4), folder / directory / "train-00000-of-00002.parquet")
        pq.write_table(table.slice(4), folder / directory / "train-00001-of-00002.parquet")
        pq.write_table(table.slice(0, 5), folder / directory / "train_small-00000-of-00001.parquet")
    match = {
        "split": "removed",
        "problem_id": "10000000-0000-0000-0000-000000000099",
        "problem": "How many pears are in 3 baskets of 5 pears?",
        "benchmark": "school",
        "benchmark_id": "30000000-0000-0000-0000-000000000001",
        "benchmark_problem": "How many pears lie in 3 baskets of 4 pears?",
        "rule": "n-gram",
        "similarity": 0.93,
    }
    (folder / "contamination").mkdir()
    pq.write_table(pa.Table.from_pylist([match]), folder / "contamination" / "removed-00000-of-00001.parquet")
    build = {
        "recipe": "fruit",
        "files": {"a": texts},
        "funnel": [
            {"stage": "graded", "kind": "sql/graded", "rows_in": {"solutions": 20}, "rows_out": 10},
            {"stage": "bad", "kind": "k", "rows_in": {}, "rows_out": 1, "rejected": {"<b>incorrect</b>": 3}},
        ],
        "lineage": {},
    }
    (folder / "BUILD.json").write_text(json.dumps(build))
    return folder


@dataclass(frozen=True)
class Opened:
    """A place with its index and a reader."""

    place: Place
    index: Index
    reader: Reader


def opened(place: Place, folder: Path) -> Opened:
    index = open_index(place, folder)
    return Opened(place, index, Reader([*place.folders, index.folder], folder / "spill"))


@pytest.fixture(scope="session")
def release_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only to be read."""
    return write_release(tmp_path_factory.mktemp("released") / "new")


@pytest.fixture(scope="session")
def older_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with one row less, and another text in row 0."""
    texts = [f"Solution {row} of \\(1 + {row}\\) \\boxed{{12}}" for row in range(9)]
    return write_release(tmp_path_factory.mktemp("older") / "old", ["Another text.", *texts[1:]])


@pytest.fixture(scope="session")
def released(release_folder: Path, older_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    place = place_of_folder(release_folder, [older_folder])
    found = opened(place, tmp_path_factory.mktemp("index"))
    yield found
    found.reader.close()


@pytest.fixture
def copied(release_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(release_folder, tmp_path / "copy"))
