"""Row schemas: every column that passes between stages is named and typed here, once.

Also the ids of rows (DESIGN: identity). Ids are 16 bytes, stored as the Arrow/Parquet UUID type: DuckDB then joins
them as 128-bit integers, and prints them as text.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from resources.identity import digest128

ID = pa.uuid()


def _schema(*fields: tuple[str, pa.DataType, bool, str]) -> pa.Schema:
    return pa.schema([pa.field(n, t, nullable=null, metadata={"description": text}) for n, t, null, text in fields])


PROBLEM = _schema(
    ("problem_id", ID, False, "Hash of the problem text (NFC, outer space trimmed)."),
    ("problem", pa.string(), False, "The problem, as the model reads it."),
    ("expected_answer", pa.string(), True, "Ground truth of a seed; null until a vote has decided."),
    ("reference_solution", pa.string(), True, "The source's own solution, where it has one."),
    ("problem_source", pa.string(), False, "Where the problem comes from: the source, or augmented_<source>."),
    ("level", pa.string(), True, "Difficulty level of the source, as written there."),
    ("type", pa.string(), True, "Subject of the source, as written there."),
)
"""Problems: grain ``problem_id``. Seeds and generated problems share it."""

GENERATED_PROBLEM = PROBLEM.append(
    pa.field("parent_id", ID, nullable=False, metadata={"description": "problem_id of the problem it was made from."})
).append(
    pa.field("request_key", ID, nullable=False, metadata={"description": "The request whose completion holds it."})
)
"""Problems read out of completions, before duplicates are removed: grain ``request_key``."""

EDGE = _schema(
    ("child_id", ID, False, "The row that was made."),
    ("parent_id", ID, False, "The row it was made from (a problem, or a seed row of a source)."),
    ("relation", pa.string(), False, "How: seed, augmented, solved, ..."),
    ("request_key", ID, True, "The request that made it; null when no model was asked."),
    ("source", pa.string(), True, "Source name of a seed row."),
    ("source_row", pa.int64(), True, "Row of the source, counted from 0, in the source's own order."),
    ("expected_answer", pa.string(), True, "The answer that this parent gives, where parents can differ."),
)
"""Lineage: grain ``(child_id, parent_id, relation, request_key)``."""

SOLUTION = _schema(
    ("solution_id", ID, False, "Hash of problem_id and request_key."),
    ("problem_id", ID, False, "The problem it answers."),
    ("request_key", ID, False, "The request whose completion is its text."),
    ("text_hash", ID, False, "Hash of the completion's text: the text itself stays in the request store."),
    ("problem_source", pa.string(), False, "problem_source of its problem."),
    ("sample_index", pa.int32(), False, "Which of the samples asked for, from 0."),
    ("finish_reason", pa.string(), False, "stop or length."),
    ("prompt_tokens", pa.int32(), True, "Tokens of the prompt, as the engine counted them."),
    ("completion_tokens", pa.int32(), True, "Tokens of the completion, as the engine counted them."),
    ("stage", pa.string(), False, "The stage that asked, for provenance."),
)
"""Solutions: grain ``solution_id``. No text: it is written once as a completion and once in the release."""

ANSWER = _schema(
    ("solution_id", ID, False, "The solution that was read."),
    ("problem_id", ID, False, "The problem it answers."),
    ("sample_index", pa.int32(), False, "Which of the samples, from 0."),
    ("answer", pa.string(), True, "What its last balanced box holds, or its last line says; null if there is none."),
    ("answer_key", pa.string(), True, "Canonical key: equal keys are equal answers. Null without an answer."),
    ("answer_status", pa.string(), False, "decided, undecided, or the reason why there is no answer."),
)
"""Answers read out of solutions: grain ``solution_id``."""

CLUSTERED = _schema(
    ("problem_id", ID, False, "The problem."),
    ("members", pa.int64(), False, "All its solutions."),
    ("n_valid", pa.int64(), False, "Of them, those with an answer."),
    ("keys", pa.int32(), False, "Distinct keys of their answers."),
    ("clusters", pa.int32(), False, "Keys that are left as answers of their own."),
    ("undecided", pa.int32(), False, "Keys that say only how an answer is spelled."),
    ("decimals", pa.int32(), False, "Keys of rounded decimals that joined the number they stand for."),
    ("symbolic", pa.int32(), False, "Keys that joined another by a verdict of the symbolic step."),
    ("pairs", pa.int32(), False, "Pairs of keys whose verdict can matter."),
    ("unknown", pa.int32(), False, "Of them, those without a verdict: too hard, too slow, or the budget was spent."),
    ("surface_agrees", pa.bool_(), True, "Whether a vote of raw texts has the same winner; null without answers."),
)
"""What became of the keys of each problem. Grain ``problem_id``."""

CLUSTER = _schema(
    ("problem_id", ID, False, "The problem."),
    ("answer_key", pa.string(), False, "A key of its answers."),
    ("cluster_key", pa.string(), False, "The key that it counts as."),
    ("how", pa.string(), False, "decimal (a rounded number), or symbolic (a verdict)."),
)
"""Keys that count as another key of their problem; all others are themselves. Grain ``(problem_id, answer_key)``."""

EXPECTED = _schema(
    ("problem_id", ID, False, "The problem."),
    ("expected_answer", pa.string(), False, "The answer that counts as right, as it is spelled."),
    ("expected_key", pa.string(), False, "Its canonical key."),
)
"""The right answer of each problem: ground truth of seeds, the vote's winner for new ones. Grain ``problem_id``."""

