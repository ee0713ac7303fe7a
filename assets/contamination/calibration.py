"""Pairs of problems of our own that every judge is tried with before it is trusted: half the same, half near misses.

The same: other names, another order of sentences, other words for the quantities, another spelling of a formula or a
unit. Near misses: another number, another question about the same facts, another operation, a condition more or less.
They stand in ``calibration.jsonl``. A changed pair changes what is asked: the version of the judge goes up with it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pyarrow as pa

from assets.schemas import ID, PAIR, problem_id, table_of
from resources.identity import digest128

BENCHMARK = "calibration"
"""What stands for a benchmark's name in these rows."""

FILE = Path(__file__).with_name("calibration.jsonl")

CALIBRATED = pa.schema(
    [
        pa.field("pair_id", ID, nullable=False, metadata={"description": "Hash of both texts."}),
        pa.field("problem", pa.string(), nullable=False, metadata={"description": "The first of the two problems."}),
        pa.field("other", pa.string(), nullable=False, metadata={"description": "The second."}),
        pa.field("is_same", pa.bool_(), nullable=False, metadata={"description": "What we say."}),
        pa.field("verdict", pa.string(), nullable=False, metadata={"description": "What the judge says."}),
        pa.field("is_right", pa.bool_(), metadata={"description": "Whether both agree; null without a verdict."}),
    ]
)
"""What a judge says of our pairs. Grain ``pair_id``."""


@dataclass(frozen=True, slots=True)
class Known:
    """A pair of which we know whether it is the same problem twice."""

    problem: str
    other: str
    is_same: bool

    @property
    def pair_id(self) -> bytes:
        """Hash of both texts."""
        return digest128("judge-trial", self.problem, self.other)


@cache
def known_pairs() -> Sequence[Known]:
    """All pairs, in an order that tells nothing about them."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return sorted((Known(**json.loads(line)) for line in lines), key=lambda pair: pair.pair_id)


def calibration_rows() -> pa.Table:
    """All pairs as rows of PAIR, as the judge reads them."""
    rows = [
        {
            "pair_id": pair.pair_id,
            "problem_id": problem_id(pair.problem),
            "benchmark_id": problem_id(pair.other),
            "problem": pair.problem,
            "benchmark_problem": pair.other,
            "benchmark": BENCHMARK,
            "similarity": 0.0,
        }
        for pair in known_pairs()
    ]
    return table_of(PAIR, rows)
