"""Outcomes without a store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dagster_project.running.outcome import CheckResult, Outcome, RequestCounts


class Rows:
    """As much of a version as a terminal asks for."""

    def __init__(self, rows: int, facts: Mapping[str, Any]) -> None:
        self._rows = rows
        self.facts = facts

    def row_count(self, _table: str = "rows") -> int:
        return self._rows


@pytest.fixture
def outcome() -> Callable[..., Outcome]:
    def make(
        stage: str = "solutions", rows: int = 180, passed: int = 2, warned: int = 0, facts: Any = None, **others: Any
    ) -> Outcome:
        checks = [CheckResult(f"c{i}", i >= warned, False, "") for i in range(passed + warned)]
        fields: dict[str, Any] = {
            "stage": stage,
            "kind": "generation.sample",
            "state": "built",
            "version": Rows(rows, facts or {}),
            "fingerprint": "f",
            "funnel": {"main": "problems", "rows_in": {"problems": 60, "votes": 5}, "rows_out": rows, "rejected": {}},
            "checks": checks,
            "requests": RequestCounts(),
            "seconds": 25.6,
            "peak_mb": 285.0,
        }
        return Outcome(**{**fields, **others})

    return make
