"""The schemas of rows, for kinds of one's own. They live, with a description a column, in ``assets.schemas``."""

from assets.schemas import (
    ANSWER,
    CLUSTER,
    CLUSTERED,
    COMPLETED,
    EDGE,
    EXPECTED,
    GENERATED_PROBLEM,
    ID,
    PROBLEM,
    REJECT,
    REQUEST,
    SOLUTION,
    id_array,
    problem_id,
    solution_id,
    table_of,
)

__all__ = [
    "ANSWER",
    "CLUSTER",
    "CLUSTERED",
    "COMPLETED",
    "EDGE",
    "EXPECTED",
    "GENERATED_PROBLEM",
    "ID",
    "PROBLEM",
    "REJECT",
    "REQUEST",
    "SOLUTION",
    "id_array",
    "problem_id",
    "solution_id",
    "table_of",
]
