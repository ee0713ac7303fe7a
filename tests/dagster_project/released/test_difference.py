"""Counts and causes of two folders against counts made row by row in Python; figures, examples, hostile text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.release.difference import Difference
from assets.release.folder_reading import Release
from dagster_project.released.difference import compare
from resources.errors import ReleaseError
from tests.dagster_project.released.conftest import HOSTILE, Make, Row, write_release

SOURCES = {"maths": {"sha256": "aa", "rows": 3}}
LINEAGE = {
    "solutions": {"weights": "w1", "model": "small", "prompts": {"solve": "p1"}, "settings": {"samples": 4}},
    "generated": {"weights": "w1", "model": "small", "prompts": {"augment": "q1"}, "settings": {"samples": 1}},
}


def build(**changes: Any) -> dict[str, Any]:
    return {"format": 2, "recipe": {"name": "r"}, "sources": SOURCES, "lineage": LINEAGE} | changes


def differ(old: Release, new: Release, split: str | None = None) -> Difference:
    return compare(old, new, names=("old", "new"), store=None, memory_limit="500MB", split=split)


def totals(found: Difference) -> dict[tuple[str, str], int]:
    counts: Counter[tuple[str, str]] = Counter()
    for line in found.lines:
        counts[line.split, line.kind] += line.rows
    return {pair: n for pair, n in counts.items() if n}


rows = st.builds(
    Row,
    problem=st.sampled_from(["p", "q", "r", HOSTILE]),
    sample=st.integers(0, 1),
    text=st.sampled_from(["one", "two", HOSTILE]),
    answer=st.sampled_from(["1", "2"]),
)
sides = st.tuples(st.lists(rows, min_size=1, max_size=8), st.integers(1, 8), st.booleans())


@given(before=sides, after=sides, has_provenance=st.booleans())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_and_lines_are_those_of_an_oracle(
    tmp_path_factory: pytest.TempPathFactory, before: Any, after: Any, has_provenance: bool
) -> None:
    """Copies of a row count one by one; nested splits; several files; with and without provenance."""
    releases = []
    for side, (given_rows, small, is_cut) in (("old", before), ("new", after)):
        splits = {"train": given_rows, "small": given_rows[:small]}
        folder = tmp_path_factory.mktemp(side)
        releases.append(write_release(folder, splits, has_provenance=has_provenance, files=2 if is_cut else 1))
    found = differ(*releases)
    for split, cut in (("train", (None, None)), ("small", (before[1], after[1]))):
        old, new = (side[0][:end] for side, end in zip((before, after), cut, strict=True))
        expected = oracle(old, new, has_provenance=has_provenance)
        counts = found.splits[split]
        assert (counts.old, counts.new) == (len(old), len(new))
        assert (counts.added, counts.removed, counts.changed, counts.same) == expected
        said = {kind: totals(found).get((split, kind), 0) for kind in ("added", "removed", "changed")}
        assert said == {"added": counts.added, "removed": counts.removed, "changed": counts.changed}
    back = differ(*reversed(releases))
    assert back.splits["train"].added == found.splits["train"].removed


def oracle(old: list[Row], new: list[Row], *, has_provenance: bool) -> tuple[int, int, int, int]:
    """Added, removed, changed, same: the copies of a key are paired in the order of their content."""
    keys = set()
    sides: list[dict[Any, list[Any]]] = []
    for side in (old, new):
        by_key: dict[Any, list[Any]] = {}
        for row in side:
            key = (row.problem, row.sample) if has_provenance else (row.problem, row.text)
            by_key.setdefault(key, []).append((row.text, row.answer) if has_provenance else row.answer)
        sides.append(by_key)
        keys |= set(by_key)
    added = removed = paired = 0
    for key in keys:
        before, after = (len(side.get(key, [])) for side in sides)
        added, removed, paired = (
            added + max(after - before, 0),
            removed + max(before - after, 0),
            paired + min(before, after),
        )
    same = paired - changed_of(sides, keys)
    return added, removed, paired - same, same


def changed_of(sides: list[dict[Any, list[Any]]], keys: set[Any]) -> int:
    """Pairs whose content differs; contents are put in the order of DuckDB's hash, as the comparison does."""
    import duckdb

    def order(content: Any) -> int:
        values = [text_hash(content[0]), *content[1:]] if isinstance(content, tuple) else [content]
        marks = ", ".join("?" for _ in values)
        return duckdb.execute(f"select hash({marks})", values).fetchall()[0][0]

    found = 0
    for key in keys:
        pairs = zip(*(sorted(side.get(key, []), key=order) for side in sides), strict=False)
        found += sum(before != after for before, after in pairs)
    return found


