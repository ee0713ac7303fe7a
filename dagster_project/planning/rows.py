"""How many rows each stage will have: counted where its version is known, else estimated from what is above it.

An estimate goes down the graph by the laws of the kinds: a filter takes some away, a vote gives one row a problem, a
map keeps all. How many it takes away comes from earlier builds (``yields``); without any, between none and all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.dataset as ds

from assets.kinds import GenerationKind
from dagster_project.language.resolved import Stage
from dagster_project.planning.plan import Figure, estimated, known, unknown
from dagster_project.planning.yields import Yields, main_parents
from dagster_project.running.workspace import Workspace
from resources.errors import MathloomError
from resources.sources.files import read_file
from resources.store import Version

COUNTED_BYTES = 64 << 20
"""Largest seed file whose rows are counted for a plan (a second or two); larger ones are as long as declared."""

DECLARED = "declared sizes"

Range = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one stage, lowest and highest, by ``problem_source`` ("": not told apart)."""

    by_source: Mapping[str, Range] = field(default_factory=dict)
    groups: Range = (0.0, 0.0)
    """Rows that the nearest generation stage above asked for: a vote over its samples gives one row for each."""
    is_known: bool = False
    """Counted in a version; then low and high are equal."""
    sources: tuple[str, ...] = ()
    """Where estimates are from."""
    gap: str = ""
    """Why nothing can be said."""

    @property
    def low(self) -> float:
        """Of all sources."""
        return sum(low for low, _ in self.by_source.values())

    @property
    def high(self) -> float:
        """Of all sources."""
        return sum(high for _, high in self.by_source.values())

    @property
    def figure(self) -> Figure:
        """As a number of the plan."""
        if self.gap:
            return unknown(self.gap)
        if self.is_known:
            return known(self.low)
        return estimated(self.low, self.high, "; ".join(self.sources))


def added(parts: Sequence[Rows]) -> Rows:
    """All rows of several stages."""
    by_source: dict[str, Range] = {}
    for part in parts:
        for source, (low, high) in part.by_source.items():
            before = by_source.get(source, (0.0, 0.0))
            by_source[source] = (before[0] + low, before[1] + high)
    return Rows(
        by_source,
        (sum(part.groups[0] for part in parts), sum(part.groups[1] for part in parts)),
        all(part.is_known for part in parts),
        tuple(dict.fromkeys(word for part in parts for word in part.sources)),
        next((part.gap for part in parts if part.gap), ""),
    )