BENCHMARK = _schema(
    ("benchmark_id", ID, False, "Hash of the problem text, as problem_id is: equal ids are exact copies."),
    ("problem", pa.string(), False, "The problem, as the benchmark gives it."),
    ("benchmark", pa.string(), False, "The benchmark's name in the recipe."),
    ("row", pa.int64(), False, "Row of the benchmark, counted from 0, in its own order."),
)
"""Problems that a model is tested with, and that training data must not hold. Grain ``benchmark_id``."""

OVERLAP = _schema(
    ("problem_id", ID, False, "The problem."),
    ("is_exact", pa.bool_(), False, "Whether it has all words of a benchmark problem, in order, and no other."),
    ("longest", pa.int32(), False, "Largest of the sizes 8, 10, 13, 30 (words) of a shared n-gram; 0 if none."),
    ("benchmark_id", ID, True, "The benchmark problem that it shares most with; null if it shares nothing."),
    ("benchmark", pa.string(), True, "The benchmark of that problem."),
    ("shared", pa.string(), True, "The longest run of words that both have, cut at 300 characters."),
)
"""What words each problem shares with benchmarks. Grain ``problem_id``, one row for every problem."""

NEIGHBOUR = _schema(
    ("problem_id", ID, False, "The problem."),
    ("benchmark_ids", pa.list_(ID), False, "The most similar benchmark problems, best first."),
    ("benchmarks", pa.list_(pa.string()), False, "The benchmark of each."),
    ("similarities", pa.list_(pa.float32()), False, "Cosine similarity of each, -1 to 1."),
)
"""The benchmark problems nearest to each problem. Grain ``problem_id``, one row for every problem."""

PAIR = _schema(
    ("pair_id", ID, False, "Hash of both ids."),
    ("problem_id", ID, False, "The problem."),
    ("benchmark_id", ID, False, "The benchmark problem that it may be a copy of."),
    ("problem", pa.string(), False, "Text of the problem."),
    ("benchmark_problem", pa.string(), False, "Text of the benchmark problem."),
    ("benchmark", pa.string(), False, "The benchmark."),
    ("similarity", pa.float32(), False, "Their cosine similarity, -1 to 1."),
)
"""Pairs of problems that a judge reads. Grain ``pair_id``."""

JUDGED = _schema(
    ("pair_id", ID, False, "The pair."),
    ("problem_id", ID, False, "The problem."),
    ("benchmark_id", ID, False, "The benchmark problem."),
    ("verdict_forward", pa.string(), False, "true, false or none: asked with the problem first."),
    ("verdict_backward", pa.string(), False, "true, false or none: asked with the benchmark problem first."),
    ("verdict", pa.string(), False, "contaminated, clean, or no verdict."),
)
"""What the judge says of each pair. Grain ``pair_id``."""

MATCH = _schema(
    ("split", pa.string(), False, "removed (new problems that left) or seeds (seed problems, which stay)."),
    ("problem_id", ID, False, "The problem."),
    ("problem", pa.string(), False, "Its text."),
    ("problem_source", pa.string(), False, "Where it comes from."),
    ("rule", pa.string(), False, "What decided: exact match, n-gram, similar, judged contaminated, no verdict."),
    ("benchmark", pa.string(), True, "The benchmark that has it; of several the first declared."),
    ("benchmark_row", pa.int64(), True, "Row of that benchmark, from 0."),
    ("benchmark_id", ID, True, "The benchmark problem."),
    ("benchmark_problem", pa.string(), True, "Its text."),
    (
        "longest",
        pa.int32(),
        False,
        "Largest of the sizes 8, 10, 13, 30 (words) of an n-gram shared with any benchmark.",
    ),
    ("shared", pa.string(), True, "Longest run of words shared with any benchmark problem, cut at 300 characters."),
    ("similarity", pa.float64(), True, "Cosine similarity to the benchmark problem, if it is among the nearest."),
    ("verdict_forward", pa.string(), True, "true, false or none: the judge, asked with the problem first."),
    ("verdict_backward", pa.string(), True, "true, false or none: asked with the benchmark problem first."),
    (
        "solutions",
        pa.int64(),
        False,
        "Solutions of it that exist; 0 where problems are compared before they are solved.",
    ),
)
"""Problems that a benchmark has too, each with the benchmark problem. Grain ``(split, problem_id)``."""

