"""How many rows and requests a recipe will make, from its words alone: declared sizes, times samples.

An upper bound, said as such: filters only take away. No engine, no network, no store is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from assets.kinds import GenerationKind
from dagster_project.language.resolved import Recipe, Stage


@dataclass(frozen=True, slots=True)
class Ahead:
    """Rows out by problem_source, and requests; ``is_exact`` while nothing above can reject.

    ``groups``: rows that the nearest generation stage above asked for; a vote over its samples gives one row for each.
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, int] = field(default_factory=dict)
    requests: int | None = None
    is_known: bool = True
    is_exact: bool = True

    @property
    def rows_text(self) -> str:
        """For a table."""
        return self._text(sum(self.rows.values()))

    @property
    def requests_text(self) -> str:
        """For a table; empty for a stage that asks nothing."""
        return "" if self.requests is None else self._text(self.requests)

    def _text(self, number: int) -> str:
        return f"{'=' if self.is_exact else '<='} {number:,}" if self.is_known else "?"


def requests_ahead(recipe: Recipe) -> dict[str, Ahead]:
    """Rows and requests of every stage."""
    found: dict[str, Ahead] = {}
    for stage in recipe.stages.values():
        found[stage.name] = _ahead(recipe, stage, found)
    return found


def _ahead(recipe: Recipe, stage: Stage, found: Mapping[str, Ahead]) -> Ahead:
    if stage.source:
        return _source(recipe, stage)
    main = stage.kind.main_input if isinstance(stage.kind, GenerationKind) else stage.kind.law.input
    above = [found[ref.stage] for ref in stage.inputs.get(main, ())]
    rows, groups = _sum([part.rows for part in above]), _sum([part.groups for part in above])
    is_known = all(part.is_known for part in above)
    is_exact = all(part.is_exact for part in above)
    if isinstance(stage.kind, GenerationKind):
        requests = {source: n * stage.kind.samples(stage.settings, source) for source, n in rows.items()}
        made = rows if stage.kind.law.name == "map" else requests  # one row a row, however often it was asked about
        renamed = {stage.kind.source_out(source): n for source, n in made.items()}
        asked = sum(requests.values())
        asked += stage.kind.trial_requests(stage.settings) if asked else 0
        return Ahead(renamed, rows, asked, is_known, is_exact)
    if stage.kind.law.name == "release":  # rows are files: their number follows from sizes in bytes
        return Ahead({}, {}, None, is_known=False)
    if stage.kind.law.name == "group":
        return Ahead(groups or rows, {}, None, is_known, False)
    most = stage.kind.law.most(stage.settings)
    rows = {source: n * most for source, n in rows.items()}
    limit = getattr(stage.settings, "rows", None)
    if stage.kind.law.name == "split" and isinstance(limit, int) and sum(rows.values()) > limit:
        return Ahead({"": limit}, {}, None, is_known, False)
    return Ahead(rows, groups, None, is_known, is_exact and stage.kind.law.name in ("map", "union"))


def _sum(parts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for source, n in part.items():
            total[source] = total.get(source, 0) + n
    return total


def _source(recipe: Recipe, stage: Stage) -> Ahead:
    assert stage.source is not None
    source = recipe.sources[stage.source]
    take = getattr(stage.settings, "take", None) or (None if source.is_benchmark else recipe.preview_rows)
    count = source.rows
    if count is None:
        return Ahead({source.name: take or 0}, is_known=take is not None, is_exact=False)
    return Ahead({source.name: min(count, take or count)})
