"""What the Dagster UI shows of a stage: before a build (schema, lineage), and after one (counts, funnel, samples).

Text from a model is shown as table cells, cut and with control characters made visible; never as Markdown.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from dagster_project.language.resolved import Recipe, Stage
from dagster_project.pictures import as_markdown, bar_chart
from dagster_project.running.outcome import CheckResult, Outcome
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
    """Metadata of one materialisation. It mirrors the manifest, which is the truth."""
    version = outcome.version
    shown: dict[str, Any] = {
        "dagster/row_count": version.row_count(),
        "dagster/column_schema": column_schema(version.schema()),
        "mathloom/state": outcome.state,
        "mathloom/version": version.version,
        "mathloom/fingerprint": outcome.fingerprint,
        "mathloom/folder": dg.MetadataValue.path(str(version.folder)),
        "seconds": round(outcome.seconds, 3),
        "funnel": dg.MetadataValue.md(funnel_markdown(outcome.funnel)),
        "sample": sample_table(version),
    }
    if outcome.peak_mb is not None:
        shown["peak memory (MB)"] = round(outcome.peak_mb)
    if version.facts.get("requests"):
        shown["requests"] = dg.MetadataValue.json(
            {
                **version.facts["requests"],
                "asked in this build": outcome.requests.asked,
                "reused in this build": outcome.requests.reused,
            }
        )
    for name, bars in version.facts.get("histograms", {}).items():
        shown[f"histogram: {name}"] = dg.MetadataValue.md(as_markdown(name, bar_chart(name, bars)))
    if version.manifest["files"]:
        shown["files"] = dg.MetadataValue.json([f["path"] for f in version.manifest["files"]])
    return shown


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
    """The first rows as a table of the UI."""
    rows = sample_rows(version)
    if not rows:
        return dg.MetadataValue.text("no rows")
    schema = dg.TableSchema(columns=[dg.TableColumn(name=name, type="string") for name in rows[0]])
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
