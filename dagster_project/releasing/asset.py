"""The asset ``publish`` of a recipe: a release as one step of the graph, and the published dataset downstream of it.

No ``from __future__ import annotations`` here: Dagster 1.13 then refuses the typed ``context`` argument of an asset.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from assets.release.numbering import Step
from dagster_project.automation.runs import PUBLISH, publish_key
from dagster_project.builds import Builds
from dagster_project.language.resolved import Publishing, Recipe
from dagster_project.releasing.built import release_stage
from dagster_project.releasing.destination import open_destination
from dagster_project.releasing.gate import QUESTIONS, check_name
from dagster_project.releasing.record import Records
from dagster_project.releasing.wishes import wishes_of
from dagster_project.running.workspace import Workspace
from resources.errors import MathloomError, ReleaseError
from resources.hub.repository import Repository

if TYPE_CHECKING:
    from dagster_project.releasing.plan import ReleasePlan
    from dagster_project.releasing.publish import Published

RETRIES = 2
RETRY_S = 60
"""A Hub that cannot be reached now may be there a minute later. The plan is then made anew; one that a command made
cannot be, and the person before it tries again."""


class PublishConfig(dg.Config):
    """What a person may say about a release in the launchpad."""

    step: str | None = Field(None, description="A larger step than the computed one: patch, minor or major.")
    version: str | None = Field(None, description="The number, X.Y.Z, instead of the computed one.")
    note: str | None = Field(None, description="A sentence for the changelog.")
    again: bool = Field(False, description="Publish even what a revert took back.")
    only_rows: bool = Field(False, description="Publish nothing if no row changed: what a schedule says.")


@dataclass(slots=True)
class Prepared:
    """A plan that a command has made and shown already, and what came of it."""

    plan: "ReleasePlan"
    repository: Repository
    say: Callable[[str], None]
    published: "Published | None" = None
    error: MathloomError | None = None


def publish_assets(recipe: Recipe, prepared: Prepared | None = None) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The asset ``[recipe, publish]`` and the published dataset; none if the profile says of no place."""
    if recipe.publishing is None:
        return []
    if PUBLISH in recipe.stages:
        place = str(recipe.stages[PUBLISH].place)
        raise ReleaseError(f"a stage is named {PUBLISH!r}, as the release is", where=place, fix="Rename the stage")
    external = external_key(recipe.publishing)
    found: list[dg.AssetsDefinition | dg.AssetSpec] = [_asset(recipe, recipe.publishing, prepared)]
    if external is not None:
        spec = dg.AssetSpec(
            external,
            deps=[publish_key(recipe)],
            group_name=_group(recipe),
            kinds={"huggingface"},
            description=f"The published dataset of {recipe.title}.",
        )
        found.append(spec)
    return found


