"""What the Dagster UI shows of a stage: before a build (schema, lineage), and after one (counts, funnel, samples).

Text from a model is shown as table cells, cut and with control characters made visible; never as Markdown.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.language.resolved import Recipe, Stage
from dagster_project.pictures import area_chart, as_markdown, bar_chart
from dagster_project.running.outcome import CheckResult, Outcome, RequestCounts
from dagster_project.running.throughput import Point
from dagster_project.terminal.words import cell
from resources.identity import show_id
from resources.store import Version

SAMPLE_ROWS = 5


def column_schema(schema: pa.Schema) -> dg.TableSchema:
    """An Arrow schema as the UI shows it."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=f.name,
                type="uuid" if isinstance(f.type, pa.UuidType) else str(f.type),
                description=(f.metadata or {}).get(b"description", b"").decode() or None,
                constraints=dg.TableColumnConstraints(nullable=f.nullable),
            )
            for f in schema
        ]
    )


def column_lineage(recipe: Recipe, stage: Stage, columns: Mapping[str, Any]) -> dg.TableColumnLineage:
    """{column: [(formal input, column)]} as links between assets."""
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for name, origins in columns.items():
        deps[name] = [
            dg.TableColumnDep(asset_key=dg.AssetKey(recipe.asset_path(ref.stage)), column_name=column)
            for formal, column in origins
            for ref in stage.inputs.get(formal, ())
            if ref.table == "rows"
        ]
    return dg.TableColumnLineage(deps_by_column={name: d for name, d in deps.items() if d})


def after_build(outcome: Outcome) -> dict[str, Any]:
    """Metadata of one materialisation, in the order in which the UI lists it. The manifest is the truth.

    Counts and rates are plain numbers: the UI plots those over the builds of an asset.
    """
    version = outcome.version
    shown: dict[str, Any] = {
        "dagster/row_count": version.row_count(),
        "dagster/column_schema": column_schema(version.schema()),
        "funnel": dg.MetadataValue.md(funnel_markdown(outcome.funnel)),
    }
    if version.facts.get("requests"):
        shown["completions of this version"] = dg.MetadataValue.json(dict(version.facts["requests"]))
        if outcome.state == "built":
            shown |= requests_of_build(outcome.requests)
    if outcome.throughput:
        shown["throughput"] = dg.MetadataValue.md(throughput_markdown(outcome.throughput))
    shown |= answers_of_version(version.facts.get("answers", {}))
    shown |= contamination_of_version(version.facts.get("contamination", {}))
    for name, bars in version.facts.get("histograms", {}).items():
        title = f"histogram: {cell(name, 40)}"
        shown[title] = dg.MetadataValue.md(as_markdown(title, bar_chart(bars)))
    shown["sample"] = sample_table(version)
    shown["seconds"] = round(outcome.seconds, 3)
    if outcome.peak_mb is not None:
        shown["peak memory (MB)"] = round(outcome.peak_mb)
    shown |= measured_of_build(outcome.measured)
    if version.manifest["files"]:
        shown["files"] = dg.MetadataValue.json([f["path"] for f in version.manifest["files"]])
    return {
        **shown,
        "mathloom/state": outcome.state,
        "mathloom/version": version.version,
        "mathloom/fingerprint": outcome.fingerprint,
        "mathloom/folder": dg.MetadataValue.path(str(version.folder)),
    }


def requests_of_build(counts: RequestCounts) -> dict[str, int | float]:
    """What one build of a generation stage asked, how fast that was, and what it took.

    A name is there in each build or in none, so that its plot has no gaps; those of money and GPU-hours are there when
    the role has a price or devices.
    """
    shown: dict[str, int | float] = {
        "requests asked": counts.asked,
        "requests completed": counts.completed,
        "requests reused": counts.reused,
        "requests failed": counts.failed,
        "requests given up": counts.given_up,
        "requests retried": counts.retried,
        "tokens in": counts.prompt_tokens,
        "tokens out": counts.completion_tokens,
        "requests per second": _per_second(counts.completed + counts.failed, counts),
        "tokens out per second": _per_second(counts.completion_tokens, counts),
        "engine seconds": round(counts.engine_seconds, 1),
        "engine restarts": counts.restarts,
    }
    if counts.gpu_hours:
        shown["GPU-hours"] = round(counts.gpu_hours, 4)
    if counts.currency:
        shown[f"cost ({cell(counts.currency, 8)})"] = round(counts.cost, 4)
    return shown


