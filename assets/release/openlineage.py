"""BUILD.json as OpenLineage events, for catalogues that read those: one event a stage, and one for the release.

Spec 2-0-2 (``RunEvent``). Run ids are made of versions, so that the same data gives the same events. A build record is
somebody else's text: its values stay values, and names are cut.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from assets.release.graph import Edge, graph_of

SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
PRODUCER = "urn:mathloom:lineage"
UNKNOWN_TIME = "1970-01-01T00:00:00Z"
"""An event needs a time, and a release has none: whoever knows when a stage ran passes it."""

_FACETS = "https://openlineage.io/spec/facets"
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, PRODUCER)
_MAX_NAME = 200
_DATA = ("default", "provenance", "contamination")
"""Configs of a release, in the order of their events' outputs; others after them."""

Event = dict[str, Any]


def events(build: Mapping[str, Any], times: Mapping[str, str] | None = None) -> list[Event]:
    """COMPLETE events, upstream first; of a BUILD.json of format 1 the release alone.

    Args:
        build: BUILD.json.
        times: Stage -> when it ended (RFC 3339), where that is known; else :data:`UNKNOWN_TIME`.
    """
    graph = graph_of(build)
    space = f"mathloom/{_cut(graph.name)}"
    stages = _mapping(build.get("stages"))
    known = times or {}
    found = []
    for node in graph.stages if stages else ():
        facts = _mapping(stages.get(node.name))
        inputs = [_read(edge, space, build, stages) for edge in graph.edges if edge.stage == node.name]
        run = _run(node.name, facts.get("version") or _digest(facts), build, space)
        outputs = [_written(space, node.name, str(table), facts) for table in _mapping(facts.get("rows"))]
        found.append(_event(known.get(node.name), run, space, node.name, inputs, outputs))
    name = _cut(_mapping(build.get("release")).get("stage") or "release")
    run = _run(name, _digest([build.get("files"), build.get("recipe")]), build, space)
    found.append(_event(known.get(name), run, space, name, _of_release(build, space, stages), _datasets(build, space)))
    return found


def _event(
    time: str | None, run: Event, space: str, name: str, inputs: Sequence[Event], outputs: Sequence[Event]
) -> Event:
    return {
        "eventType": "COMPLETE",
        "eventTime": time or UNKNOWN_TIME,
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": run,
        "job": {"namespace": space, "name": _cut(name), "facets": _job_type()},
        "inputs": list({(found["namespace"], found["name"]): found for found in inputs}.values()),
        "outputs": list(outputs),
    }


def _run(stage: str, version: object, build: Mapping[str, Any], space: str) -> Event:
    name = f"{space}/{stage}/{version}".encode("utf-8", "replace").decode()
    words = {"name": "mathloom", "version": str(build.get("mathloom") or "unknown")}
    return {
        "runId": str(uuid.uuid5(_SPACE, name)),
        "facets": {"processing_engine": _facet("1-1-1", "ProcessingEngineRunFacet", **words)},
    }


def _job_type() -> Event:
    words = {"processingType": "BATCH", "integration": "MATHLOOM", "jobType": "STAGE"}
    return {"jobType": _facet("2-0-3", "JobTypeJobFacet", **words)}


# -- datasets --------------------------------------------------------------------------------------------------------


def _read(edge: Edge, space: str, build: Mapping[str, Any], stages: Mapping[str, Any]) -> Event:
    if edge.table == "source":
        return _source(edge.source, space, build)
    return _table(space, edge.source, edge.table, _mapping(stages.get(edge.source)))


def _source(name: str, space: str, build: Mapping[str, Any]) -> Event:
    """A dataset of the Hub under its own name, so that events of others about it meet; a file under the recipe's."""
    pin = _mapping(_mapping(build.get("sources")).get(name) or _mapping(build.get("benchmarks")).get(name))
    version = pin.get("revision") or pin.get("sha256")
    facets = {"version": _version(version)} if version else {}
    if pin.get("hub"):
        return {"namespace": "hf://datasets", "name": _cut(pin["hub"]), "facets": facets}
    return {"namespace": space, "name": _cut(f"source.{name}"), "facets": facets}


def _table(space: str, stage: str, table: str, facts: Mapping[str, Any]) -> Event:
    columns = _mapping(_mapping(facts.get("columns")).get(table))
    found = {"version": _version(facts["version"])} if facts.get("version") else {}
    if columns:
        found["schema"] = _schema([{"name": str(name), "type": str(kind)} for name, kind in columns.items()])
    return {"namespace": space, "name": _cut(f"{stage}.{table}"), "facets": found}


def _written(space: str, stage: str, table: str, facts: Mapping[str, Any]) -> Event:
    rows = _mapping(facts.get("rows")).get(table)
    return _table(space, stage, table, facts) | {"outputFacets": _statistics(rows)}


def _of_release(build: Mapping[str, Any], space: str, stages: Mapping[str, Any]) -> list[Event]:
    """What the release stage reads: as it says itself, or the splits of a record that does not."""
    inputs = _mapping(_mapping(build.get("release")).get("inputs"))
    said = [str(ref) for refs in inputs.values() for ref in _list(refs)]
    refs = said or [f"{split}.rows" for split in _mapping(build.get("splits"))]
    parts = [ref.partition(".") for ref in refs]
    return [_table(space, stage, table or "rows", _mapping(stages.get(stage))) for stage, _, table in parts]


def _datasets(build: Mapping[str, Any], space: str) -> list[Event]:
    """One dataset a config. Rows are those of the splits, where they have the same names; shared files count once."""
    files = _mapping(build.get("files"))
    columns = _mapping(build.get("columns")) or {"default": []}
    found = []
    for config in sorted(columns, key=lambda name: (_DATA.index(name) if name in _DATA else len(_DATA), name)):
        folder = "data/" if config == "default" else f"{config}/"
        counts = [_mapping(said).get("rows") for path, said in files.items() if str(path).startswith(folder)]
        fields = [
            {"name": str(field[0]), "type": str(field[1]), "description": str(field[2])}
            for field in _list(columns[config])
            if len(_list(field)) == 3
        ]
        facets = {"version": _version(_digest(files))} | ({"schema": _schema(fields)} if fields else {})
        rows = sum(count for count in counts if isinstance(count, int))
        name = _cut(f"release.{config}")
        found.append({"namespace": space, "name": name, "facets": facets, "outputFacets": _statistics(rows)})
    return found


# -- facets ----------------------------------------------------------------------------------------------------------


def _facet(number: str, name: str, /, **words: Any) -> Event:
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{number}/{name}.json#/$defs/{name}", **words}


def _version(version: object) -> Event:
    return _facet("1-0-1", "DatasetVersionDatasetFacet", datasetVersion=_cut(version))


def _schema(fields: Sequence[Mapping[str, str]]) -> Event:
    return _facet("1-1-1", "SchemaDatasetFacet", fields=list(fields))


def _statistics(rows: object) -> Event:
    if not isinstance(rows, int) or isinstance(rows, bool):
        return {}
    return {"outputStatistics": _facet("1-0-2", "OutputStatisticsOutputDatasetFacet", rowCount=rows)}


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _digest(value: object) -> str:
    """Of any value that JSON can say, NaN included."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def _cut(value: object) -> str:
    return str(value)[:_MAX_NAME]
