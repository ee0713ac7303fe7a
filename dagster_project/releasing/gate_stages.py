"""Questions of the gate about the stages behind a release: are they current, checked, and do their counts add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dagster_project.language.resolved import Stage
from dagster_project.releasing.built import BuiltFolder
from dagster_project.releasing.gate import Reason
from dagster_project.running.checking import check_version
from dagster_project.running.fingerprint import try_states, why_changed
from dagster_project.running.lineage import ancestors
from dagster_project.running.outcome import State
from dagster_project.running.workspace import Workspace
from resources.errors import StoreError
from resources.store import Version

CHECKED: tuple[State, ...] = ("current", "unchecked")
"""States of a stage whose version is the one that is released."""


def released_stages(workspace: Workspace, stage: Stage) -> list[Stage]:
    """The release stage and everything above it, upstream first."""
    return [*ancestors(workspace, stage), stage]


def released_versions(workspace: Workspace, stage: Stage) -> dict[str, Version]:
    """Stage -> the version that is released, of those that the store has."""
    found = {}
    for each in released_stages(workspace, stage):
        entry = workspace.environment.stages.get(each.name)
        if entry is not None:
            found[each.name] = workspace.store.version(entry.kind, entry.version)
    return found


def ask_whole(workspace: Workspace, built: BuiltFolder) -> Iterator[Reason]:
    """A preview has a few rows of every source and must never go out."""
    recipe = workspace.recipe
    said = built.build.get("recipe")
    rows = recipe.preview_rows or (said.get("preview_rows") if isinstance(said, Mapping) else None)
    if rows:
        fix = f"Build the whole: mathloom build {recipe.name}"
        yield Reason("refuse", f"this is a preview of {rows} rows of each source", fix, _where(workspace, built.stage))


def ask_current(workspace: Workspace, built: BuiltFolder) -> Iterator[Reason]:
    """Every stage has what would be built now."""
    recipe = workspace.recipe
    states, error = try_states(workspace)
    if error is not None:
        yield Reason("refuse", error.what, error.fix, error.where)
        return
    build = f"Build it: mathloom build {recipe.name} --profile {recipe.profile}"
    unknown = []
    for stage in released_stages(workspace, built.stage):
        state = states[stage.name]
        if state == "unknown":
            unknown.append(stage.name)
        elif state != "current":
            what, fix = _stale(workspace, stage, state)
            yield Reason("refuse", what, fix or build, _where(workspace, stage))
    if unknown:
        what = f"nobody knows whether these stages are stale, since stages above them are: {', '.join(unknown)}"
        yield Reason("refuse", what, build, recipe.name)


def _stale(workspace: Workspace, stage: Stage, state: State) -> tuple[str, str]:
    """What is wrong, and the remedy where it is another than a build."""
    if state == "retry":
        return "failed requests of it are to be asked again", ""
    if state == "unchecked":
        return (
            "its checks, as they are now, failed on it or never ran",
            f"Run them: mathloom test {workspace.recipe.name}",
        )
    if state == "stored":
        return "the environment has another version than would be built now", ""
    return f"it is stale: {why_changed(workspace, stage.name)} changed", ""


def ask_checks(workspace: Workspace, built: BuiltFolder) -> Iterator[Reason]:
    """Results of the checks on exactly the released versions; what never ran on them runs now."""
    versions = released_versions(workspace, built.stage)
    for stage in released_stages(workspace, built.stage):
        if not stage.checks:
            continue
        version = versions.get(stage.name)
        if version is None:
            yield Reason("refuse", "it was never built, so nothing is checked", "Build it", _where(workspace, stage))
            continue
        places = {check.name: str(check.place) for check in stage.checks}
        for result in check_version(workspace, stage, version):
            if not result.passed:
                yield Reason(
                    "refuse" if result.blocking else "warn",
                    f"the check {result.name} found {result.violations:,} violation(s) of `{result.description}`",
                    f"Mend the rows or the check at {places.get(result.name, stage.place)}",
                    _where(workspace, stage),
                )


def ask_funnel(workspace: Workspace, built: BuiltFolder) -> Iterator[Reason]:
    """The counts of the manifests, of exactly the released versions: in = what the inputs hold, and each law."""
    versions = released_versions(workspace, built.stage)
    for stage in released_stages(workspace, built.stage):
        if stage.name not in versions:
            yield Reason("refuse", "its version is unknown", "Build it", _where(workspace, stage))
            continue
        for what in _broken(workspace, stage, versions):
            fix = "Build it again with `--force`; if it stays, the kind loses or invents rows"
            yield Reason("refuse", what, fix, _where(workspace, stage))


def _broken(workspace: Workspace, stage: Stage, versions: Mapping[str, Version]) -> Iterator[str]:
    version = versions[stage.name]
    funnel: Mapping[str, Any] = version.facts.get("funnel") or {}
    if funnel.get("rows_out") != version.row_count():
        yield f"its funnel says {funnel.get('rows_out')} rows, and it holds {version.row_count():,}"
    for formal, refs in stage.inputs.items():
        absent = [str(ref) for ref in refs if ref.stage not in versions]
        if absent or not refs:
            yield from (f"its input {name} is not built" for name in absent)
            continue
        held = sum(versions[ref.stage].row_count(ref.table) for ref in refs)
        said = (funnel.get("rows_in") or {}).get(formal)
        if said != held:
            yield f"it read {said} rows of `{formal}`, and what is released there holds {held:,}"
    if what := _law(stage, version, funnel, versions):
        yield what


def _law(stage: Stage, version: Version, funnel: Mapping[str, Any], versions: Mapping[str, Version]) -> str | None:
    """The law of the kind, as far as counts can tell; on ids it was proven when the version was built."""
    law = stage.kind.law
    rejected = sum((funnel.get("rejected") or {}).values())
    if "rejects" in version.tables and rejected != version.row_count("rejects"):
        return f"its funnel says {rejected:,} rejects, and it holds {version.row_count('rejects'):,}"
    if law.name == "release":
        return _law_of_release(stage, version, versions)
    if law.name == "expand":
        return _law_of_expand(version, rejected)
    rows_in = version.facts.get("read") if law.name == "source" else (funnel.get("rows_in") or {}).get(law.input)
    if rows_in is None:
        return f"its funnel has no count of `{law.input or 'read'}`"
    rows_out = version.row_count()
    holds = {
        "source": rows_in == rows_out + rejected,
        "filter": rows_in == rows_out + rejected,
        "map": rows_in == rows_out,
        "union": rows_in == rows_out,
        "split": rows_in >= rows_out,
        "group": rows_in >= rows_out + rejected,
        "spread": rows_in <= rows_out + rejected,
    }.get(law.name, True)
    return None if holds else f"its law ({law.name}) does not hold: in {rows_in:,}, out {rows_out:,} + {rejected:,}"


def _law_of_expand(version: Version, rejected: int) -> str | None:
    """Each answered request is a row or a reject; rows that asked nothing are rejects too."""
    requests: Mapping[str, Any] = version.facts.get("requests") or {}
    answered, rows_out = version.row_count("requests") - requests.get("failed", 0), version.row_count()
    if rows_out <= answered <= rows_out + rejected:
        return None
    return f"its law (expand) does not hold: {answered:,} requests answered, out {rows_out:,} + {rejected:,}"


def _law_of_release(stage: Stage, version: Version, versions: Mapping[str, Version]) -> str | None:
    """Every split has as many rows in its files as the stage that it is."""
    written = {str(name): int(count) for name, count in (version.facts.get("rows") or {}).items()}
    refs = stage.inputs.get(stage.kind.law.input, ())
    held = {ref.stage: versions[ref.stage].row_count(ref.table) for ref in refs if ref.stage in versions}
    if written == held:
        return None
    differing = sorted(set(written.items()) ^ set(held.items()))
    return f"its splits do not hold the rows of their stages: {', '.join(sorted({name for name, _ in differing}))}"


def _where(workspace: Workspace, stage: Stage) -> str:
    return f"{workspace.recipe.name}/{stage.name}"


def version_of(workspace: Workspace, stage: Stage) -> dict[str, list[str]]:
    """Stage -> [kind, version] of everything that a release is made from, for the record."""
    try:
        found = released_versions(workspace, stage)
    except StoreError:  # an ancestor is gone: the gate says so
        return {}
    return {name: [version.kind, version.version] for name, version in found.items()}