def text_hash(text: str) -> str:
    from tests.dagster_project.released.conftest import uid

    return uid("text", text)


# -- causes from two releases alone ----------------------------------------------------------------------------------


def causes(found: Difference) -> set[tuple[str, str, str]]:
    return {(line.kind, line.cause, line.detail) for line in found.lines}


def test_a_seed_that_its_source_no_longer_has(release: Make) -> None:
    old = release({"train": [Row("p"), Row("q"), Row("p again", seed="p")]}, build())
    new = release({"train": [Row("q")]}, build(sources={"maths": {"sha256": "bb"}}))
    assert causes(differ(old, new)) == {("removed", "seed", "source maths")}


def test_a_seed_of_the_same_source_is_not_blamed(release: Make) -> None:
    old = release({"train": [Row("p"), Row("q")]}, build())
    new = release({"train": [Row("q")]}, build())
    assert causes(differ(old, new)) == {("removed", "unknown", "the two releases alone do not tell")}


@pytest.mark.parametrize(
    ("change", "cause", "detail"),
    [
        ({"weights": "w2", "model": "large"}, "model", "solutions: small became large"),
        ({"prompts": {"solve": "p2"}}, "prompt", "solutions: solve"),
        ({"settings": {"samples": 5}}, "sampling", "solutions: samples 4 became 5"),
        ({"weights": "w2", "prompts": {"solve": "p2"}}, "model", "solutions: other weights"),
    ],
)
def test_a_model_that_was_asked_otherwise(release: Make, change: dict[str, Any], cause: str, detail: str) -> None:
    lineage = LINEAGE | {"solutions": LINEAGE["solutions"] | change}
    old = release({"train": [Row("p", text="a"), Row("q")]}, build())
    new = release({"train": [Row("p", text="b"), Row("q")]}, build(lineage=lineage))
    found = differ(old, new)
    assert causes(found) == {("changed", cause, detail)}
    assert any(line.startswith(f"stage solutions: {cause}") for line in found.recipe)


def test_new_problems_of_a_model_that_was_asked_otherwise(release: Make) -> None:
    lineage = LINEAGE | {"generated": LINEAGE["generated"] | {"prompts": {"augment": "q2"}}}
    old = release({"train": [Row("p"), Row("p2", seed="p")]}, build())
    new = release({"train": [Row("p"), Row("p3", seed="p")]}, build(lineage=lineage))
    assert causes(differ(old, new)) == {(kind, "prompt", "generated: augment") for kind in ("added", "removed")}


def test_a_vote_that_went_otherwise(release: Make) -> None:
    old = release({"train": [Row("p", 0), Row("p", 1), Row("q")]}, build())
    new = release({"train": [Row("p", 0, votes=3), Row("q")]}, build())
    [found] = causes(differ(old, new))
    assert found[:2] == ("removed", "vote")


@pytest.mark.parametrize(
    ("kind", "key", "cause", "detail"),
    [
        ("selection/text_rules", "settings", "filter", "checked: limit"),
        ("sql/majority_answer", "settings", "vote", "checked: limit"),
        ("selection/text_rules", "code", "code", "checked: code"),
    ],
)
def test_a_stage_with_other_settings_or_code(release: Make, kind: str, key: str, cause: str, detail: str) -> None:
    def stages(settings: dict[str, int], code: str) -> dict[str, Any]:
        return {"checked": {"kind": kind, "code": code, "settings": settings, "inputs": {"rows": ["solutions"]}}}

    after = stages({"limit": 2}, "1") if key == "settings" else stages({"limit": 1}, "2")
    old = release({"train": [Row("p"), Row("q")]}, build(stages=stages({"limit": 1}, "1")))
    new = release({"train": [Row("q")]}, build(stages=after))
    assert causes(differ(old, new)) == {("removed", cause, detail)}


def test_rows_that_only_changed_their_split(release: Make) -> None:
    everything = [Row("p"), Row("q"), Row("r")]
    old = release({"train": everything, "small": everything[:2]}, build())
    new = release({"train": everything, "small": everything[1:2], "other": everything[:1]}, build())
    assert causes(differ(old, new)) == {
        ("removed", "split", "small: 2 rows became 1"),
        ("added", "split", "other: the split is new"),
    }
    assert differ(old, new, "train").lines == []


def test_without_provenance_nothing_is_guessed(release: Make) -> None:
    old = release({"train": [Row("p"), Row("q")]}, has_provenance=False)
    new = release({"train": [Row("q")]}, build())
    assert causes(differ(old, new)) == {("removed", "unknown", "one of them has no provenance")}


# -- figures, examples, other configs --------------------------------------------------------------------------------


