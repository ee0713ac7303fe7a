"""The config ``contamination`` of a release, and the section of the card that says what was compared and removed.

Rows come from the stage that reports it (schemas MATCH and FIGURE). In the files texts stay as they are; in the card
names are escaped like everything else, and no problem is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from assets.release.layout import ConfigFiles, Plan, write_config
from assets.release.public import fence, inline, name, scrub
from assets.schemas import MATCH

CONFIG = "contamination"
SPLITS = ("removed", "seeds")
"""Splits of the config: new problems that left, and seeds that a benchmark has too and that stay."""

PUBLISHED = pa.schema(
    [pa.field(f.name, pa.string() if f.type == pa.uuid() else f.type) for f in MATCH if f.name != "split"]
)
"""Columns of the config: those of MATCH, ids as text."""

_COUNTS = "select split, count(*) from contamination group by split"
_BATCH = 8192

Figures = Sequence[Mapping[str, Any]]


def write_matches(session: duckdb.DuckDBPyConnection, plan: Plan) -> ConfigFiles | None:
    """Write the matches under ``contamination/``. None if there are none: `datasets` cannot load an empty split.

    Args:
        session: With the view ``contamination`` (one or more tables of MATCH).
        plan: Of the release; folder and shard size hold here too.
    """
    counts: dict[str, int] = dict(session.sql(_COUNTS).fetchall())
    splits = {split: counts[split] for split in SPLITS if counts.get(split)}
    if not splits:
        return None
    own = Plan(plan.folder, splits, "copied", plan.max_shard_bytes, plan.where)
    return write_config(own, CONFIG, CONFIG, PUBLISHED, _rows(session, list(splits)))


def _rows(session: duckdb.DuckDBPyConnection, splits: list[str]) -> Iterator[pa.Table]:
    columns = ", ".join(f"{f.name}::varchar as {f.name}" if f.type == pa.uuid() else f.name for f in MATCH)
    query = f"""
        select {columns}, 1::bigint << (list_position($splits, split) - 1) as mask
        from contamination
        order by list_position($splits, split), benchmark, benchmark_row, problem_id
    """  # noqa: S608 - names of our schema
    for batch in session.sql(query, params={"splits": splits}).to_arrow_reader(_BATCH):
        mask = batch.column("mask").cast(pa.int64())
        columns_ = [batch.column(field.name).cast(field.type) for field in PUBLISHED]
        yield pa.Table.from_arrays([mask, *columns_], names=["mask", *PUBLISHED.names])


def read_figures(session: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The counts of the report, some hundred rows at most; names are made public."""
    columns = "figure, benchmark, problem_source, bound, outcome, count, share"
    rows = session.sql(f"select {columns} from contamination_figures").fetchall()  # noqa: S608 - a constant
    return [scrub(dict(zip(columns.split(", "), row, strict=True))) for row in rows]


def section(
    figures: Figures, benchmarks: Mapping[str, Mapping[str, Any]], repository: str, splits: Sequence[str]
) -> str:
    """The section of the card; empty without figures.

    Args:
        figures: Rows of FIGURE.
        benchmarks: Name -> where it comes from, as in the context of a release.
        repository: The name that `load_dataset` takes.
        splits: Of the config; none if it has no rows.
    """
    if not figures:
        return ""
    parts = [
        "## Contamination",
        _said(figures),
        _benchmarks(figures, benchmarks),
        _words(figures),
        _neighbours(figures),
        _pairs(figures),
        _calibration(figures),
    ]
    if splits:
        code = f'matches = load_dataset({repository!r}, "{CONFIG}")  # splits: {", ".join(splits)}'
        words = f"The config `{CONFIG}` lists each of them beside the benchmark problem, with what decided:"
        parts.append(f"{words}\n\n{fence(code, 'python')}")
    return "\n\n".join(part for part in parts if part)


