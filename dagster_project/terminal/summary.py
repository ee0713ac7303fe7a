"""What a build was, when it is over: a line a stage, and one line for all. Fits 100 columns, in a log too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from dagster_project.running.outcome import Outcome
from dagster_project.terminal.words import amount, cell, duration, rate, share, short

WIDTH = 100
GAP = 2
EXACT = 1_000_000
"""Counts below this are said exactly: rows are what a person compares."""
NARROWEST = 16
"""Columns left to a text that is cut; if that is not enough, a whole column goes instead."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it says of a stage, and when it goes."""

    name: str
    say: Callable[[Outcome], str]
    rank: int
    """Where the table is too wide, the column of the highest rank goes first."""
    is_text: bool = False
    can_be_cut: bool = False


def summary(outcomes: Sequence[Outcome], width: int = WIDTH) -> Table:
    """One line a stage, within ``width``: columns without content and the least important ones stay away."""
    columns = [column for column in COLUMNS if column.rank == 0 or any(column.say(o) for o in outcomes)]
    cells = {column.name: [column.say(outcome) for outcome in outcomes] for column in columns}
    widths = {c.name: max([len(c.name), *(Text(text).cell_len for text in cells[c.name])]) for c in columns}
    _narrow(columns, widths, width)
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold", expand=False)
    for column in columns:
        table.add_column(
            Text(column.name),
            justify="left" if column.is_text else "right",
            no_wrap=True,
            overflow="ellipsis",
            max_width=widths[column.name],
        )
    for row in zip(*(cells[column.name] for column in columns), strict=True):
        table.add_row(*(Text(text) for text in row))
    return table


def _narrow(columns: list[Column], widths: dict[str, int], width: int) -> None:
    """Take columns away until the rest fits with its texts cut, then cut texts by no more than needed."""
    while True:
        over = sum(widths[c.name] + GAP for c in columns) - GAP - width
        spare = {c.name: max(widths[c.name] - NARROWEST, 0) for c in columns if c.can_be_cut}
        worst = max(columns, key=lambda c: c.rank)
        if over <= sum(spare.values()) or worst.rank == 0:
            break
        columns.remove(worst)
    for name, room in spare.items():
        taken = min(max(over, 0), room)
        widths[name] -= taken
        over -= taken


def _rows_in(outcome: Outcome) -> str:
    rows: Mapping[str, int] = outcome.funnel.get("rows_in") or {}
    main = str(outcome.funnel.get("main"))
    return short(rows[main] if main in rows else sum(rows.values()), EXACT) if rows else ""


def _reasons(outcome: Outcome) -> str:
    rejected: Mapping[str, int] = outcome.funnel.get("rejected", {})
    most_first = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{short(n, EXACT)} {cell(rule, 40)}" for rule, n in most_first)


def _requests(outcome: Outcome) -> str:
    counts = outcome.requests
    if not counts.total:
        return ""
    words = [f"{short(counts.failed)} failed"] if counts.failed else []
    if counts.given_up:
        words.append(f"{short(counts.given_up)} given up")
    if counts.completed or not counts.reused:
        words.append(f"{short(counts.completed, EXACT)} new")
    if counts.reused:
        words.append(f"{share(counts.reused, counts.total)} reused")
    return ", ".join(words)


def _spent(outcome: Outcome) -> str:
    counts = outcome.requests
    if counts.currency and counts.cost:
        return f"{amount(counts.cost)} {cell(counts.currency, 8)}"
    return f"{amount(counts.gpu_hours)} GPU-h" if counts.gpu_hours else ""


def _checks(outcome: Outcome) -> str:
    failed = sum(not check.passed for check in outcome.checks)
    passed = len(outcome.checks) - failed
    return f"{passed} ok" + (f", {failed} warned" if failed else "")


COLUMNS: Sequence[Column] = (
    Column("stage", lambda o: cell(o.stage, 32), 0, is_text=True),
    Column("in", _rows_in, 6),
    Column("out", lambda o: short(o.version.row_count(), EXACT), 0),
    Column("rejected", _reasons, 2, is_text=True, can_be_cut=True),
    Column("requests", _requests, 1, is_text=True),
    Column("tok in", lambda o: _tokens(o.requests.prompt_tokens), 7),
    Column("tok out", lambda o: _tokens(o.requests.completion_tokens), 5),
    Column("spent", _spent, 3),
    Column("checks", _checks, 4, is_text=True),
    Column("time", lambda o: "reused" if o.state == "reused" else duration(o.seconds), 1),
    Column("peak MB", lambda o: f"{o.peak_mb:.0f}" if o.peak_mb else "", 8),
)


def _tokens(count: int) -> str:
    return short(count, EXACT) if count else ""


def totals_line(title: str, outcomes: Sequence[Outcome], seconds: float) -> str:
    """The build in a few sentences: ``title`` (recipe and profile), stages, completions, what was paid, checks."""
    counts = [outcome.requests for outcome in outcomes]
    total = sum(c.total for c in counts)
    asked = sum(c.completed for c in counts)
    reused = sum(c.reused for c in counts)
    tokens = sum(c.completion_tokens for c in counts)
    answering = sum(c.answering_seconds for c in counts)
    checks = [check for outcome in outcomes for check in outcome.checks]
    speed = f" at {rate(tokens / answering)} tokens/s" if answering > 1 else ""
    of_all = f" ({share(reused, total)})" if reused else ""
    paid = _paid(outcomes)
    stages = "stage" if len(outcomes) == 1 else "stages"
    return (
        f"{title}: {len(outcomes)} {stages} in {duration(seconds)}. "
        f"{asked:,} completions generated ({tokens:,} tokens{speed}), {reused:,} reused{of_all}. "
        f"{paid}{sum(check.passed for check in checks)} of {len(checks)} checks passed."
    )


def _paid(outcomes: Sequence[Outcome]) -> str:
    """Money by currency, and GPU-hours where there is no price for them."""
    sums: dict[str, float] = {}
    for counts in (outcome.requests for outcome in outcomes):
        unit, spent = (cell(counts.currency, 8), counts.cost) if counts.currency else ("GPU-hours", counts.gpu_hours)
        sums[unit] = sums.get(unit, 0.0) + spent
    words = [f"{amount(spent)} {unit}" for unit, spent in sorted(sums.items()) if spent]
    return f"{' and '.join(words)} spent. " if words else ""


def answers_line(outcomes: Sequence[Outcome]) -> str:
    """How answers were read and compared, over all stages that say so; empty if none does or nothing was in doubt."""
    facts = [outcome.version.facts.get("answers", {}) for outcome in outcomes]
    words = []
    undecided = sum(said.get("undecided", 0) for said in facts)
    if keys := sum(said.get("keys", 0) for said in facts):
        words.append(f"{short(undecided, EXACT)} of {short(keys, EXACT)} keys undecided")
    if pairs := sum(said.get("pairs", 0) for said in facts):
        unknown = sum(said.get("unknown", 0) for said in facts)
        words.append(f"{short(unknown, EXACT)} of {short(pairs, EXACT)} pairs unknown")
    if votes := sum(said.get("votes", 0) for said in facts):
        alike = sum(said.get("votes_like_raw_texts", 0) for said in facts)
        words.append(f"{share(alike, votes)} of the votes as by raw texts")
    return f"Answers:  {', '.join(words)}." if words else ""
