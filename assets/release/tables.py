"""Columns of a released dataset, of what the release stage reads, and of its own list of files."""

from __future__ import annotations

import pyarrow as pa

from assets.schemas import EXPECTED, ID, SOLUTION

DATA = pa.schema(
    [
        pa.field("problem", pa.string()),
        pa.field("generated_solution", pa.string()),
        pa.field("expected_answer", pa.string()),
        pa.field("problem_source", pa.string()),
    ]
)
"""The default config: exactly the four columns of OpenMathInstruct-2, so that its users change nothing but the name."""

PROVENANCE = pa.schema(
    [
        ("solution_id", pa.string()),
        ("problem_id", pa.string()),
        ("parent_id", pa.string()),
        ("seed_problem_id", pa.string()),
        ("seed_source", pa.string()),
        ("seed_row", pa.int64()),
        ("k", pa.int32()),
        ("rank", pa.int64()),
        ("sample_index", pa.int32()),
        ("votes", pa.int32()),
        ("n_valid", pa.int32()),
        ("answer", pa.string()),
        ("request_key", pa.string()),
        ("text_hash", pa.string()),
        ("stage", pa.string()),
        ("role", pa.string()),
        ("model", pa.string()),
        ("weights", pa.string()),
        ("prompts", pa.string()),
        ("sampling", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("is_trimmed", pa.bool_()),
        ("is_rewritten", pa.bool_()),
        ("finish_reason", pa.string()),
        ("prompt_tokens", pa.int32()),
        ("completion_tokens", pa.int32()),
        ("tokens", pa.int32()),
    ]
)
"""The provenance config: row i belongs to row i of the same split of the default config. Ids are text, as `mathloom
why` takes them and as every reader of Parquet can show them."""

SPLIT = pa.schema([("solution_id", ID), ("problem_id", ID), ("k", pa.int32()), ("rank", pa.int64())])
"""Rows of one split; ``rank`` is the order of the release."""

GRADED = SOLUTION.append(pa.field("answer", pa.string())).append(pa.field("expected_answer", pa.string()))
"""Solutions that were found right."""

TEXTS = pa.schema(
    [
        ("solution_id", ID),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("rewritten", pa.string()),
        ("final_text_hash", ID),
        ("tokens", pa.int32()),
        ("is_trimmed", pa.bool_()),
        ("is_rewritten", pa.bool_()),
    ]
)
"""What of each completion is released: ``[start, end)`` in code points, or the rewritten text."""

VOTED = EXPECTED
"""Expected answers; columns ``votes`` and ``n_valid`` are read where a part has them."""

FILES = pa.schema(
    [
        pa.field("split", pa.string(), nullable=False, metadata={"description": "The split that reads the file."}),
        pa.field("config", pa.string(), nullable=False, metadata={"description": "default, provenance, ..."}),
        pa.field("path", pa.string(), nullable=False, metadata={"description": "Path inside the release folder."}),
        pa.field("row_count", pa.int64(), nullable=False, metadata={"description": "Rows of the file."}),
        pa.field("bytes", pa.int64(), nullable=False, metadata={"description": "Size of the file."}),
        pa.field("sha256", pa.string(), nullable=False, metadata={"description": "Hash of the file."}),
    ]
)
"""What a release holds: grain ``(config, split, path)``; a file that two splits share has a row for each."""
