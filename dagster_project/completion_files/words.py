"""What ``mathloom requests`` says: reports of imports, exports and prunes as lines, and as JSON values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from dagster_project.completion_files.importing import Prepared
from dagster_project.completion_files.named import Doomed
from dagster_project.completion_files.rejects import Rejects
from dagster_project.language.resolved import Role, Stage
from dagster_project.terminal.words import cell
from resources.engines.protocol import Sampling
from resources.requests.pruning import Pruned
from resources.requests.store import Stats
from resources.requests.usage import WeightsUsage

_WHY = {
    "repeated": "another row answers the same request",
    "unmatched": "no request of the stage is theirs",
    "bad": "no completion",
}
_SHOWN_SAMPLINGS = 3


def import_report(prepared: Prepared, rejects: Rejects, stage: Stage, role: Role) -> Iterator[str]:
    """What was found, and what the rows will stand for: a person must be able to say no."""
    counts, columns = prepared.counts, prepared.columns
    column = {
        "key": columns.request_key,
        "problem": columns.problem or columns.problem_id,
        "prompt": columns.prompt or columns.messages,
        "position": None,
    }[prepared.match]
    by = f"column {column!r}" if column else "line i is row i of the stage"
    yield (
        f"{prepared.gathered.rows:,} rows in {len(prepared.files):,} file(s), matched by {prepared.match} ({by}); "
        f"text: column {columns.text!r}; sample: {prepared.samples_by}"
    )
    yield f"They stand for answers to {stage.name!r} by the role {role.name!r}:"
    yield f"  weights   {cell(prepared.weights)}"
    for sampling in prepared.targets.samplings[:_SHOWN_SAMPLINGS]:
        yield f"  sampling  {sampling_words(sampling)}"
    if more := len(prepared.targets.samplings[_SHOWN_SAMPLINGS:]):
        yield f"            and {more} more"
    others = [name for name in prepared.gathered.weights if name != prepared.weights]
    if others:
        yield f"  The files name other weights: {', '.join(cell(name) for name in others)}"
    extra = f" ({counts.extra:,} beyond the samples that the stage asks for now)" if counts.extra else ""
    yield f"{'new':<15} {counts.new:>9,}{extra}"
    yield f"{'already stored':<15} {counts.already_stored:>9,}"
    if counts.beyond:
        yield f"{'above --samples':<15} {counts.beyond:>9,}"
    for sort, why in _WHY.items():
        if count := rejects.counts[sort]:
            yield f"{sort:<15} {count:>9,}  {why}"
            for example in rejects.examples[sort]:
                yield f"{'':<15} {'':>9}  {cell(example, 300)}"
    yield f"A build then asks for {counts.to_ask:,} of the stage's {prepared.targets.requests:,} requests."


def import_json(prepared: Prepared, rejects: Rejects, stored: int | None) -> dict[str, Any]:
    """The same as JSON values. ``stored``: completions that were stored; None for a dry run."""
    return {
        "rows": prepared.gathered.rows,
        "files": [str(file.path) for file in prepared.files],
        "match": prepared.match,
        "text_column": prepared.columns.text,
        "sample_from": prepared.samples_by,
        "weights": prepared.weights,
        "weights_in_files": dict(prepared.gathered.weights),
        "samplings": [asdict(sampling) for sampling in prepared.targets.samplings],
        "imported": stored,
        **asdict(prepared.counts),
        "bad": rejects.counts["bad"],
        "examples": rejects.examples,
        "requests": prepared.targets.requests,
    }


def sampling_words(sampling: Sampling) -> str:
    """The values that are not neutral, and always the temperature and the longest answer."""
    always = ("temperature", "max_tokens")
    words = []
    for f in fields(sampling):
        value = getattr(sampling, f.name)
        if f.name in always or value != f.default:
            shown = [list(value)] if isinstance(value, tuple) else [value]
            words.append(f"{f.name} {cell(shown[0], 80)}")
    return ", ".join(words)


def stats_table(usage: Sequence[WeightsUsage], used: Collection[str]) -> Table:
    """One line for each pair of weights and engine."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("weights", "engine", "completions", "failures", "tokens in", "tokens out", "text"):
        table.add_column(name, justify="left" if name in ("weights", "engine") else "right", overflow="fold")
    for name in ("first", "last", "used"):
        table.add_column(name)
    for row in usage:
        table.add_row(
            cell(row.weights).replace("[", "\\["),
            cell(row.engine),
            f"{row.completions:,}",
            f"{row.failures:,}" if row.failures else "",
            f"{row.prompt_tokens:,}",
            f"{row.completion_tokens:,}",
            size(row.text_bytes),
            day(row.first_ns),
            day(row.last_ns),
            "yes" if row.weights in used else "no",
        )
    return table


def stats_totals(usage: Sequence[WeightsUsage], totals: Stats, used: Collection[str]) -> Iterator[str]:
    """The store as a whole, and what in it nobody uses."""
    yield (
        f"{totals.completions:,} completions in {totals.segments:,} segment(s) of {size(totals.bytes)}, "
        f"{totals.failures:,} failed attempts; {totals.journals:,} journal(s) of running builds"
        f" ({size(totals.journal_bytes)})"
    )
    idle = sorted({row.weights for row in usage} - set(used))
    if idle:
        yield f"Weights that no environment uses now: {', '.join(cell(name) for name in idle)}"


def stats_json(usage: Sequence[WeightsUsage], totals: Stats, used: Collection[str]) -> dict[str, Any]:
    """The same as JSON values; times are ns since 1970."""
    rows = [asdict(row) | {"is_used": row.weights in used} for row in usage]
    return {"weights": rows, "totals": asdict(totals)}


def size(count: int) -> str:
    """Bytes for a reader."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.1f} kB"


def day(time_ns: int | None) -> str:
    """A time of the store as a date (UTC)."""
    return "" if time_ns is None else f"{datetime.fromtimestamp(time_ns / 1e9, UTC):%Y-%m-%d}"


def prune_report(doomed: Sequence[Doomed], pruned: Pruned) -> Iterator[str]:
    """What would go, and what it would cost to ask for it again."""
    for row in doomed:
        yield (
            f"{cell(row.weights)}: {row.completions:,} completions, {row.prompt_tokens:,} known tokens in "
            f"and {row.completion_tokens:,} out: what it costs to ask again"
        )
        if row.named:
            yield (
                f"  {row.named:,} of them are named by versions: a stage that reads their text fails until the stage "
                "that asked is built again with --force"
            )
    yield f"In all {pruned.completions:,} completions and {pruned.failures:,} failed attempts, {size(pruned.bytes)}."