FIGURE = _schema(
    ("figure", pa.string(), False, "What is counted."),
    ("benchmark", pa.string(), True, "Of which benchmark; null: of all."),
    ("problem_source", pa.string(), True, "Of problems from where; null: of all."),
    ("bound", pa.string(), True, "Size of the n-gram, or the lower end of the similarity."),
    ("outcome", pa.string(), True, "Rule, or verdict."),
    ("count", pa.int64(), False, "How many."),
    ("share", pa.float64(), True, "As a share of what the figure is about, 0 to 1."),
)
"""Counts of a comparison with benchmarks. Grain: all columns but the last two."""

REJECT = _schema(
    ("id", ID, False, "Id of the row that left (solution_id, problem_id, request_key or seed row id)."),
    ("rule", pa.string(), False, "The rule that rejected it: one line of the funnel."),
    ("reason", pa.string(), False, "Why, in words."),
    ("detail", pa.string(), True, "The piece of text or number that decided, at most 300 characters."),
)
"""Rows that left at a stage: grain ``id``. Each input row is either in ``rows`` or here."""

REQUEST = _schema(
    ("request_key", ID, False, "The request."),
    ("row_id", ID, False, "The input row that asked."),
    ("slot", pa.string(), False, "Which of a row's prompts (judges ask in two orders, for one)."),
    ("sample_index", pa.int32(), False, "Which of the samples, from 0."),
    ("status", pa.string(), False, "completed, failed (will be asked again) or rejected (never again)."),
    ("reason", pa.string(), True, "Why it failed or was rejected."),
)
"""The ledger of a generation stage: grain ``(row_id, slot, sample_index)``."""

COMPLETED = _schema(
    *((f.name, f.type, f.nullable, (f.metadata or {}).get(b"description", b"").decode()) for f in REQUEST),
    ("text", pa.string(), True, "The completion; null unless the kind reads text."),
    ("text_hash", ID, True, "Hash of the text."),
    ("finish_reason", pa.string(), True, "stop or length."),
    ("prompt_tokens", pa.int32(), True, "Tokens of the prompt."),
    ("completion_tokens", pa.int32(), True, "Tokens of the completion."),
)
"""What a generation kind is shown of the requests of its rows, failed ones included."""

SHAPES: Mapping[str, frozenset[str]] = {
    "pairs": frozenset({"pair_id", "benchmark_problem"}),
    "matches": frozenset({"problem", "rule", "benchmark_problem"}),
    "figures": frozenset({"figure", "count", "share"}),
    "benchmarks": frozenset({"benchmark_id", "problem", "benchmark", "row"}),
    "overlaps": frozenset({"problem_id", "longest", "is_exact"}),
    "neighbours": frozenset({"problem_id", "benchmark_ids", "similarities"}),
    "judged": frozenset({"problem_id", "benchmark_id", "verdict"}),
    "expected": frozenset({"problem_id", "expected_answer", "expected_key"}),
    "answers": frozenset({"solution_id", "answer", "answer_status"}),
    "solutions": frozenset({"solution_id", "problem_id", "request_key", "sample_index"}),
    "problems": frozenset({"problem_id", "problem", "problem_source"}),
    "edges": frozenset({"child_id", "parent_id", "relation"}),
    "rejects": frozenset({"id", "rule", "reason"}),
}
"""What a table is -> columns that it has. The first that fits counts."""


def shape_of(columns: Iterable[str]) -> str | None:
    """What a table with these columns is: a key of :data:`SHAPES`, or None."""
    names = frozenset(columns)
    return next((shape for shape, needed in SHAPES.items() if needed <= names), None)


MAX_DETAIL = 300
"""Longest ``detail`` of a reject, in characters: enough to see the cause, small enough for millions of rejects."""


def clip(text: str) -> str:
    """``text`` short enough for a reject's detail, and valid Unicode whatever it was."""
    return text[:MAX_DETAIL].encode("utf-8", "replace").decode()


def normalise_problem(text: str) -> str:
    """The text that names a problem: Unicode NFC, outer white space removed."""
    return unicodedata.normalize("NFC", text).strip()


def problem_id(text: str) -> bytes:
    """Id of a problem: the same text is the same problem, whatever it comes from."""
    return digest128("problem", normalise_problem(text))


def solution_id(problem: bytes, request_key: bytes) -> bytes:
    """Id of a solution: one problem answered by one request."""
    return digest128("solution", problem, request_key)


def seed_row_id(source: str, row: int) -> bytes:
    """Id of row ``row`` (from 0) of the source named ``source``; names rows that hold no problem at all."""
    return digest128("seed-row", source, str(row))


def table_of(schema: pa.Schema, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Rows as a table of ``schema``; ids are given as 16 bytes. Absent keys are null."""
    columns = []
    for field in schema:
        values = [row.get(field.name) for row in rows]
        columns.append(id_array(values) if field.type == ID else pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def id_array(values: Sequence[bytes | None]) -> pa.Array:
    """16-byte values as an Arrow UUID column."""
    return pa.ExtensionArray.from_storage(ID, pa.array(values, pa.binary(16)))
