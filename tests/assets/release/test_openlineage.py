"""OpenLineage events of a build record: their form by the spec 2-0-2, and what they say."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.release.openlineage import UNKNOWN_TIME, events

LINE = {"kind": "sql/x", "code": "1", "settings": {}, "funnel": {}, "checks": []}
BUILD: dict[str, Any] = {
    "format": 2,
    "mathloom": "1.2.3",
    "recipe": {"name": "mine", "hash": "ab"},
    "splits": {"train": 6},
    "sources": {"gsm8k": {"hub": "openai/gsm8k", "revision": "f" * 40}, "own": {"hub": None, "sha256": "cd"}},
    "columns": {
        "provenance": [["k", "int32", "Round."]],
        "default": [["problem", "string", "The problem."], ["votes", "int32", ""]],
    },
    "stages": {
        "train": {**LINE, "version": "v3", "inputs": {"ordered": ["graded.rows"]}, "rows": {"rows": 6}},
        "graded": {
            **LINE,
            "version": "v2",
            "inputs": {"problems": ["seeds.rows", "more.rows"], "known": ["seeds.rows"]},
            "rows": {"rows": 7, "rejects": 1},
            "columns": {"rows": {"id": "uuid", "n": "int32"}},
        },
        "seeds": {**LINE, "version": "v0", "source": "gsm8k", "inputs": {}, "rows": {"rows": 8}},
        "more": {**LINE, "version": "v1", "source": "own", "inputs": {}, "rows": {"rows": 8}},
    },
    "release": {"stage": "dataset", "inputs": {"splits": ["train.rows"], "problems": ["seeds.rows"]}},
    "files": {
        "data/train-0.parquet": {"rows": 4, "sha256": "1"},
        "data/train-1.parquet": {"rows": 2, "sha256": "2"},
        "provenance/train-0.parquet": {"rows": 6, "sha256": "3"},
    },
}

URI = re.compile(r"[a-z][a-z0-9+.-]*:\S+")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def check_event(event: dict[str, Any]) -> None:
    """What OpenLineage.json 2-0-2 asks of a RunEvent, and of each facet."""
    assert {"eventTime", "producer", "schemaURL", "run", "job"} <= event.keys()
    assert event["eventType"] in {"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"}
    assert TIME.fullmatch(event["eventTime"])
    assert URI.fullmatch(event["producer"])
    assert event["schemaURL"] == "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    assert str(uuid.UUID(event["run"]["runId"])) == event["run"]["runId"]
    facets = [*event["run"]["facets"].values(), *event["job"]["facets"].values()]
    for named in (event["job"], *event["inputs"], *event["outputs"]):
        assert isinstance(named["namespace"], str)
        assert isinstance(named["name"], str)
    for dataset in (*event["inputs"], *event["outputs"]):
        facets += [*dataset["facets"].values(), *dataset.get("outputFacets", {}).values()]
        for field in dataset["facets"].get("schema", {}).get("fields", []):
            assert all(isinstance(value, str) for value in field.values())
            assert {"name", "type"} <= field.keys()
    assert not any("outputFacets" in dataset for dataset in event["inputs"])
    for facet in facets:
        assert URI.fullmatch(facet["_producer"])
        assert re.fullmatch(r"https://openlineage\.io/spec/facets/[\d-]+/(\w+)\.json#/\$defs/\1", facet["_schemaURL"])
    json.dumps(event, allow_nan=False)


def _named(datasets: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(dataset["namespace"], dataset["name"]) for dataset in datasets]


def test_one_event_a_stage_upstream_first_then_the_release() -> None:
    found = events(BUILD)
    for event in found:
        check_event(event)
    assert [event["job"]["name"] for event in found] == ["more", "seeds", "graded", "train", "dataset"]
    assert {event["job"]["namespace"] for event in found} == {"mathloom/mine"}
    assert len({event["run"]["runId"] for event in found}) == 5


def test_what_a_stage_reads_and_writes() -> None:
    more, seeds, graded, *_ = events(BUILD)
    assert _named(seeds["inputs"]) == [("hf://datasets", "openai/gsm8k")]
    assert seeds["inputs"][0]["facets"]["version"]["datasetVersion"] == "f" * 40
    assert _named(more["inputs"]) == [("mathloom/mine", "source.own")]
    assert _named(graded["inputs"]) == [("mathloom/mine", "seeds.rows"), ("mathloom/mine", "more.rows")], "each once"
    assert _named(graded["outputs"]) == [("mathloom/mine", "graded.rows"), ("mathloom/mine", "graded.rejects")]
    rows = graded["outputs"][0]
    assert [(f["name"], f["type"]) for f in rows["facets"]["schema"]["fields"]] == [("id", "uuid"), ("n", "int32")]
    assert rows["outputFacets"]["outputStatistics"]["rowCount"] == 7
    assert rows["facets"]["version"]["datasetVersion"] == "v2"


def test_the_release() -> None:
    release = events(BUILD)[-1]
    assert _named(release["inputs"]) == [("mathloom/mine", "train.rows"), ("mathloom/mine", "seeds.rows")]
    assert [name for _, name in _named(release["outputs"])] == ["release.default", "release.provenance"]
    data = release["outputs"][0]
    assert data["facets"]["schema"]["fields"][0] == {"name": "problem", "type": "string", "description": "The problem."}
    assert data["outputFacets"]["outputStatistics"]["rowCount"] == 6


def test_the_same_record_gives_the_same_events_and_another_version_another_run() -> None:
    assert events(BUILD) == events(json.loads(json.dumps(BUILD)))
    other = json.loads(json.dumps(BUILD))
    other["stages"]["graded"]["version"] = "changed"
    before, after = events(BUILD), events(other)
    changed = [e["job"]["name"] for e, f in zip(before, after, strict=True) if e["run"]["runId"] != f["run"]["runId"]]
    assert changed == ["graded"]


def test_times_where_they_are_known() -> None:
    found = events(BUILD, {"graded": "2026-01-31T10:00:00+00:00"})
    assert [event["eventTime"] for event in found if event["job"]["name"] == "graded"] == ["2026-01-31T10:00:00+00:00"]
    assert {event["eventTime"] for event in found if event["job"]["name"] != "graded"} == {UNKNOWN_TIME}


@pytest.mark.parametrize("build", [{}, {"format": 1, "recipe": "old", "splits": {"train": 3}, "versions": {"a": "b"}}])
def test_an_old_or_empty_record_is_its_release_alone(build: dict[str, Any]) -> None:
    [event] = events(build)
    check_event(event)
    assert event["job"]["name"] == "release"


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_KEYS = ["stages", "recipe", "splits", "sources", "benchmarks", "columns", "files", "release", "mathloom"]


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(_KEYS), _json | st.dictionaries(st.sampled_from(["a", "b"]), _json)), st.data())
def test_a_hostile_record_gives_well_formed_events(build: dict[str, Any], data: st.DataObject) -> None:
    mixed = json.loads(json.dumps(BUILD))
    mixed["stages"][data.draw(st.sampled_from(["graded", "seeds"]))].update(data.draw(st.dictionaries(_WORDS, _json)))
    for record in (build, BUILD | build, mixed):
        for event in events(record):
            check_event(event)


_WORDS = st.sampled_from(["version", "inputs", "rows", "columns", "source", "kind"])
