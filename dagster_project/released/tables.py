"""A difference as a person reads it in a terminal: bounded, and with all text of others made printable."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from assets.release.difference import Difference, Line, Metric, Rows, Sample
from dagster_project.terminal.words import cell

MAX_LINES = 40
"""Lines of causes that are shown; the JSON has all."""

MAX_ITEMS = 20
"""Lines of the recipe and of the schema that are shown."""

MAX_TEXT = 170
"""Characters of a text of a row."""

_SIGNS = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}


def difference_parts(difference: Difference) -> Iterator[RenderableType]:
    """What to print, in order."""
    yield Text(f"{cell(difference.old)} \u2192 {cell(difference.new)}", style="bold")
    yield _rows({**difference.splits, **{f"({name})": rows for name, rows in difference.other_configs.items()}})
    if difference.lines:
        yield Text("\nWhy rows differ", style="bold")
        yield _lines(difference.lines)
        yield Text(_how_known(is_exact=difference.is_exact), style="dim")
    yield from _list("What was made otherwise", difference.recipe)
    breaking = [f"{c.config}: {c.what}{' (breaks readers)' if c.is_breaking else ''}" for c in difference.schema]
    yield from _list("Columns, configs and splits", breaking)
    changed = [metric for metric in difference.metrics if metric.old != metric.new]
    if changed:
        yield Text("\nFigures that differ", style="bold")
        yield _metrics(changed)
    if difference.samples:
        yield Text("\nExamples", style="bold")
        for sample in difference.samples:
            yield from _sample(sample)


def _how_known(*, is_exact: bool) -> str:
    if is_exact:
        return "Causes were looked up in the stages of both builds: the first stage at which a row parts."
    return "Causes are told from the two releases alone: the stages of both are not in a store at hand."


def _rows(splits: dict[str, Rows]) -> Table:
    table = _table(
        ("split", "left"), *((name, "right") for name in ("before", "now", "added", "removed", "changed", "same"))
    )
    for name, rows in splits.items():
        counts = [
            Text(f"{rows.old:,}"),
            Text(f"{rows.new:,}"),
            Text(f"{rows.added:,}", style="green" if rows.added else "dim"),
            Text(f"{rows.removed:,}", style="red" if rows.removed else "dim"),
            Text(f"{rows.changed:,}", style="yellow" if rows.changed else "dim"),
            Text(f"{rows.same:,}"),
        ]
        table.add_row(Text(cell(name, 40)), *counts)
    return table


def _lines(lines: Sequence[Line]) -> Table:
    table = _table(
        ("split", "left"), ("", "left"), ("rows", "right"), ("cause", "left"), ("where", "left"), ("source", "left")
    )
    splits = list(dict.fromkeys(line.split for line in lines))
    ordered = sorted(lines, key=lambda line: (splits.index(line.split), line.kind, -line.rows, line.detail))
    for line in ordered[:MAX_LINES]:
        sign, style = _SIGNS[line.kind]
        table.add_row(
            Text(cell(line.split, 30)),
            Text(f"{sign} {line.kind}", style=style),
            Text(f"{line.rows:,}"),
            Text(line.cause),
            Text(cell(line.detail, 90)),
            Text(cell(line.source, 30)),
        )
    if len(ordered) > MAX_LINES:
        rest = ordered[MAX_LINES:]
        table.add_row(
            Text("\u2026"), Text(""), Text(f"{sum(line.rows for line in rest):,}"), Text(f"{len(rest)} more: --json")
        )
    return table


def _list(title: str, items: Sequence[str]) -> Iterator[RenderableType]:
    if items:
        yield Text(f"\n{title}", style="bold")
        yield from (Text(f"  {cell(item, 200)}") for item in items[:MAX_ITEMS])
        if len(items) > MAX_ITEMS:
            yield Text(f"  \u2026 {len(items) - MAX_ITEMS} more: --json", style="dim")


def _metrics(metrics: Sequence[Metric]) -> Table:
    table = _table(("", "left"), ("before", "right"), ("now", "right"))
    for metric in metrics[:MAX_ITEMS]:
        table.add_row(Text(cell(metric.name, 60)), Text(_figure(metric.old)), Text(_figure(metric.new)))
    return table


def _figure(value: float | None) -> str:
    if value is None:
        return "\u2013"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"


def _sample(sample: Sample) -> Iterator[Text]:
    sign, style = _SIGNS[sample.kind]
    cause = f"{sample.cause} ({sample.detail})" if sample.detail else sample.cause
    head = f"{sign} {cell(sample.row_id, 60)}  {cell(sample.split, 30)}  {cell(sample.source, 30)}  {cell(cause, 90)}"
    yield Text(head, style=style)
    yield Text(f"    problem  {cell(sample.problem, MAX_TEXT)}")
    if sample.old is not None:
        yield Text(f"    before   {cell(sample.old, MAX_TEXT)}")
    if sample.new is not None:
        yield Text(f"    now      {cell(sample.new, MAX_TEXT)}")


def _table(*columns: tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", expand=False)
    for name, justify in columns:
        table.add_column(Text(name), justify="right" if justify == "right" else "left", overflow="fold")
    return table
