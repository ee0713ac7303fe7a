"""The graph of a release: what is read from a build record, and that nothing in one can leave its label."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.release.graph import MAX_STAGES, graph_of, mermaid

BUILD: dict[str, Any] = {
    "format": 2,
    "recipe": {"name": "toy"},
    "splits": {"train": 4},
    "sources": {"book": {"rows": 5}},
    "benchmarks": {"exam": {"rows": None}},
    "stages": {
        "train": {"kind": "sql/split", "inputs": {"x": ["kept.rows"], "y": ["kept.rejects"]}, "rows": {"rows": 4}},
        "kept": {"kind": "text/rules", "inputs": {"given": ["seeds.rows"]}, "rows": {"rows": 4, "rejects": 1}},
        "seeds": {"kind": "seeds/problems", "source": "book", "inputs": {}, "rows": {"rows": 5}},
    },
}  # fmt: skip

LINE = re.compile(
    r'  (?:[sn]\d+\[\("[^"\n]*"\)\]|[sn]\d+\["[^"\n]*"\]|[sn]\d+ -->(?:\|"[^"\n]*"\|)? [sn]\d+)', re.ASCII | re.DOTALL
)
"""What every line of a chart must be."""


def test_stages_stand_upstream_first_with_rows_and_sources() -> None:
    graph = graph_of(BUILD)
    assert [(node.name, node.rows, node.rejected) for node in graph.stages] == [
        ("seeds", 5, None),
        ("kept", 4, 1),
        ("train", 4, None),
    ]
    assert [(edge.source, edge.table, edge.stage, edge.rows) for edge in graph.edges] == [
        ("book", "source", "seeds", None),
        ("seeds", "rows", "kept", 5),
        ("kept", "rows", "train", 4),
        ("kept", "rejects", "train", 1),
    ]
    assert [(node.name, node.kind) for node in graph.sources] == [("book", "source"), ("exam", "benchmark")]


def test_a_chart_names_every_stage_and_table_that_is_no_rows() -> None:
    assert mermaid(graph_of(BUILD)) == (
        "flowchart LR\n"
        '  s0[("book<br/>source<br/>5 rows")]\n'
        '  s1[("exam<br/>benchmark")]\n'
        '  n0["seeds<br/>seeds/problems<br/>5 rows"]\n'
        '  n1["kept<br/>text/rules<br/>4 rows<br/>1 rejected"]\n'
        '  n2["train<br/>sql/split<br/>4 rows"]\n'
        "  s0 --> n0\n"
        "  n0 --> n1\n"
        "  n1 --> n2\n"
        '  n1 -->|"rejects"| n2\n'
    )


def test_a_record_without_stages_shows_its_splits() -> None:
    graph = graph_of({"recipe": "old", "splits": {"train": 3}, "versions": {"a": "b"}})
    assert [(node.name, node.kind, node.rows) for node in graph.stages] == [("train", "split", 3)]


def test_a_circle_ends() -> None:
    stages = {name: {"inputs": {"x": [f"{other}.rows"]}} for name, other in (("a", "b"), ("b", "a"), ("c", "c"))}
    assert {node.name for node in graph_of({"stages": stages}).stages} == {"a", "b", "c"}


def test_a_table_may_be_called_source() -> None:
    stages = {"a": {"rows": {"source": 2}}, "b": {"inputs": {"x": ["a.source"]}}}
    assert mermaid(graph_of({"stages": stages})).endswith("  n0 --> n1\n")


def test_a_long_chain_ends() -> None:
    stages = {f"s{i:05d}": {"inputs": {"x": [f"s{i - 1:05d}.rows"]}} for i in range(MAX_STAGES + 50)}
    assert len(graph_of({"stages": stages}).stages) == MAX_STAGES


HOSTILE = [
    'a"]; click n0 href "javascript:x"',
    "</div><script>",
    "a\nend\nflowchart",
    "`x`",
    "%%{init}%%",
    "x" * 500,
    "]",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_labels(name: str) -> None:
    build = {
        "sources": {name: {}},
        "stages": {
            name: {"kind": name, "source": name, "inputs": {name: [f"{name}.{name}"]}, "rows": {name: 1}},
            "b": {"kind": name, "inputs": {"x": [f"{name.partition('.')[0]}.{name}"]}},
        },
    }
    lines = mermaid(graph_of(build)).splitlines()
    assert lines[0] == "flowchart LR"
    for line in lines[1:]:
        assert LINE.fullmatch(line), line
        assert "<" not in line.replace("<br/>", "")
        assert len(line) < 2_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(st.fixed_dictionaries({key: JSON for key in ("recipe", "splits", "sources", "benchmarks", "stages")}))
def test_any_record_gives_a_chart(build: dict[str, Any]) -> None:
    for line in mermaid(graph_of(build)).splitlines()[1:]:
        assert LINE.fullmatch(line), line
