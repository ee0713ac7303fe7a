from __future__ import annotations

from typing import Any

from dagster_project.released.making import above, merged_order, stages_of
from dagster_project.released.recipes import recipe_changes
from tests.dagster_project.released.conftest import HOSTILE, Make, Row


def stages(release: Make, **build: Any) -> Any:
    return stages_of(release({"train": [Row("p")]}, build))


def test_format_1_is_read_in_the_order_of_its_funnel(release: Make) -> None:
    found = stages(
        release,
        recipe="r",
        versions={"b": "22", "a": "11"},
        funnel=[{"stage": "b", "kind": "seeds/x"}, {"stage": "a", "kind": "sql/y", "rejected": {"short": 3}}],
    )
    assert [(made.name, made.kind, made.version) for made in found.values()] == [
        ("b", "seeds/x", "22"),
        ("a", "sql/y", "11"),
    ]
    assert found["b"].is_source
    assert found["a"].rejected == {"short": 3}
    assert above(found, ["a"]) == {"a", "b"}


def test_format_2_is_put_upstream_first(release: Make) -> None:
    records = {
        "a": {"kind": "sql/y", "version": "1", "inputs": {"rows": ["b.rejects"]}},
        "b": {"kind": "sql/x", "version": "2", "inputs": {"rows": ["c"], "more": ["c"]}},
        "c": {"kind": "seeds/z", "version": "3", "inputs": {}},
        "d": {"kind": "seeds/z", "version": "4", "inputs": {}},
    }
    found = stages(release, stages=records)
    assert list(found).index("c") < list(found).index("b") < list(found).index("a")
    assert found["c"].is_source
    assert above(found, ["a"]) == {"a", "b", "c"}


def test_a_record_of_another_shape_is_nothing(release: Make) -> None:
    circle = {"a": {"inputs": {"x": ["b"]}}, "b": {"inputs": {"x": ["a"]}}}
    assert set(stages(release, stages=circle)) == {"a", "b"}
    assert stages(release, stages=3, versions=[], lineage="x", funnel={"a": 1}) == {}
    assert list(stages(release, stages={HOSTILE: 3}, funnel=[3, {"stage": [1]}])) == ["[1]", HOSTILE]


def test_stages_of_both_have_one_order() -> None:
    assert merged_order(["a", "x", "b", "z"], ["a", "y", "b"]) == ["a", "x", "y", "b", "z"]
    assert merged_order([], ["a"]) == ["a"]
    assert merged_order(["x", "y"], []) == ["x", "y"]


def test_what_was_made_otherwise_is_said_in_words(release: Make) -> None:
    old = {
        "sources": {"s": {"sha256": "1", "rows": 3, "licence": "MIT"}, "gone": {}},
        "mathloom": "1",
        "recipe": {"files": {"recipe.yaml": "1", "same": "1"}},
        "stages": {
            "a": {"kind": "k", "code": "1", "inputs": {}},
            "b": {"kind": "k", "settings": {"x": 1}, "inputs": {}},
        },
    }
    new = {
        "sources": {"s": {"sha256": "2", "rows": 4, "licence": "MIT"}},
        "mathloom": "2",
        "recipe": {"files": {"recipe.yaml": "2", "same": "1"}},
        "stages": {"b": {"kind": "k", "settings": {"x": 2}, "inputs": {}}, "c": {"kind": HOSTILE, "inputs": {}}},
    }
    found = recipe_changes(old, new, stages(release, **old), stages(release, **new))
    assert found[:4] == [
        "source s: other content (3 rows became 4)",
        "source gone is gone",
        "stage a is gone",
        "stage b: settings (x)",
    ]
    assert found[-2:] == ["file recipe.yaml of the recipe", "mathloom 1 became 2"]
    assert all("\n" not in line and len(line) <= 300 for line in found)
