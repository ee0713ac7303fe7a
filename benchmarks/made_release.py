"""A released folder of any number of rows, made in minutes, for measurements of what is done with releases.

Written by the writer of ``release/folder``, so that shards and row groups end where those of a real release end. Rows
are what counts in bytes: problems of about 120 bytes, solutions of about 330, of which zstd leaves a third, and a
provenance row each with ids that nothing makes smaller. More rows begin with the same rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.release.layout import ConfigFiles, Plan, write_config
from assets.release.tables import DATA, PROVENANCE

BATCH = 65_536
SHARD_BYTES = 500_000_000
"""As ``release/folder`` does without a setting."""
SAMPLES = 24
"""Solutions of one problem: 600,000 problems in 14,000,000 rows."""
NAME = "made"

_FRAGMENTS = 40_000
_WORDS = 6_000
_UUID = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def make_release(folder: Path, rows: int) -> list[ConfigFiles]:
    """Write ``data/``, ``provenance/``, the card and ``BUILD.json`` of ``rows`` rows into ``folder``."""
    folder.mkdir(parents=True)
    plan = Plan(folder, {"train": rows}, "copied", SHARD_BYTES, "made")
    configs = [
        write_config(plan, "default", "data", DATA, _data(rows)),
        write_config(plan, "provenance", "provenance", PROVENANCE, _provenance(rows)),
    ]
    (folder / "README.md").write_text(_card(rows), encoding="utf-8")
    build = {
        "format": 2,
        "recipe": {"name": NAME, "title": "Made", "profile": "made", "hash": "0" * 64, "files": {}},
        "mathloom": "0",
        "splits": {"train": rows},
        "columns": {c.config: [[f.name, str(f.type), ""] for f in c.schema] for c in configs},
        "sources": {"made": {"hub": None, "licence": "Apache-2.0", "sha256": "0" * 64, "revision": None, "rows": rows}},
        "benchmarks": {},
        "models": {},
        "lineage": {},
        "stages": {},
        "funnel": [],
        "files": {f.path: {"rows": f.row_count, "sha256": f.sha256} for c in configs for f in c.unique()},
    }
    (folder / "BUILD.json").write_text(json.dumps(build, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return configs


def _data(rows: int) -> Iterator[pa.Table]:
    fragments = _fragments()
    for first, wanted, chance in _batches(rows, 1):
        number = np.arange(first, first + BATCH)
        about = np.random.default_rng(7).integers(_FRAGMENTS, size=(1 << 20, 3))[(number // SAMPLES) % (1 << 20)]
        problem = _joined([*about.T], number // SAMPLES, fragments)
        solution = _joined([*chance.integers(_FRAGMENTS, size=(8, BATCH))], number, fragments)
        answer = pa.array(chance.integers(1000, size=BATCH)).cast(pa.string())
        source = pa.array(np.array(["algebra", "numbers"])[number % 2])
        yield _table([problem, solution, answer, source], DATA).slice(0, wanted)


def _provenance(rows: int) -> Iterator[pa.Table]:
    for first, wanted, chance in _batches(rows, 2):
        number = np.arange(first, first + BATCH)
        texts = {
            "solution_id": _random_ids(chance),
            "problem_id": _ids(number // SAMPLES, 1),
            "seed_problem_id": _ids(number // SAMPLES // 80, 2),
            "request_key": _random_ids(chance),
            "text_hash": _random_ids(chance),
            "seed_source": _same("made"),
            "answer": pa.array(chance.integers(1000, size=BATCH)).cast(pa.string()),
            "stage": _same("solutions"),
            "role": _same("teacher"),
            "weights": _same("made"),
            "prompts": _same("{}"),
            "sampling": _same("{}"),
            "finish_reason": _same("stop"),
        }
        numbers = {
            "k": number % SAMPLES,
            "rank": number,
            "sample_index": number % SAMPLES,
            "seed_row": number // SAMPLES,
        }
        columns = [texts[f.name] if f.name in texts else _number(f, numbers.get(f.name), chance) for f in PROVENANCE]
        yield _table(columns, PROVENANCE).slice(0, wanted)


def _number(field: pa.Field, given: np.ndarray | None, chance: np.random.Generator) -> pa.Array:
    if given is not None:
        return pa.array(given).cast(field.type)
    if pa.types.is_integer(field.type):
        return pa.array(chance.integers(500, size=BATCH)).cast(field.type)
    if pa.types.is_boolean(field.type):
        return pa.array(np.zeros(BATCH, bool))
    return pa.nulls(BATCH, field.type)


def _batches(rows: int, kind: int) -> Iterator[tuple[int, int, np.random.Generator]]:
    """First row, rows wanted and generator of each batch. All are made whole: a shorter one is a piece of it."""
    for first in range(0, rows, BATCH):
        yield first, min(BATCH, rows - first), np.random.default_rng([kind, first])


def _table(columns: Sequence[pa.Array], schema: pa.Schema) -> pa.Table:
    mask = pa.array(np.ones(BATCH, np.int64))
    return pa.Table.from_arrays([mask, *columns], names=["mask", *schema.names])


def _fragments() -> pa.Array:
    """Clauses of about 40 bytes."""
    chance = np.random.default_rng(0)
    letters = np.array(list("etaoinshrdlucmfwyp"))
    words = ["".join(chance.choice(letters, size)) for size in chance.integers(2, 9, size=_WORDS)]
    common = (_WORDS * chance.random((_FRAGMENTS, 7)) ** 3).astype(int)
    return pa.array([" ".join(words[i] for i in line) for line in common])


def _joined(columns: Sequence[np.ndarray], number: np.ndarray, fragments: pa.Array) -> pa.Array:
    """Clauses one after another, with numbers of the row between them."""
    parts = [fragments.take(pa.array(column)) for column in columns]
    figures = pa.array((number * 2654435761) % 1_000_003).cast(pa.string())
    return pc.call_function("binary_join_element_wise", [*parts[:1], figures, *parts[1:], pa.scalar(" ")])


def _same(text: str) -> pa.Array:
    return pa.array([text]).take(pa.array(np.zeros(BATCH, np.int64)))


def _random_ids(chance: np.random.Generator) -> pa.Array:
    return _uuids(np.frombuffer(chance.bytes(16 * BATCH), np.uint8).reshape(BATCH, 16))


def _ids(number: np.ndarray, kind: int) -> pa.Array:
    """The same number gives the same id; neighbours have nothing in common."""
    words = np.stack([number.astype(np.uint64) + np.uint64(kind << 40), number.astype(np.uint64)], axis=1)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        words = (words ^ (words >> np.uint64(29))) * np.uint64(factor) + words[:, ::-1]
    return _uuids(words.copy().view(np.uint8).reshape(len(number), 16))


def _uuids(values: np.ndarray) -> pa.Array:
    """16 bytes each, as DuckDB writes a UUID."""
    digits = np.frombuffer(values.tobytes().hex().encode(), np.uint8).reshape(len(values), 32)
    text = np.full((len(values), 36), ord("-"), np.uint8)
    text[:, _UUID] = digits
    ends = np.arange(len(values) + 1, dtype=np.int32) * 36
    return pa.StringArray.from_buffers(len(values), pa.py_buffer(ends), pa.py_buffer(text.tobytes()))


def _card(rows: int) -> str:
    files = "".join(
        f"- config_name: {config}\n  data_files:\n  - split: train\n    path: {path}/train-*\n"
        for config, path in (("default", "data"), ("provenance", "provenance"))
    )
    return f"---\nlicense: apache-2.0\nconfigs:\n{files}---\n\n# Made\n\n{rows:,} rows.\n"
