"""Building one stage: fingerprint, find or build in staging, laws and checks there, commit, promote.

Memory: one DuckDB session with a limit and a spill folder, and one row group per output table.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from assets.kinds import GenerationKind, Job, Table, TableKind
from dagster_project.language.resolved import Ref, Stage
from dagster_project.running.checking import check_version, remember, run_checks
from dagster_project.running.failures import stage_errors
from dagster_project.running.fingerprint import fingerprint_parts
from dagster_project.running.funnel import histogram, measure
from dagster_project.running.generation.run import Announce, run_generation
from dagster_project.running.laws import check_law
from dagster_project.running.lineage import release_context
from dagster_project.running.memory import peak_mb, reset_peak
from dagster_project.running.outcome import CheckResult, Outcome, Progress, RequestCounts
from dagster_project.running.request_keys import request_keys
from dagster_project.running.throughput import Throughput
from dagster_project.running.workspace import Workspace
from resources.errors import CheckError, LawError
from resources.identity import hash_json
from resources.sql import View, open_session
from resources.store import Built, Entry, Staging, Version
from resources.store.layout import store_errors

EXAMPLE = 160
"""Characters of an offending row in an error: it must stay one line that can be read."""

Inputs = Mapping[str, Sequence[tuple[Ref, Version]]]


class CheckFailure(CheckError):
    """A blocking check or law failed. ``results`` holds all of them, so that the UI can show each."""

    results: Sequence[CheckResult] = ()


def build_stage(
    workspace: Workspace,
    stage: Stage,
    *,
    run_id: str,
    progress: Progress,
    force: bool = False,
    announce: Announce = lambda _plan: None,
) -> Outcome:
    """Bring one stage up to date and promote it in the environment.

    ``announce``: told the plan of a stage that is about to ask a model.

    Raises:
        CheckFailure: A law or blocking check failed; the environment keeps the version it had.
        MathloomError: Anything else.
    """
    with stage_errors(f"{workspace.recipe.name}/{stage.name}"):
        return _bring_up_to_date(workspace, stage, run_id, progress, force, announce)


def _bring_up_to_date(
    workspace: Workspace, stage: Stage, run_id: str, progress: Progress, force: bool, announce: Announce
) -> Outcome:
    started = time.monotonic()
    reset_peak()
    progress.stage_started(stage.name, stage.kind.name)
    inputs = workspace.input_versions(stage)
    parts = fingerprint_parts(workspace, stage, inputs)
    fingerprint = hash_json(parts)
    known = None if force else workspace.store.find(fingerprint)
    counts, throughput = RequestCounts(), Throughput()
    measured: dict[str, Any] = {}
    if known is not None and not known[1].pending:
        version, built = known
        results = check_version(workspace, stage, version)
        _refuse(stage, workspace, results)
        state, pending = "reused", 0
    else:
        version, results, counts, throughput = _build(workspace, stage, inputs, progress, run_id, announce, measured)
        # Of the version, not of this build: rows count one by one, and what failed for good is a reject, not pending.
        pending = version.facts["requests"].get("failed", 0) if stage.is_generation else 0
        seconds = round(time.monotonic() - started, 3)
        run = {"run_id": run_id, "seconds": seconds, "peak_mb": peak_mb(), "requests": asdict(counts)}
        run |= {"measured": measured} if measured else {}
        built = Built(fingerprint, stage.kind.name, version.version, parts, run, pending)
        workspace.store.remember(built)
        state = "built"
    workspace.environment.promote(stage.name, Entry(version.kind, version.version, fingerprint))
    if stage.kind.law.name == "release":
        link_release(workspace, version)
    outcome = Outcome(
        stage=stage.name,
        kind=stage.kind.name,
        state=state,  # pyright: ignore[reportArgumentType] - one of the two words above
        version=version,
        fingerprint=fingerprint,
        funnel=version.facts.get("funnel", {}),
        checks=results,
        requests=counts,
        pending=pending,
        throughput=throughput.points(),
        seconds=time.monotonic() - started,
        peak_mb=peak_mb(),
        measured=measured,
    )
    progress.stage_ended(outcome)
    return outcome


def link_release(workspace: Workspace, version: Version) -> None:
    """Let ``releases/<recipe>/<profile>`` point to the files of ``version``, replaced atomically."""
    link = workspace.root / "releases" / workspace.recipe.name / workspace.environment_name
    with store_errors(link):
        link.parent.mkdir(parents=True, exist_ok=True)
        aside = link.with_name(f".{link.name}.{uuid.uuid4().hex}")
        aside.symlink_to(os.path.relpath(version.files_folder, link.parent), target_is_directory=True)
        aside.replace(link)


def _build(
    workspace: Workspace,
    stage: Stage,
    inputs: Inputs,
    progress: Progress,
    run_id: str,
    announce: Announce,
    measured: dict[str, Any],
) -> tuple[Version, list[CheckResult], RequestCounts, Throughput]:
    where = f"{workspace.recipe.name}/{stage.name}"
    schemas = stage.kind.outputs(stage.settings)
    counts, throughput = RequestCounts(), Throughput()
    with (
        _scratch(workspace) as scratch,
        workspace.store.stage(stage.kind.name, schemas, where=where) as staging,
    ):
        facts: dict[str, Any] = {}
        with _session(workspace, stage, inputs, scratch) as session:
            if isinstance(stage.kind, GenerationKind):
                counts, throughput = run_generation(
                    workspace,
                    stage,
                    _tables(inputs),
                    session,
                    staging,
                    scratch,
                    progress,
                    facts,
                    run_id=run_id,
                    announce=announce,
                )
            else:
                _run_table(workspace, stage, inputs, session, staging, facts, measured)
        written = staging.close()
        with _session(workspace, stage, inputs, scratch, written, schemas) as session:
            facts["funnel"] = measure(session, stage, written)
            for column in getattr(stage.kind, "histograms", ()):
                facts.setdefault("histograms", {})[column] = histogram(session, column)
            results = [check_law(stage.kind.law, session, list(written), facts)]
        results += run_checks(workspace, stage, {name: paths for name, (paths, _) in written.items()}, schemas)
        _refuse(stage, workspace, results)
        version = staging.commit(facts)
        remember(workspace, stage, version, results[1:])  # the first is the law, which its version proves
    return version, results, counts, throughput


def _refuse(stage: Stage, workspace: Workspace, results: Sequence[CheckResult]) -> None:
    broken = [r for r in results if not r.passed and r.blocking]
    if not broken:
        return
    first = broken[0]
    where = f"{workspace.recipe.name}/{stage.name}"
    if first.name.startswith("law_"):
        raise LawError(
            f"{first.name}: {first.description} does not hold: {first.violations} id(s), e.g. {dict(first.sample[0])}",
            where=where,
            fix="The kind loses or invents rows: mend it. The environment keeps the version it had",
        )
    places = {check.name: check.place for check in stage.checks}
    if first.name in places:
        where = f"{where} ({places[first.name]})"
    words = "; ".join(f"{r.name}: {r.violations} violation(s) of `{r.description}`{_example(r)}" for r in broken)
    failure = CheckFailure(
        f"blocking check(s) failed: {words}",
        where=where,
        fix="Mend the input, the settings or the check. The environment keeps the version it had",
    )
    failure.results = results
    raise failure


def _example(result: CheckResult) -> str:
    shown = str(dict(result.sample[0])) if result.sample else ""  # of a dict: control characters are escaped
    return f", e.g. {shown[:EXAMPLE]}" if shown else ""


def _run_table(
    workspace: Workspace,
    stage: Stage,
    inputs: Inputs,
    session: duckdb.DuckDBPyConnection,
    staging: Staging,
    facts: dict[str, Any],
    measured: dict[str, Any],
) -> None:
    kind = stage.kind
    assert isinstance(kind, TableKind)
    context: dict[str, Any] = {"preview_rows": workspace.recipe.preview_rows}
    if stage.source:
        context["source"] = workspace.pin(stage.source).apply(workspace.source_spec(stage.source))
    if kind.law.name == "release":
        context |= release_context(workspace, stage)
    job = Job(
        recipe=workspace.recipe.name,
        stage=stage.name,
        settings=stage.settings,
        inputs=_tables(inputs),
        session=session,
        writers=staging.writers,
        folder=staging.files_folder,
        facts=facts,
        context=context,
        cache=workspace.root / "cache",
        measured=measured,
    )
    kind.run(job)


def _tables(inputs: Inputs) -> dict[str, list[Table]]:
    return {
        formal: [Table(str(ref), v.schema(ref.table), v.paths(ref.table), v.row_count(ref.table)) for ref, v in bound]
        for formal, bound in inputs.items()
    }


@contextmanager
def _scratch(workspace: Workspace) -> Any:
    folder = workspace.root / "staging" / f"scratch-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _session(
    workspace: Workspace,
    stage: Stage,
    inputs: Inputs,
    scratch: Path,
    written: Mapping[str, tuple[list[Path], int]] | None = None,
    schemas: Mapping[str, pa.Schema] | None = None,
) -> Any:
    views = workspace.views(stage, inputs)
    for name, (paths, _) in (written or {}).items():
        assert schemas is not None
        views[f"out_{name}"] = View(schemas[name], paths)
    reads = getattr(stage.kind, "reads_completions", False) and written is None
    folders = [workspace.requests.folders.root] if reads else []
    session = open_session(
        memory_limit=workspace.memory_limit,
        threads=workspace.threads,
        temp=scratch / "spill",
        views=views,
        folders=[scratch, *folders],
    )
    try:
        if reads:
            workspace.requests.seal()
            paths = [p for bound in inputs.values() for ref, version in bound for p in version.paths(ref.table)]
            workspace.requests.create_views(session, request_keys(paths))
        yield session
    finally:
        session.close()
