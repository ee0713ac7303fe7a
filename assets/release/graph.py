"""The graph of a release: sources, stages with their rows, and which table goes where, read from its BUILD.json.

A build record is somebody else's text: names are cut and escaped, and what does not fit the form is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assets.release.folder_reading import recipe_name

MAX_STAGES = 2_000
_MAX_NAME = 80

_ESCAPES = {ord(sign): f"#{ord(sign)};" for sign in "#\"'`<>&|[](){};\\"}
"""Mermaid ends labels at these, and browsers read some as markup; both know ``#NUMBER;``."""


@dataclass(frozen=True, slots=True)
class Node:
    """A stage, or a source."""

    name: str
    kind: str
    """``source``, ``benchmark``, or the kind of the stage."""
    rows: int | None
    rejected: int | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """A table that a stage reads; ``rows`` are those of the table."""

    source: str
    table: str
    stage: str
    input: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class Graph:
    """Sources and stages, upstream first. A stage may have the name of a source: they are different nodes."""

    name: str
    sources: tuple[Node, ...]
    stages: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def graph_of(build: Mapping[str, Any]) -> Graph:
    """The graph that a BUILD.json says; without stages for one of format 1."""
    stages = dict(list(_mapping(build.get("stages")).items())[:MAX_STAGES])
    names = _ordered(stages)
    splits = _mapping(build.get("splits"))
    sources = [
        Node(str(name), kind, _count(_mapping(facts).get("rows")))
        for section, kind in (("sources", "source"), ("benchmarks", "benchmark"))
        for name, facts in _mapping(build.get(section)).items()
    ]
    return Graph(
        name=str(recipe_name(build) or "release"),
        sources=tuple(sources),
        stages=tuple(_node(name, _mapping(stages[name])) for name in names)
        or tuple(Node(str(name), "split", _count(rows)) for name, rows in splits.items()),
        edges=tuple(edge for name in names for edge in _edges(name, stages, {node.name for node in sources})),
    )


def _node(name: str, facts: Mapping[str, Any]) -> Node:
    rows = _mapping(facts.get("rows"))
    return Node(name, str(facts.get("kind")), _count(rows.get("rows")), _count(rows.get("rejects")))


def _edges(name: str, stages: Mapping[str, Any], sources: set[str]) -> Iterator[Edge]:
    facts = _mapping(stages[name])
    source = facts.get("source")
    if isinstance(source, str) and source in sources:
        yield Edge(source, "source", name, "source", None)
    for formal, tables in _mapping(facts.get("inputs")).items():
        for said in tables if isinstance(tables, list) else ():
            stage, _, table = str(said).partition(".")
            if stage in stages:
                rows = _mapping(_mapping(stages[stage]).get("rows")).get(table)
                yield Edge(stage, table, name, str(formal), _count(rows))


def _ordered(stages: Mapping[str, Any]) -> list[str]:
    """Names, upstream first, those of equal depth by name; what lies on a circle comes last."""
    waiting = {
        name: {edge.source for edge in _edges(name, stages, set()) if edge.source != name} for name in sorted(stages)
    }
    found: list[str] = []
    while waiting:
        ready = [name for name, parents in waiting.items() if not parents] or list(waiting)
        found += ready
        waiting = {name: parents - set(ready) for name, parents in waiting.items() if name not in ready}
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


# -- Mermaid ---------------------------------------------------------------------------------------------------------


def mermaid(graph: Graph) -> str:
    """The graph as a Mermaid flow chart, for a card or a page: one node a stage, one edge a table that it reads."""
    sources = {node.name: f"s{number}" for number, node in enumerate(graph.sources)}
    stages = {node.name: f"n{number}" for number, node in enumerate(graph.stages)}
    lines = ["flowchart LR"]
    lines += [f'  {sources[node.name]}[("{_label(node)}")]' for node in graph.sources]
    lines += [f'  {stages[node.name]}["{_label(node)}"]' for node in graph.stages]
    for edge in _once(graph.edges):
        start = (sources.get(edge.source) if edge.table == "source" else None) or stages[edge.source]
        words = "" if edge.table in ("rows", "source") else f'|"{_escaped(edge.table)}"|'
        lines.append(f"  {start} -->{words} {stages[edge.stage]}")
    return "\n".join(lines) + "\n"


def _once(edges: Sequence[Edge]) -> list[Edge]:
    """One of the edges that would be drawn on top of each other: a table that is bound to two inputs."""
    return list({(edge.source, edge.table, edge.stage): edge for edge in edges}.values())


def _label(node: Node) -> str:
    parts = [_escaped(node.name), _escaped(node.kind)]
    if node.rows is not None:
        parts.append(f"{node.rows:,} rows")
    if node.rejected:
        parts.append(f"{node.rejected:,} rejected")
    return "<br/>".join(parts)


def _escaped(text: str) -> str:
    words = "".join(sign if sign.isprintable() else " " for sign in text)
    return (words if len(words) <= _MAX_NAME else f"{words[: _MAX_NAME - 1]}…").translate(_ESCAPES)