def test_figures_are_of_the_largest_split(release: Make) -> None:
    old = release(
        {"small": [Row("p", tokens=1)], "train": [Row("p", 0, votes=4, tokens=10), Row("p", 1, votes=1, tokens=30)]}
    )
    new = release({"small": [Row("p")], "train": [Row("p", origin={"is_trimmed": True}), Row("q")]})
    found = {metric.name: (metric.old, metric.new) for metric in differ(old, new).metrics}
    assert found["rows of train"] == (2, 2)
    assert found["unique problems"] == (1, 2)
    assert found["mean share of votes"] == (0.625, 1)
    assert found["rows with a majority of votes"] == (0.5, 1)
    assert found["mean tokens"] == (20, 10)
    assert found["95 % of rows have at most tokens"] == (30, 10)
    assert found["rows trimmed"] == (0, 0.5)


def test_examples_are_the_same_every_time_and_hold_both_texts(release: Make) -> None:
    old = release({"train": [Row(f"p{n}", text="before") for n in range(9)]})
    new = release({"train": [Row(f"p{n}", text="after") for n in reversed(range(9))]})
    found = differ(old, new).samples
    assert found == differ(old, new).samples
    assert [(s.kind, s.old, s.new, s.split) for s in found] == [("changed", "before", "after", "train")] * 3
    assert len({s.row_id for s in found}) == 3
    assert {s.problem for s in found} <= {f"p{n}" for n in range(9)}


def test_hostile_text_is_data(release: Make) -> None:
    hostile = Row(HOSTILE, text=HOSTILE, answer=HOSTILE, source=HOSTILE, stage=HOSTILE)
    old = release({"train": [Row("p")]}, build())
    new = release({"train": [Row("p"), hostile]}, build(lineage={HOSTILE: {"weights": HOSTILE}}, sources={HOSTILE: 3}))
    found = differ(old, new)
    assert [(s.problem, s.new, s.source) for s in found.samples] == [(HOSTILE, HOSTILE, HOSTILE)]
    assert found.splits["train"].added == 1


def test_long_texts_are_cut(release: Make) -> None:
    old = release({"train": [Row("p")]})
    [sample] = differ(old, release({"train": [Row("p"), Row("q" * 9999, text="t" * 9999)]})).samples
    assert (len(sample.problem), len(sample.new or "")) == (2000, 2000)


def test_the_contamination_report_is_compared_as_a_set(release: Make) -> None:
    def match(problem: str) -> dict[str, Any]:
        return {"problem": problem, "rule": "n-gram", "benchmark_problem": "b"}

    old = release({"train": [Row("p")]}, matches=[match("x"), match("y")])
    new = release({"train": [Row("p")]}, matches=[match("y"), match("z"), match("w")])
    counts = differ(old, new).other_configs["contamination"]
    assert (counts.old, counts.new, counts.added, counts.removed, counts.same) == (2, 3, 2, 1, 1)
    assert differ(old, release({"train": [Row("p")]})).other_configs["contamination"].removed == 2


def test_an_unknown_split_names_those_that_there_are(release: Make) -> None:
    old = release({"train": [Row("p")]})
    with pytest.raises(ReleaseError, match="train"):
        differ(old, old, "nope")


def test_a_split_with_other_provenance_is_refused(release: Make, tmp_path: Path) -> None:
    old, other = release({"train": [Row("p"), Row("q")]}), release({"train": [Row("p")]})
    wrong = other.provenance["train"][0].read_bytes()
    old.provenance["train"][0].write_bytes(wrong)
    with pytest.raises(ReleaseError, match="2 rows and 1 rows of provenance"):
        differ(old, other)


@pytest.mark.parametrize("share", [0, 0.5])
def test_a_damaged_file_is_an_error_and_no_crash(release: Make, share: float) -> None:
    """Nothing of it is left; or its first half is overwritten, and its end says what should be there."""
    old, new = release({"train": [Row("p")]}), release({"train": [Row("p")]})
    path = new.provenance["train"][0]
    whole = path.read_bytes()
    path.write_bytes(b"\xff" * (len(whole) // 2) + whole[len(whole) // 2 :] if share else b"nothing")
    with pytest.raises(ReleaseError, match="cannot be read"):
        differ(old, new)


def test_a_provenance_of_somebody_else_is_none(release: Make) -> None:
    old, new = release({"train": [Row("p"), Row("q")]}), release({"train": [Row("p")]})
    for paths in old.provenance.values():
        pq.write_table(pa.table({"made_by": ["me", "me"]}), paths[0])
    found = differ(old, new)
    assert found.splits["train"].removed == 1
    assert causes(found) == {("removed", "unknown", "one of them has no provenance")}
