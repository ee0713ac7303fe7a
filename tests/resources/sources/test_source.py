"""Pins: what names the content of a source, and what happens when content and lock disagree."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.errors import SeedError
from resources.hub import reading as hub
from resources.sources.source import Pinned, SourceSpec, open_rows, pin, resolve

COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "f" * 40


def _file(tmp_path: Path, text: str = '{"a": "1"}\n\n{"a": "2"}\n') -> SourceSpec:
    path = tmp_path / "s.jsonl"
    path.write_text(text)
    return SourceSpec("mine", path=path)


def test_a_file_is_pinned_by_its_bytes_and_rows(tmp_path: Path) -> None:
    source = _file(tmp_path)
    pinned = pin(source)
    assert (pinned.revision, pinned.rows) == (None, 2)
    assert source.path is not None
    assert pinned.sha256 == hashlib.sha256(source.path.read_bytes()).hexdigest()
    assert resolve(source, pinned.lock_entry()) == pinned


def test_rows_of_every_format_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("problem,x\na,1\n\nb,2\n")
    pq.write_table(pa.table({"a": list(range(700))}), tmp_path / "a.parquet")
    assert pin(SourceSpec("c", path=tmp_path / "a.csv")).rows == 2
    assert pin(SourceSpec("p", path=tmp_path / "a.parquet")).rows == 700


def test_identity_is_content_and_not_place(tmp_path: Path) -> None:
    first = _file(tmp_path)
    (tmp_path / "sub").mkdir()
    second = _file(tmp_path / "sub")
    assert resolve(first, None).identity(first) == resolve(second, None).identity(second)
    (tmp_path / "sub" / "s.jsonl").write_text('{"a": "3"}')
    assert resolve(first, None).identity(first) != resolve(second, None).identity(second)


def test_identity_of_a_hub_source_tells_splits_and_renames_apart() -> None:
    source = SourceSpec("g", hub="org/set", config="main", revision=COMMIT)
    other_split = SourceSpec("g", hub="org/set", config="main", revision=COMMIT, split="test")
    renamed = SourceSpec("g", hub="org/set", config="main", revision=COMMIT, columns={"problem": "q"})
    found = [str(resolve(s, None).identity(s)) for s in (source, other_split, renamed)]
    assert len(set(found)) == 3


def test_a_changed_file_needs_an_update(tmp_path: Path) -> None:
    source = _file(tmp_path)
    lock = pin(source).lock_entry()
    assert source.path is not None
    source.path.write_text('{"a": "other"}')
    with pytest.raises(SeedError, match=r"has changed since recipe\.lock.*Run `mathloom update`"):
        resolve(source, lock)


@pytest.mark.parametrize("call", [pin, lambda source: resolve(source, None)], ids=["pin", "resolve"])
def test_an_absent_file_is_named(tmp_path: Path, call: Any) -> None:
    with pytest.raises(SeedError, match=r"gone\.jsonl: .*Correct the path of the source"):
        call(SourceSpec("mine", path=tmp_path / "gone.jsonl"))


def test_an_empty_file_cannot_be_pinned(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="the source has no rows"):
        pin(_file(tmp_path, "\n"))


def test_a_source_of_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match=r"recipe\.yaml:3: source 'mine' names neither a file nor a Hub dataset"):
        resolve(SourceSpec("mine", where="recipe.yaml:3"), None)


def test_a_tracked_branch_takes_the_commit_of_the_lock() -> None:
    source = SourceSpec("g", hub="org/set", track="main")
    pinned = resolve(source, {"revision": COMMIT, "sha256": "ab", "rows": None})
    assert pinned == Pinned("g", COMMIT, "ab")
    assert pinned.apply(source).revision == COMMIT


@pytest.mark.parametrize(
    ("source", "lock", "what"),
    [
        (SourceSpec("g", hub="org/set", track="main"), None, "branch 'main' of org/set has no commit in recipe.lock"),
        (SourceSpec("g", hub="org/set"), None, "branch 'main' of org/set has no commit in recipe.lock"),
        (SourceSpec("g", hub="org/set", revision="v1"), None, "revision 'v1' is no full commit"),
        (SourceSpec("g", hub="org/set", revision=COMMIT), {"revision": OTHER}, "the recipe says commit 0123456789ab"),
    ],
    ids=["not locked", "no branch named", "a tag", "another commit"],
)
def test_a_hub_source_without_one_commit_is_refused(source: SourceSpec, lock: Any, what: str) -> None:
    with pytest.raises(SeedError) as caught:
        resolve(source, lock)
    assert what in caught.value.what
    assert "mathloom update" in caught.value.fix


def test_pin_of_a_hub_source_asks_for_commit_and_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "resolve_commit", lambda name, branch, **_: COMMIT if branch == "dev" else OTHER)
    monkeypatch.setattr(hub, "content_hash", lambda name, commit, **_: "hash of " + commit)
    assert pin(SourceSpec("g", hub="org/set", track="dev")) == Pinned("g", COMMIT, "hash of " + COMMIT)
    assert pin(SourceSpec("g", hub="org/set", revision=OTHER)) == Pinned("g", OTHER, "hash of " + OTHER)


def test_all_configs_are_read_in_order_as_one_source(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {"algebra": [{"problem": "a0"}, {"problem": "a1"}], "geometry": [{"problem": "g0"}]}
    monkeypatch.setattr(hub, "config_names", lambda name, revision: sorted(rows))
    monkeypatch.setattr(hub, "stream_rows", lambda name, *, config, split, revision: iter(rows[config]))
    source = SourceSpec("m", hub="org/math", config="*", revision=COMMIT)
    found = [(row.number, row.place, row.values["problem"]) for row in open_rows(source, ("problem",), ())]
    assert found == [
        (0, "config algebra, row 0", "a0"),
        (1, "config algebra, row 1", "a1"),
        (2, "config geometry, row 0", "g0"),
    ]


def test_a_hub_dataset_without_the_column_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "stream_rows", lambda *_, **__: iter([{"question": "a"}]))
    source = SourceSpec("m", hub="org/math", revision=COMMIT)
    with pytest.raises(SeedError, match=r"hub:org/math: no row has the column 'problem' \(columns there: question\)"):
        list(open_rows(source, ("problem",), ()))
