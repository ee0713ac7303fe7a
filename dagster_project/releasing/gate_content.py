"""Questions of the gate about what goes out: contamination report, licences, locks of sources, secrets and paths."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assets.release.licences import clashes
from assets.release.scan import Finding, scan_folder
from dagster_project.language.lock import read_lock
from dagster_project.language.resolved import Recipe
from dagster_project.releasing.built import BuiltFolder
from dagster_project.releasing.gate import Reason
from dagster_project.running.lineage import ancestors
from dagster_project.running.workspace import Workspace
from resources.identity import hash_json
from resources.sql import open_session
from resources.store.layout import read_json, write_json

SCAN_FORMAT = 2
"""Raised when a scan finds other things: everything is then scanned again."""

MIN_SECRET = 8
"""Characters of a secret: shorter values (`true`, `1`) are in every file."""

UNDECLARED = "the release declares no licence"
"""What the comparison of licences says then: a warning there, where it is only a comparison."""

_SECRET_NAME = re.compile(r".*_(TOKEN|KEY|SECRET)", re.ASCII | re.IGNORECASE)
_KEY_OPTION = "api_key_env"
_SHOWN = 5
"""Findings that one reason names."""


def accepted(recipe: Recipe, what: str) -> str | None:
    """The reason that the release section gives for waiving a refusal."""
    accept = recipe.release.get("accept")
    reason = accept.get(what) if isinstance(accept, Mapping) else None
    return str(reason) if reason else None


def ask_contamination(workspace: Workspace, built: BuiltFolder) -> Iterator[Reason]:
    """The build record has a report over at least one benchmark."""
    recipe = workspace.recipe
    build = built.build
    if build.get("contamination") and build.get("benchmarks"):
        return
    what = "a contamination report is there, and it names no benchmark"
    if not build.get("contamination"):
        what = "there is no contamination report: the dataset was compared with no benchmark"
    where = f"{recipe.name}/{built.stage.name}"
    if reason := accepted(recipe, "contamination"):
        yield Reason("warn", f"{what}; accepted: {reason}", "Nothing to do", where)
        return
    fix = (
        "Bind `contamination_figures` and declare `benchmarks` (docs/contamination.md), or say under "
        "`release: accept: {contamination: ...}` why it is right"
    )
    yield Reason("refuse", what, fix, where)


def ask_licences(workspace: Workspace, built: BuiltFolder) -> Iterator[Reason]:
    """The declared licence against those of the seeds and models that the dataset was made with."""
    recipe = workspace.recipe
    above = ancestors(workspace, built.stage)
    sources = {
        stage.source: recipe.sources[stage.source].licence
        for stage in above
        if stage.source and not recipe.sources[stage.source].is_benchmark
    }
    models = {stage.role: recipe.roles[stage.role].licence for stage in above if stage.is_generation and stage.role}
    declared = recipe.release.get("licence")
    reason = accepted(recipe, "licence")
    where = f"{recipe.name}/{built.stage.name}"
    for clash in clashes(str(declared) if declared else None, sources, models):
        is_refused = clash.level == "refuse" or clash.what == UNDECLARED
        if is_refused and not reason:
            yield Reason("refuse", clash.what, clash.fix, where)
        else:
            words = f"{clash.what}; accepted: {reason}" if reason and is_refused else clash.what
            yield Reason("warn", words, clash.fix, where)


def ask_sources(workspace: Workspace, built: BuiltFolder) -> Iterator[Reason]:
    """A branch moves: without a lock nobody can say what was read."""
    recipe = workspace.recipe
    used = {stage.source for stage in ancestors(workspace, built.stage) if stage.source}
    locked = read_lock(recipe, workspace.root)
    for name in sorted(used):
        source = recipe.sources[name]
        if source.track and name not in locked:
            what = f"the source {name!r} follows the branch {source.track!r} and has no lock"
            yield Reason("refuse", what, f"Pin it: mathloom update {recipe.name}", str(source.place))


def secrets_of(recipe: Recipe, environment: Mapping[str, str] | None = None) -> list[str]:
    """Values that no file may hold: keys of engines, and what is named like a token. None: of this process."""
    environment = os.environ if environment is None else environment
    named = {role.options.get(_KEY_OPTION) for role in recipe.roles.values()} | {recipe.schedule.notify_env}
    found = {
        value
        for name, value in environment.items()
        if (name in named or _SECRET_NAME.fullmatch(name)) and len(value) >= MIN_SECRET
    }
    return sorted(found)


def ask_secrets(
    workspace: Workspace, built: BuiltFolder, texts: Mapping[str, bytes], environment: Mapping[str, str] | None = None
) -> Iterator[Reason]:
    """Look for secrets and local paths in every file, the published card and changelog included.

    What a version holds never changes, so it is looked through once: findings are remembered by its hash.
    """
    secrets = secrets_of(workspace.recipe, environment)
    # The built card is not what goes out: a release decorates it, and that one is looked through.
    inside = [finding for finding in _findings(workspace, built, secrets) if finding.path not in texts]
    found = [*inside, *_scan_texts(workspace, texts, secrets)]
    for path in dict.fromkeys(finding.path for finding in found):
        here = [finding for finding in found if finding.path == path]
        shown = ", ".join(f"{finding.what} ({finding.place})" for finding in here[:_SHOWN])
        more = f" and {len(here) - _SHOWN} more" if len(here) > _SHOWN else ""
        fix = "Remove it from rows, recipe, note or card, and build again; revoke a secret that got so far"
        yield Reason("refuse", f"{shown}{more}", fix, path)


def _findings(workspace: Workspace, built: BuiltFolder, secrets: Sequence[str]) -> list[Finding]:
    # Of the secrets a hash alone names the file: another secret, another scan.
    asked = hash_json([SCAN_FORMAT, list(secrets)])[:16]
    file = workspace.root / "checks" / f"{built.version.version[:40]}.scan.{asked}.json"
    remembered: list[dict[str, Any]] | None = read_json(file)
    if remembered is not None:
        return [Finding(**finding) for finding in remembered]
    found = _scan(workspace, built.folder, secrets)
    write_json(file, [asdict(finding) for finding in found])
    return found


def _scan_texts(workspace: Workspace, texts: Mapping[str, bytes], secrets: Sequence[str]) -> list[Finding]:
    """Card and changelog as they go out: notes and the author's own words came in after the build."""
    folder = workspace.root / "staging" / f"scan-{uuid.uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        for path, content in texts.items():
            (folder / path).write_bytes(content)
        return _scan(workspace, folder, secrets)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _scan(workspace: Workspace, folder: Path, secrets: Sequence[str]) -> list[Finding]:
    session = open_session(
        memory_limit=workspace.memory_limit,
        threads=workspace.threads,
        temp=workspace.root / "staging" / "spill-scan",
        folders=[folder],
    )
    try:
        return list(scan_folder(session, folder, secrets))
    finally:
        session.close()