def _said(figures: Figures) -> str:
    compared, removed = _sum(figures, "problems compared"), _sum(figures, "problems removed")
    rules = _totals(figures, "problems removed", "outcome")
    by_rule = f" ({'; '.join(f'{inline(rule)}: {count:,}' for rule, count in rules.items())})" if rules else ""
    solved = _sum(figures, "solutions of removed problems")
    after = f"{solved:,} solutions of removed problems exist and are not part of this dataset. " if solved else ""
    return (
        f"{compared:,} new problems were compared with the benchmarks below, and with no others. {removed:,} "
        f"{'was' if removed == 1 else 'were'} removed{by_rule}. {after}"
        "Seeds are compared too, and stay: they are training data on purpose."
    )


def _benchmarks(figures: Figures, benchmarks: Mapping[str, Mapping[str, Any]]) -> str:
    removed = _totals(figures, "problems removed", "benchmark")
    rows = []
    for benchmark, count in _totals(figures, "benchmark problems", "benchmark").items():
        pin = benchmarks.get(benchmark) or {}
        content = str(pin.get("revision") or pin.get("sha256") or "")[:12]
        place = inline(str(pin.get("hub") or "file"))
        rows.append([name(benchmark), place, f"`{content}`" if content else "", f"{count:,}"])
        rows[-1].append(f"{removed.get(benchmark, 0):,}")
    return table(["benchmark", "from", "commit or sha256", "problems", "removed for it"], rows)


def _words(figures: Figures) -> str:
    rows = []
    for what, words in (("problems that share words", "new problems"), ("seeds that share words", "seeds")):
        found = _totals(figures, what, "bound")
        if found or what == "problems that share words":
            rows.append([words, *(f"{found.get(size, 0):,}" for size in ("8", "10", "13", "30", "exact"))])
    head = ["problems that share words in a row with a benchmark", "8", "10", "13", "30", "all words"]
    return table(head, rows)


def _neighbours(figures: Figures) -> str:
    among = "benchmark problems with a neighbour among "
    shares = {
        (row["benchmark"], row["bound"], row["figure"]): f"{100 * (row['share'] or 0):.1f} %"
        for row in figures
        if row["figure"].startswith(among)
    }
    if not shares:
        return ""
    bounds = sorted({bound for _, bound, _ in shares})
    rows = [
        [name(str(b)), *(", ".join(shares.get((b, x, among + who), "") for who in ("all", "the kept")) for x in bounds)]
        for b in dict.fromkeys(benchmark for benchmark, _, _ in shares)
    ]
    words = "Share of each benchmark that has a new problem above a similarity: before, and after removal."
    return f"{words}\n\n{table(['benchmark', *(f'above {bound}' for bound in bounds)], rows)}"


def _pairs(figures: Figures) -> str:
    found: dict[str, dict[str, int]] = {}
    for row in figures:
        if row["figure"] == "nearest pairs":
            found.setdefault(str(row["bound"]), {})[str(row["outcome"])] = row["count"]
    if not any(outcome != "not judged" for cells in found.values() for outcome in cells):
        return ""
    outcomes = ("contaminated", "clean", "no verdict", "not judged")
    rows = [
        [bound, *(f"{cells.get(outcome, 0):,}" for outcome in outcomes)]
        for bound, cells in sorted(found.items(), reverse=True)
    ]
    words = "Pairs of a new problem and one of its nearest benchmark problems, by similarity and verdict of the judge."
    return f"{words}\n\n{table(['similarity from', *outcomes], rows)}"


def _calibration(figures: Figures) -> str:
    found = _totals(figures, "calibration pairs", "outcome")
    if not found:
        return ""
    counts = "; ".join(f"{inline(outcome)}: {count:,}" for outcome, count in found.items())
    return f"The judge was tried with {sum(found.values()):,} pairs whose answer is known. {counts}."


def _sum(figures: Figures, figure: str) -> int:
    return sum(row["count"] for row in figures if row["figure"] == figure)


def _totals(figures: Figures, figure: str, column: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for row in figures:
        if row["figure"] == figure:
            total[str(row[column])] = total.get(str(row[column]), 0) + row["count"]
    return total


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; cells are escaped by whoever makes them."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
