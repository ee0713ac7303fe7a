"""What differs between two releases, as plain data: the changelog, the terminal and the UI are written from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["added", "removed", "changed"]
Cause = Literal["seed", "prompt", "model", "sampling", "vote", "filter", "split", "code", "unknown"]
"""Why a row came, went or changed: the first stage, upstream first, where the two releases part."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Counts of one split. old = removed + changed + same; new = added + changed + same."""

    old: int
    new: int
    added: int
    removed: int
    changed: int
    same: int


@dataclass(frozen=True, slots=True)
class Line:
    """``rows`` rows of one split that changed in one way, for one cause. The lines of a split and kind add up."""

    split: str
    kind: Kind
    source: str
    """``problem_source`` of the rows."""
    cause: Cause
    detail: str
    """In a few words: the stage, and the rule or setting (``checked: no_answer``). May hold hostile text."""
    rows: int


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure of both, e.g. ``mean votes``; None where one has no such figure."""

    name: str
    old: float | None
    new: float | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One row as an example. Texts are cut, and hostile."""

    split: str
    kind: Kind
    row_id: str
    """``solution_id``, as `mathloom why` takes it."""
    source: str
    cause: Cause
    detail: str
    problem: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """A column, config or split that came, went or means something else."""

    config: str
    what: str
    """In words: ``column votes: int32 became int64``."""
    is_breaking: bool
    """Whether code that reads the old release can fail, or read something else, with the new one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """From ``old`` to ``new`` (names of releases, as a person wrote them)."""

    old: str
    new: str
    splits: Mapping[str, Rows]
    lines: Sequence[Line] = ()
    metrics: Sequence[Metric] = ()
    samples: Sequence[Sample] = ()
    schema: Sequence[SchemaChange] = ()
    recipe: Sequence[str] = ()
    """What changed in the making, in words: ``stage checked: settings (min_solution_characters)``, ``source gsm8k``."""
    is_exact: bool = True
    """Whether causes were looked up in the store; else they are told from the two releases alone."""
    other_configs: Mapping[str, Rows] = field(default_factory=dict)
    """Config -> rows of configs beside the data (the contamination report), compared as sets of rows."""

    @property
    def has_changed_rows(self) -> bool:
        """Whether any row came, went or changed."""
        every = [*self.splits.values(), *self.other_configs.values()]
        return any(rows.added or rows.removed or rows.changed for rows in every)
