"""A plan for a person: which stages and why, one line a generation stage, the sum, the limits. Numbers are short.

``=`` counted, ``~`` estimated, ``<=`` at most, ``>=`` at least, ``?`` unknown. Everything fits into 120 columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dagster_project.planning.plan import Figure, Limit, Plan, StagePlan
from dagster_project.terminal.words import amount, cell, compact, short

WIDTH = 120
"""Columns without a terminal, and the most that the tables need."""

LEGEND = "= counted, ~ or a range estimated, <= at most, >= at least, ? unknown"

MAX_NAMED = 12
"""Stages named in one line of reasons; more are counted."""

EXACT = 10_000_000
"""Counted numbers are written out below this."""


def written(figure: Figure, unit: Callable[[float], str] = short) -> str:
    """A figure with the sign of its basis."""
    if figure.low is None:
        return "?"
    if figure.is_known:
        return f"= {figure.low:,.0f}" if unit is short and figure.low < EXACT else f"= {unit(figure.low)}"
    if figure.high is None:
        return f">= {unit(figure.low)}" if figure.low else "?"
    low, high = unit(figure.low), unit(figure.high)
    if low == high:
        return f"~ {high}"
    return f"{_bare(low, high)}-{high}" if figure.low else f"<= {high}"


def render(plan: Plan) -> RenderableType:
    """The whole plan."""
    name = f"{plan.recipe} ({plan.profile})"
    if not plan.changes:
        return _line(f"{name}: nothing to do, all {plan.unchanged} stages are up to date")
    stay = f", {plan.unchanged} to stay as they are" if plan.unchanged else ""
    parts: list[RenderableType] = [_line(f"{name}: {len(plan.changes)} stage(s) to build{stay}", style="bold")]
    parts.append(_reasons(plan))
    if plan.generation:
        parts += [_line(""), generation_table(plan), _line(LEGEND, style="dim"), _line("")]
        parts += [_line(f"  {text}") for text in _sources(plan)]
    parts += [_line(""), _line(total_line(plan), style="bold")]
    parts += [_line(limit_line(limit)) for limit in plan.limits]
    if plan.hint:
        parts += [_line("Exact figures, and nothing asked for them:"), _line(f"  {plan.hint}")]
    parts += [_line(f"warning: {cell(text, 400)}", style="yellow") for text in plan.warnings]
    return Group(*parts)


def render_short(plan: Plan) -> RenderableType:
    """What a build says before it starts: one line a generation stage, the sum, the limits."""
    parts: list[RenderableType] = []
    if plan.generation:
        parts.append(generation_table(plan))
    parts.append(_line(total_line(plan)))
    parts += [_line(limit_line(limit)) for limit in plan.limits]
    parts += [_line(f"warning: {cell(text, 400)}", style="yellow") for text in plan.warnings]
    return Group(*parts)


def generation_table(plan: Plan) -> Table:
    """One line a generation stage. Columns that are empty in every line are left out."""
    columns: list[tuple[str, Callable[[StagePlan], str]]] = [
        ("rows in", lambda s: written(s.rows_in)),
        ("to do", lambda s: written(s.to_do)),
        ("reuse", lambda s: "" if s.reused.is_zero else written(s.reused)),
        ("given up", lambda s: "" if s.given_up.is_zero or not s.given_up.low else written(s.given_up)),
        ("tokens in", lambda s: written(s.tokens_in)),
        ("tokens out", lambda s: written(s.tokens_out)),
        ("time", lambda s: written(s.seconds, compact)),
        ("GPU-h", lambda s: "" if s.gpu_hours.basis == "unknown" else written(s.gpu_hours, amount)),
        ("cost", _cost),
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage", overflow="fold", max_width=24)
    used = [(name, shown) for name, shown in columns if any(shown(stage) for stage in plan.generation)]
    for name, _ in used:
        table.add_column(name, justify="right", overflow="fold", max_width=17)
    for stage in plan.generation:
        table.add_row(cell(stage.stage, 60), *(shown(stage) for _, shown in used))
    return table


def total_line(plan: Plan) -> str:
    """The sum of a plan, in one line."""
    if not plan.generation:
        return "No requests: no engine is started."
    words = [f"{written(plan.to_do)} request(s) to do"]
    if plan.seconds.basis != "unknown":
        words.append(written(plan.seconds, compact))
    if plan.gpu_hours.basis != "unknown":
        words.append(f"{written(plan.gpu_hours, amount)} GPU-hours")
    words += [f"{written(figure, amount)} {currency}" for currency, figure in plan.costs.items()]
    if not plan.costs:
        words.append("no price in the profile")
    return f"In all: {', '.join(words)}."


def limit_line(limit: Limit) -> str:
    """One limit and what the plan needs of it."""
    spent = f", {amount(limit.spent)} spent within 24 hours" if limit.spent else ""
    return f"limit {limit.name} = {limit.limit:g} {limit.unit}: {limit.verdict}{spent}"


def _cost(stage: StagePlan) -> str:
    if stage.price is None:
        return ""
    return f"{written(stage.cost, amount)} {stage.price.currency}"


def _reasons(plan: Plan) -> RenderableType:
    """Stages by reason, in the order of the recipe."""
    by_reason: dict[str, list[str]] = {}
    for change in plan.changes:
        by_reason.setdefault(change.reason, []).append(change.stage)
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold", max_width=56)
    table.add_column(overflow="fold")
    for reason, stages in by_reason.items():
        more = len(stages) - MAX_NAMED
        names = ", ".join(stages[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
        table.add_row(Text(cell(reason, 300)), Text(cell(names, 1000)))
    return Padding(table, (0, 0, 0, 2))


def _sources(plan: Plan) -> Iterator[str]:
    """Where the figures are from: each source once, with the stages that have it."""
    wanted: tuple[tuple[str, Callable[[StagePlan], str]], ...] = (
        ("requests", lambda s: s.to_do.source),
        ("tokens in and out", lambda s: _unless_unknown(s, s.tokens_in) if _is_same(s) else ""),
        ("tokens in", lambda s: "" if _is_same(s) else _unless_unknown(s, s.tokens_in)),
        ("tokens out", lambda s: "" if _is_same(s) else _unless_unknown(s, s.tokens_out)),
        ("time", lambda s: _unless_unknown(s, s.seconds)),
        ("price", _price),
        ("note", lambda s: "; ".join(s.notes)),
    )
    for name, source in wanted:
        found: dict[str, list[str]] = {}
        for stage in plan.generation:
            if words := source(stage):
                found.setdefault(words, []).append(stage.stage)
        for words, stages in found.items():
            whose = "" if len(stages) == len(plan.generation) else f" ({_named(stages)})"
            yield f"{name}: {cell(words, 300)}{whose}"


def _is_same(stage: StagePlan) -> bool:
    return stage.tokens_in.source == stage.tokens_out.source


def _unless_unknown(stage: StagePlan, figure: Figure) -> str:
    """Where ``figure`` is from; nothing where the requests are unknown already, which is said once."""
    return "" if stage.to_do.basis == "unknown" else figure.source


def _price(stage: StagePlan) -> str:
    if stage.price is None:
        return "no price in the profile"
    return stage.cost.source.split(";")[0] if stage.cost.basis == "estimated" else stage.cost.source


def _named(stages: Sequence[str]) -> str:
    more = len(stages) - MAX_NAMED
    return ", ".join(stages[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _line(text: str, *, style: str = "") -> Text:
    return Text(text, style=style)


def _bare(low: str, high: str) -> str:
    """``low`` without its unit, where that of ``high`` says it too: 1.2-3.4M."""
    unit = high.lstrip("0123456789.,")
    return low.removesuffix(unit) if unit and low.endswith(unit) else low