def publishing_assets(
    recipes: Sequence[Recipe], prepared: Mapping[str, Prepared] = MappingProxyType({})
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets of all recipes; a dataset that several of them publish to is one asset."""
    found: list[dg.AssetsDefinition | dg.AssetSpec] = []
    datasets: dict[dg.AssetKey, dg.AssetSpec] = {}
    for recipe in recipes:
        for asset in publish_assets(recipe, prepared.get(recipe.name)):
            if isinstance(asset, dg.AssetsDefinition):
                found.append(asset)
            elif asset.key in datasets:
                known = datasets[asset.key]
                datasets[asset.key] = known.replace_attributes(deps=[*known.deps, *asset.deps])
            else:
                datasets[asset.key] = asset
    return [*found, *datasets.values()]


def external_key(publishing: Publishing) -> dg.AssetKey | None:
    """The published dataset in the graph; a local folder is none."""
    return dg.AssetKey(["hub", *publishing.repository.split("/")]) if publishing.repository else None


def _group(recipe: Recipe) -> str:
    return recipe.name.replace("-", "_")


def _asset(recipe: Recipe, publishing: Publishing, prepared: Prepared | None) -> dg.AssetsDefinition:
    key = publish_key(recipe)
    stage = release_stage(recipe)
    place = publishing.repository or f"a folder ({publishing.folder.name if publishing.folder else ''})"

    @dg.asset(
        key=key,
        deps=[dg.AssetKey(recipe.asset_path(stage.name))],
        group_name=_group(recipe),
        description=f"Publishes {recipe.title} to {place}: one commit and one tag, if the gate is open.",
        owners=list(recipe.owners) or None,
        kinds={"huggingface"} if publishing.repository else {"parquet"},
        code_version="1",
        check_specs=[
            dg.AssetCheckSpec(name=check_name(name), asset=key, description=title) for name, title in QUESTIONS.items()
        ],
        required_resource_keys={"builds"},
        retry_policy=None if prepared else dg.RetryPolicy(max_retries=RETRIES, delay=RETRY_S),
    )
    def published(context: dg.AssetExecutionContext, config: PublishConfig) -> Iterator[Any]:
        from dagster_project.releasing.publish import publish
        from dagster_project.releasing.shown import gate_results, links, release_metadata

        builds: Builds = context.resources.builds
        try:
            workspace = builds.workspace(recipe.name)
            plan, repository = _planned(workspace, publishing, config, prepared, context.log.info)
            if config.only_rows and is_patch(plan):
                context.log.info(f"the rows are those of {plan.state.newest}: a new card is released by a person")
                yield _unpublished(plan, repository)
                return
            if not plan.gate.is_open:
                yield from gate_results(plan.gate)
            records = Records(workspace.root, recipe.name, workspace.environment_name)
            done = publish(plan, repository, records=records, say=prepared.say if prepared else context.log.info)
        except MathloomError as error:
            builds.progress(context.log).stage_failed(PUBLISH, error)
            if prepared is not None:
                prepared.error = error
            elif error.retryable:  # Dagster says that a step is tried again, and not why
                context.log.warning(f"try {context.retry_number + 1} of {RETRIES + 1}: {error}")
            raise dg.Failure(str(error), allow_retries=error.retryable and prepared is None) from error
        if prepared is not None:
            prepared.published = done
        metadata = release_metadata(plan, done)
        yield from dataset_events(publishing, plan.built.digest, metadata, done)
        ancestors = links(recipe, plan.versions or {}, context.instance)
        yield dg.MaterializeResult(
            metadata={**metadata, "made from": ancestors},
            data_version=dg.DataVersion(plan.built.digest),
            check_results=gate_results(plan.gate),
        )

    return published


def is_patch(plan: "ReleasePlan") -> bool:
    """Whether a release would go out that changes no row."""
    return plan.kind == "release" and plan.computed is Step.PATCH


def _unpublished(plan: "ReleasePlan", repository: Repository) -> dg.MaterializeResult:
    from dagster_project.releasing.shown import gate_results, unpublished_metadata

    newest = plan.state.newest
    return dg.MaterializeResult(
        metadata=unpublished_metadata(plan, repository.url(newest.tag if newest else None)),
        data_version=dg.DataVersion(plan.built.digest),
        check_results=gate_results(plan.gate),
    )


def _planned(
    workspace: Workspace,
    publishing: Publishing,
    config: PublishConfig,
    prepared: Prepared | None,
    say: Callable[[str], None],
) -> "tuple[ReleasePlan, Repository]":
    from dagster_project.releasing.plan import make_release_plan

    if prepared is not None:
        return prepared.plan, prepared.repository
    wishes = wishes_of(
        config.step,
        config.version,
        is_pull_request=publishing.is_pull_request,
        note=config.note,
        is_again=config.again,
    )
    repository = open_destination(publishing)
    return make_release_plan(workspace, repository, **wishes.arguments(), say=say), repository


def dataset_events(
    publishing: Publishing, digest: str, metadata: Mapping[str, Any], done: "Published"
) -> Iterator[dg.AssetMaterialization]:
    """What happened to the published dataset; nothing if it has what it had."""
    key = external_key(publishing)
    if key is None or done.state not in ("released", "tagged"):
        return
    kept = ("tag", "commit", "address")
    shown = {name: value for name, value in metadata.items() if name in kept or name.startswith("rows")}
    yield dg.AssetMaterialization(asset_key=key, metadata=shown, tags={"dagster/data_version": digest})
