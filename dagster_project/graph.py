"""One Dagster asset a stage: the graph that the UI shows and that every build runs through.

No ``from __future__ import annotations`` here: Dagster 1.13 then refuses the typed ``context`` argument of an asset.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from assets.kinds import TableKind
from dagster_project.automation.conditions import automation_condition
from dagster_project.builds import Builds, EngineRole, engine_role
from dagster_project.language.resolved import Recipe, Stage
from dagster_project.metadata import after_build, check_result, column_lineage, column_schema
from dagster_project.planning.record import plan_metadata
from dagster_project.running.stage import CheckFailure, build_stage
from dagster_project.sqlfiles.kind import SqlKind
from dagster_project.sqlfiles.lineage import columns as lineage_of
from resources.errors import MathloomError
from resources.identity import hash_json


def recipe_assets(recipe: Recipe) -> list[dg.AssetsDefinition]:
    """The assets of one recipe, keyed ``[recipe, stage]``, behind the profile if it is not the usual one."""
    return [_stage_asset(recipe, stage) for stage in recipe.stages.values()]


def role_resources(recipe: Recipe, environment: Mapping[str, str]) -> dict[str, EngineRole]:
    """The resource of each role, keyed ``recipe__role``. ``environment``: where its key would be."""
    return {role_key(recipe, name): engine_role(recipe, role, environment) for name, role in recipe.roles.items()}


def role_key(recipe: Recipe, role: str) -> str:
    """Dagster's resource keys are Python names."""
    return f"{recipe.name}__{role}".replace("-", "_")


def check_names(stage: Stage) -> list[tuple[str, str, bool]]:
    """(name, description, blocking) of the law and of every declared check."""
    law = f"law_{stage.kind.law.name}"
    found = [(law, "Conservation law: no row appears or vanishes without a record.", True)]
    return found + [(c.name, f"{c.test} {dict(c.arguments) or ''}".strip(), c.blocking) for c in stage.checks]


def _stage_asset(recipe: Recipe, stage: Stage) -> dg.AssetsDefinition:
    asset_key = dg.AssetKey(recipe.asset_path(stage.name))
    specs = [
        dg.AssetCheckSpec(name=name, asset=asset_key, description=text, blocking=blocking)
        for name, text, blocking in check_names(stage)
    ]
    required = {"builds"} | ({role_key(recipe, stage.role)} if stage.role else set())

    @dg.asset(
        key=asset_key,
        deps=[dg.AssetKey(recipe.asset_path(parent)) for parent in stage.parents],
        group_name=recipe.name.replace("-", "_"),
        description=_description(stage),
        owners=list(recipe.owners) or None,
        kinds=_kinds(stage),
        code_version=_code_version(recipe, stage),
        metadata=_before_build(recipe, stage),
        check_specs=specs,
        automation_condition=automation_condition(stage) if recipe.schedule.automates else None,
        required_resource_keys=required,
    )
    def built(context: dg.AssetExecutionContext) -> Iterator[Any]:
        builds: Builds = context.resources.builds
        progress = builds.progress(context.log)
        try:
            workspace = builds.workspace(recipe.name)
            if stage.role:
                role: EngineRole = getattr(context.resources, role_key(recipe, stage.role))
                role.configure(workspace.roles)
            outcome = build_stage(
                workspace,
                stage,
                run_id=context.run.run_id,
                progress=progress,
                force=builds.force,
                announce=lambda plan: context.log_event(
                    dg.AssetObservation(
                        asset_key=asset_key,
                        description="Plan, before the engine starts.",
                        metadata=plan_metadata(plan.to_json()),
                    )
                ),
            )
        except MathloomError as error:
            progress.stage_failed(stage.name, error)
            if isinstance(error, CheckFailure):
                for result in error.results:
                    yield check_result(result)
            raise dg.Failure(str(error), allow_retries=error.retryable) from error
        yield dg.MaterializeResult(
            metadata={**after_build(outcome), **_column_lineage(recipe, stage)},
            data_version=dg.DataVersion(outcome.version.version[:40]),
            check_results=[check_result(result) for result in outcome.checks],
        )

    return built


def _description(stage: Stage) -> str:
    text = stage.description or stage.kind.description
    return f"{text}\n\nKind `{stage.kind.name}`, declared at `{stage.place.path.name}:{stage.place.line}`."


def _kinds(stage: Stage) -> set[str]:
    if isinstance(stage.kind, SqlKind):
        return {"sql", "duckdb"}
    if stage.is_generation:
        return {"llm"}
    return {"python", "parquet"} if isinstance(stage.kind, TableKind) else {"python"}


def _code_version(recipe: Recipe, stage: Stage) -> str:
    role = recipe.roles[stage.role] if stage.role else None
    said = [
        stage.kind.name,
        stage.kind.code_version,
        stage.settings.identity(),
        {formal: [str(ref) for ref in refs] for formal, refs in stage.inputs.items()},
        [role.engine, dict(role.options)] if role else None,
        [(recipe.prompts_folder / f"{name}.yaml").read_text(encoding="utf-8") for name in stage.prompts],
    ]
    return hash_json(said)[:16]


def _before_build(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "dagster/column_schema": column_schema(stage.kind.outputs(stage.settings)["rows"]),
        "mathloom/kind": stage.kind.name,
        "mathloom/settings": dg.MetadataValue.json(stage.settings.model_dump(mode="json")),
    }
    if isinstance(stage.kind, SqlKind):
        shown["mathloom/sql"] = dg.MetadataValue.md(f"```sql\n{stage.kind.sql}\n```")
    return {**shown, **_column_lineage(recipe, stage)}


def _column_lineage(recipe: Recipe, stage: Stage) -> dict[str, Any]:
    """On the definition it shows before the first build; the UI's column view reads it from the materialisation."""
    if not isinstance(stage.kind, SqlKind):
        return {}
    return {"dagster/column_lineage": column_lineage(recipe, stage, lineage_of(stage.kind))}
