"""Data tests on a version: run on staged files before it is committed, remembered, run again when they change.

A check is no part of a version's identity. Results lie at ``checks/<version>.<hash of the checks>.json``: a changed
test runs again on the old rows without building anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from dagster_project.data_tests import needs, run_check
from dagster_project.language.resolved import Check, Stage
from dagster_project.running.outcome import CheckResult
from dagster_project.running.workspace import Workspace
from resources.errors import StoreError
from resources.identity import hash_json
from resources.sql import View, open_session
from resources.store import Version
from resources.store.layout import read_json, write_json


def run_checks(
    workspace: Workspace, stage: Stage, paths: Mapping[str, Sequence[Path]], schemas: Mapping[str, pa.Schema]
) -> list[CheckResult]:
    """Run all checks of ``stage`` on the given files."""
    if not stage.checks:
        return []
    views = {"rows": View(schemas["rows"], list(paths["rows"]))}
    for check in stage.checks:
        for ref in needs(check):
            entry = workspace.entry(ref.stage, reader=stage.name)
            other = workspace.store.version(entry.kind, entry.version)
            views[str(ref)] = View(other.schema(ref.table), other.paths(ref.table))
    session = open_session(
        memory_limit=workspace.memory_limit,
        threads=workspace.threads,
        temp=workspace.root / "staging" / "spill-checks",
        views=views,
    )
    try:
        return [run_check(check, session, schemas["rows"]) for check in stage.checks]
    finally:
        session.close()


def check_version(workspace: Workspace, stage: Stage, version: Version, *, again: bool = False) -> list[CheckResult]:
    """Results of the checks on a committed version: remembered ones, or run now."""
    law = CheckResult(f"law_{stage.kind.law.name}", True, True, "held when this version was built")
    file = _file(workspace, stage, version)
    remembered = None if again else read_json(file)
    if remembered is not None:
        return [law, *(CheckResult(**result) for result in remembered)]
    paths = {table: version.paths(table) for table in version.tables}
    results = run_checks(workspace, stage, paths, {table: version.schema(table) for table in version.tables})
    remember(workspace, stage, version, results)
    return [law, *results]


def is_checked(workspace: Workspace, stage: Stage, version: Version) -> bool:
    """Whether the checks of ``stage``, as they are now, ran on ``version`` and none that blocks failed."""
    if not stage.checks:
        return True
    try:
        remembered = read_json(_file(workspace, stage, version))
    except StoreError:  # a check reads another stage, which is not built
        return False
    return remembered is not None and all(result["passed"] or not result["blocking"] for result in remembered)


def remember(workspace: Workspace, stage: Stage, version: Version, results: Sequence[CheckResult]) -> None:
    """Write the results beside the version."""
    if stage.checks:
        write_json(_file(workspace, stage, version), [_plain(result) for result in results])


def _plain(result: CheckResult) -> dict[str, Any]:
    plain = asdict(result)
    plain["sample"] = [{k: str(v)[:200] for k, v in row.items()} for row in result.sample]
    return plain


def _file(workspace: Workspace, stage: Stage, version: Version) -> Path:
    return workspace.root / "checks" / f"{version.version[:40]}.{checks_hash(workspace, stage)[:16]}.json"


def checks_hash(workspace: Workspace, stage: Stage) -> str:
    """Hash of what the checks say and of the other versions that they read."""
    others = {str(ref): workspace.entry(ref.stage, reader=stage.name).version for c in stage.checks for ref in needs(c)}
    return hash_json([[_words(check) for check in stage.checks], others])


def _words(check: Check) -> dict[str, Any]:
    return {"name": check.name, "test": check.test, "arguments": dict(check.arguments), "blocking": check.blocking}