def answers_of_version(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of a stage that reads or compares answers, as numbers that the UI plots."""
    shown: dict[str, Any] = {}
    for name, value in facts.items():
        for what, count in value.items() if isinstance(value, Mapping) else [("", value)]:
            shown[f"answers: {cell(name, 40).replace('_', ' ')}{what and ', ' + cell(what, 40)}"] = count
    if facts.get("votes"):
        shown["answers: votes like raw texts (share)"] = round(facts["votes_like_raw_texts"] / facts["votes"], 4)
    return shown


def contamination_of_version(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Counts of a stage that compares with benchmarks, as numbers that the UI plots."""
    return {f"contamination: {cell(name, 80)}": count for name, count in facts.items()}


def measured_of_build(measured: Mapping[str, Any]) -> dict[str, Any]:
    """What a kind measured: numbers as they are, pieces of text as table cells with their milliseconds."""
    shown: dict[str, Any] = {}
    for name, value in measured.items():
        if isinstance(value, int | float):
            shown[name] = value
        elif value:
            schema = dg.TableSchema(columns=[dg.TableColumn("ms", "float"), dg.TableColumn("text", "string")])
            records = [dg.TableRecord({"ms": round(ms, 3), "text": cell(text)}) for ms, text in value]
            shown[name] = dg.MetadataValue.table(records=records, schema=schema)
    return shown


def _per_second(count: int, counts: RequestCounts) -> float:
    return round(count / counts.answering_seconds, 2) if counts.answering_seconds else 0.0


def throughput_markdown(points: Sequence[Point]) -> str:
    """Tokens a second over the answering time as a chart; requests a second where the engine counts no tokens."""
    tokens = [point.tokens_per_s for point in points]
    values, unit = (tokens, "tokens/s out") if any(tokens) else ([p.requests_per_s for p in points], "requests/s")
    return as_markdown(f"throughput {unit}", area_chart(values, points[-1].seconds, unit))


def funnel_markdown(funnel: Mapping[str, Any]) -> str:
    """Rows in, rejects by rule, rows out, as a Markdown table. Rule names come from our code, never from a model."""
    lines = ["| | rows |", "|---|--:|"]
    lines += [f"| in: {name} | {n:,} |" for name, n in funnel.get("rows_in", {}).items()]
    lines += [f"| rejected: {rule} | {n:,} |" for rule, n in funnel.get("rejected", {}).items()]
    lines.append(f"| out | {funnel.get('rows_out', 0):,} |")
    return "\n".join(lines)


def plain_rows(version: Version, count: int, table: str = "rows") -> Iterator[dict[str, Any]]:
    """The first ``count`` rows as Python values; ids as text."""
    for path in version.paths(table):
        for batch in pq.ParquetFile(path).iter_batches(batch_size=min(count, 1024)):
            for row in pa.Table.from_batches([batch]).to_pylist():
                if count == 0:
                    return
                count -= 1
                yield {name: show_id(v) if isinstance(v, bytes) else v for name, v in row.items()}


def sample_rows(version: Version, count: int = SAMPLE_ROWS, table: str = "rows") -> list[dict[str, str]]:
    """The first rows as short, printable text. Reads one row group at most."""
    return [{name: cell(value) for name, value in row.items()} for row in plain_rows(version, count, table)]


def sample_table(version: Version) -> Any:
    """The first rows as a table of the UI, ids last: the UI shows some 400 pixels of it, and ids fill them."""
    rows = sample_rows(version)
    if not rows:
        return dg.MetadataValue.text("no rows")
    fields = sorted(version.schema(), key=lambda field: isinstance(field.type, pa.UuidType))
    schema = dg.TableSchema(columns=[dg.TableColumn(name=field.name, type="string") for field in fields])
    return dg.MetadataValue.table(records=[dg.TableRecord(row) for row in rows], schema=schema)


def check_result(result: CheckResult) -> dg.AssetCheckResult:
    """One check or law as the UI shows it."""
    return dg.AssetCheckResult(
        check_name=result.name,
        passed=result.passed,
        severity=dg.AssetCheckSeverity.ERROR if result.blocking else dg.AssetCheckSeverity.WARN,
        description=result.description,
        metadata={
            "violations": result.violations,
            "sample": dg.MetadataValue.json([{k: cell(v) for k, v in row.items()} for row in result.sample]),
        },
    )