class Estimates:
    """Rows of the stages of one recipe, found upstream first: each needs those above it."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._yields = Yields(workspace)
        self._found: dict[str, Rows] = {}

    def rows_in(self, stage: Stage) -> Rows:
        """Rows of its main input."""
        return added([self._found[parent] for parent in main_parents(stage)])

    def count(self, stage: Stage, version: Version, *, by_source: bool) -> None:
        """``stage`` has a version. ``by_source``: look into its rows, because a stage below needs to know."""
        total = version.row_count()
        split: Mapping[str, int] = _sources(version) if by_source else {"": total}
        rows_in = self.rows_in(stage)
        groups = (rows_in.low, rows_in.high) if stage.is_generation else rows_in.groups
        self._found[stage.name] = Rows({name: (n, n) for name, n in split.items()}, groups, is_known=True)

    def after_generation(self, stage: Stage, asked: Rows) -> None:
        """``stage`` will ask for so many samples; ``asked`` has the sources of its input."""
        assert isinstance(stage.kind, GenerationKind)
        rows_in = self.rows_in(stage)
        made = rows_in if stage.kind.law.name == "map" and not asked.gap else asked
        renamed = {stage.kind.source_out(name) if name else name: n for name, n in made.by_source.items()}
        groups = (rows_in.low, rows_in.high)
        found = Rows(renamed, groups, False, asked.sources, asked.gap)
        self._found[stage.name] = self._passed(stage, found)

    def estimate(self, stage: Stage) -> None:
        """``stage`` is a table that is not built."""
        law = stage.kind.law.name
        if stage.source:
            self._found[stage.name] = self._source(stage)
            return
        rows = self.rows_in(stage)
        rows = replace(rows, is_known=False)
        if law == "release":  # its rows are files
            self._found[stage.name] = Rows(gap="rows of a release are files")
        elif law in ("map", "union"):
            self._found[stage.name] = rows
        elif law == "group":
            self._found[stage.name] = self._passed(stage, replace(rows, by_source=_shared(rows, rows.groups)))
        elif law == "split":
            self._found[stage.name] = _cut(rows, getattr(stage.settings, "rows", None))
        else:
            self._found[stage.name] = self._passed(stage, rows)

    def _passed(self, stage: Stage, rows: Rows) -> Rows:
        """What is left of ``rows`` after a stage that takes some away, or makes several of one."""
        most = stage.kind.law.most(stage.settings)
        seen = None if rows.gap else self._yields.of(stage)
        low, high, source = (seen.low, seen.high, seen.source) if seen else (0.0, 1.0, "")
        left = {name: (a * low * most, b * high * most) for name, (a, b) in rows.by_source.items()}
        sources = dict.fromkeys([*rows.sources, *([source] if source else [])])
        return replace(rows, by_source=left, is_known=False, sources=tuple(sources))

    def _source(self, stage: Stage) -> Rows:
        assert stage.source is not None
        recipe = self._workspace.recipe
        source = recipe.sources[stage.source]
        count, words = self._source_rows(stage)
        preview = None if source.is_benchmark else recipe.preview_rows
        takes = [n for n in (getattr(stage.settings, "take", None), preview) if n]
        most = min([n for n in (count, *takes) if n is not None], default=None)
        if most is None:
            return Rows(gap=f"the source {source.name!r} declares no `rows`")
        return Rows({source.name: (most, most)}, sources=(words,))

    def _source_rows(self, stage: Stage) -> tuple[int | None, str]:
        """Rows of the source: counted in a small file, else as recipe.lock or the recipe says, else as before."""
        assert stage.source is not None
        spec = self._workspace.source_spec(stage.source)
        if spec.file is not None and _size(spec.file) <= COUNTED_BYTES:
            try:
                return sum(1 for _ in read_file(spec.file, (), ())), "rows of the source"
            except MathloomError:  # an unreadable file: the build will say so
                pass
        locked = None if spec.file else _locked_rows(self._workspace, stage.source)
        declared = locked or self._workspace.recipe.sources[stage.source].rows
        if declared is not None:
            return declared, "recipe.lock" if locked else DECLARED
        before = self._yields.own.version(stage.name)
        return (before.row_count(), "the version before") if before else (None, DECLARED)


def _shared(rows: Rows, total: Range) -> dict[str, Range]:
    """``total`` shared among the sources of ``rows`` as their rows are."""
    if not rows.high or total == (0.0, 0.0):
        return dict(rows.by_source)
    total = (min(total[0], rows.low), min(total[1], rows.high))
    return {
        name: (total[0] * (low / rows.low if rows.low else 0.0), total[1] * high / rows.high)
        for name, (low, high) in rows.by_source.items()
    }


def _cut(rows: Rows, limit: object) -> Rows:
    if not isinstance(limit, int):
        return rows
    total = (min(rows.low, limit), min(rows.high, limit))
    return replace(rows, by_source=_shared(rows, total))


def _locked_rows(workspace: Workspace, source: str) -> int | None:
    try:
        return workspace.pin(source).rows
    except MathloomError:  # not in recipe.lock: said where the stage's state is told
        return None


def _size(file: Path) -> float:
    try:
        return file.stat().st_size
    except OSError:
        return float("inf")


def _sources(version: Version) -> dict[str, int]:
    """Rows by problem_source; reads that one column."""
    if "problem_source" not in version.schema().names:
        return {"": version.row_count()}
    data = ds.dataset([str(path) for path in version.paths()], schema=version.schema(), format="parquet")
    total: dict[str, int] = {}
    for batch in data.to_batches(columns=["problem_source"]):
        for item in pc.call_function("value_counts", [batch.column(0)]).to_pylist():
            name = item["values"] or ""
            total[name] = total.get(name, 0) + item["counts"]
    return total
