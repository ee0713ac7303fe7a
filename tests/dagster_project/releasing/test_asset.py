"""The asset ``publish``: what the UI shows of a release, of a night without one, and of a shut gate."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from dagster_project.assembly import build_definitions
from dagster_project.language.load import load_project
from dagster_project.language.resolved import Publishing, Recipe
from dagster_project.releasing.asset import publish_assets
from dagster_project.releasing.gate import QUESTIONS, Gate, Reason, Verdict, check_name
from dagster_project.releasing.shown import gate_results
from resources.errors import HubError, ReleaseError
from tests.dagster_project.releasing.place import ACCEPT, Place

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
KEY = dg.AssetKey(["sums", "publish"])


def definitions(place: Place, recipe: Recipe) -> dg.Definitions:
    project = load_project(place.folder / "mathloom.toml")
    return build_definitions(replace(project, recipes={"sums": recipe}))


def run(place: Place, instance: dg.DagsterInstance, *stages: str) -> dg.ExecuteInProcessResult:
    job = definitions(place, place.publishing()).resolve_implicit_global_asset_job_def()
    keys = [dg.AssetKey(["sums", stage]) for stage in [*stages, "publish"]]
    return job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False, run_config=QUIET)


def shown(instance: dg.DagsterInstance) -> dict[str, Any]:
    event = instance.get_latest_materialization_event(KEY)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    return {name: value.value for name, value in metadata.items()}


def test_a_release_shows_all_of_it(place: Place) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(place, instance, *place.recipe.stages).success
        place.become("rows")
        assert run(place, instance).success
        found = shown(instance)
        record = instance.get_latest_data_version_record(KEY)
        assert record is not None
        assert record.asset_materialization is not None
        tags = record.asset_materialization.tags
    assert (found["state"], found["tag"], found["step"]) == ("released", "v1.1.0", "minor")
    assert found["commit"] == place.repository.head()
    assert found["rows removed: train"] > 0
    assert found["rows: train"] == place.plan().built.rows["train"]
    assert found["changelog"].startswith("## v1.1.0")
    assert "license:" not in found["card"]
    assert "# sums" in found["card"]
    assert tags is not None
    assert tags["dagster/data_version"] == place.plan().built.digest
    lines = found["made from"].splitlines()[2:]
    assert len(lines) == len(place.recipe.stages)
    (problems,) = [line for line in lines if "/problems?" in line]
    event = r"\| \[sums/problems\]\(/assets/sums/problems\?view=events&asOf=\d{13}\) \|"
    assert re.match(event + r" `[0-9a-f]{12}` \| \[[0-9a-f]{8}\]\(/runs/[-0-9a-f]{36}\) \|$", problems), problems
    (short,) = [line for line in lines if line.startswith("| sums/short |")]
    assert short.endswith("` |  |")  # the released version was built before this history began


def test_a_night_without_news_materialises_and_commits_nothing(place: Place) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run(place, instance)
        head = place.repository.head()
        assert run(place, instance).success
        found = shown(instance)
    assert (found["state"], found["bytes sent"], found["rows added: train"]) == ("nothing new", 0, 0)
    assert found["changelog"].startswith("### v1.0.0")  # what is published stays in sight
    assert "# sums" in found["card"]
    assert place.repository.head() == head


def test_a_shut_gate_fails_the_run_and_shows_every_reason(place: Place) -> None:
    place.edit(ACCEPT, "")
    place.edit("  licence: CC0-1.0\n  inputs", "  inputs")
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(place, instance)
        assert not result.success
        [failure] = [event for event in result.all_events if event.is_step_failure]
        words = str(failure.event_specific_data)
        evaluations = {e.check_name: e for e in result.get_asset_check_evaluations()}
    checks = {name: evaluation.passed for name, evaluation in evaluations.items()}
    assert str(evaluations["gate_current"].description).startswith("- refuse: sums/release: it is stale: ")
    assert "no contamination report" in words
    assert "no licence" in words
    assert {name for name, passed in checks.items() if not passed} == {
        "gate_current",
        "gate_contamination",
        "gate_licences",
    }
    assert checks.keys() == {check_name(name) for name in QUESTIONS}
    assert place.repository.head() is None


def test_a_place_that_cannot_be_reached_is_tried_again_and_the_log_says_why(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise HubError("does not answer", where="org/name", fix="Try again", retryable=True)

    monkeypatch.setattr("dagster_project.releasing.asset.open_destination", away)
    monkeypatch.setattr("dagster_project.releasing.asset.RETRY_S", 0)
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(place, instance)
        said = [record.user_message for record in instance.all_logs(result.run_id) if "try " in record.user_message]
    assert [line.partition(":")[0] for line in said] == ["try 1 of 3", "try 2 of 3", "try 3 of 3"]
    assert "does not answer" in said[0]


def test_reasons_are_a_list_that_cannot_hold_markup_of_others() -> None:
    reasons = (Reason("refuse", "![a](http://b/c) <b>", "Mend `it`", "x_y_z"), Reason("refuse", "two", "Again", "x"))
    [result] = [r for r in gate_results(Gate((Verdict("whole", "", reasons),))) if r.check_name == "gate_whole"]
    lines = str(result.description).splitlines()
    assert lines == [r"- refuse: x_y_z: !\[a](http://b/c) \<b>. Mend `it`", "- refuse: x: two. Again"]


def test_without_a_place_there_is_no_asset(place: Place) -> None:
    assert publish_assets(place.recipe) == []
    assert KEY not in definitions(place, place.recipe).resolve_all_asset_keys()


def test_the_published_dataset_is_an_asset_downstream(place: Place) -> None:
    recipe = replace(place.recipe, publishing=Publishing(place.recipe.place, repository="org/some.name-1"))
    graph = definitions(place, recipe).resolve_asset_graph()
    external = dg.AssetKey(["hub", "org", "some.name-1"])
    assert graph.get(external).parent_keys == {KEY}
    assert not graph.get(external).is_executable
    assert graph.get(KEY).parent_keys == {dg.AssetKey(["sums", "release"])}


def test_two_profiles_that_publish_to_one_repository_share_its_asset(place: Place) -> None:
    recipe = replace(place.recipe, publishing=Publishing(place.recipe.place, repository="org/name"))
    other = replace(recipe, profile="other", key_prefix=("other",), name="others")
    project = load_project(place.folder / "mathloom.toml")
    graph = build_definitions(replace(project, recipes={"sums": recipe, "others": other})).resolve_asset_graph()
    parents = graph.get(dg.AssetKey(["hub", "org", "name"])).parent_keys
    assert parents == {KEY, dg.AssetKey(["other", "others", "publish"])}


def test_the_job_of_a_recipe_builds_and_does_not_publish(place: Place) -> None:
    job = definitions(place, place.publishing()).resolve_job_def("sums")
    assert KEY not in job.asset_layer.executable_asset_keys


def test_a_stage_may_not_be_named_like_the_release(place: Place) -> None:
    recipe = place.publishing()
    stages = {**recipe.stages, "publish": recipe.stages["short"]}
    with pytest.raises(ReleaseError, match="publish"):
        publish_assets(replace(recipe, stages=stages))
