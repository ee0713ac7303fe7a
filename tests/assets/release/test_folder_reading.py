from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.release.folder_reading import read_release, recipe_name
from resources.errors import FileError

MATCH = {"split": "removed", "problem": "p", "rule": "n-gram", "benchmark_problem": "q"}


@pytest.fixture
def release_folder(tmp_path: Path) -> Path:
    """Two splits of a few rows, train in two files, each with provenance; a report; no card."""
    folder = tmp_path / "new"
    for directory, column in (("data", "problem"), ("provenance", "solution_id")):
        (folder / directory).mkdir(parents=True)
        table = pa.table({column: [str(row) for row in range(6)]})
        pq.write_table(table.slice(0, 4), folder / directory / "train-00000-of-00002.parquet")
        pq.write_table(table.slice(4), folder / directory / "train-00001-of-00002.parquet")
        pq.write_table(table.slice(0, 2), folder / directory / "train_small-00000-of-00001.parquet")
    (folder / "contamination").mkdir()
    pq.write_table(pa.Table.from_pylist([MATCH]), folder / "contamination" / "removed-00000-of-00001.parquet")
    (folder / "BUILD.json").write_text(json.dumps({"format": 1, "recipe": "fruit", "splits": {"train": 6}}))
    return folder


@pytest.fixture
def copied(release_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return shutil.copytree(release_folder, tmp_path / "copied")


def test_splits_are_read_by_file_names_without_a_card(release_folder: Path) -> None:
    release = read_release(release_folder)
    assert {split: [p.name for p in paths] for split, paths in release.data.items()} == {
        "train": ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"],
        "train_small": ["train_small-00000-of-00001.parquet"],
    }
    assert release.provenance.keys() == release.data.keys()
    assert list(release.report) == ["matches"]


def card(folder: Path, paths: str) -> None:
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: small\n    path: " + paths + "\n---\n# Card\n"
    )


@pytest.mark.parametrize("paths", ["data/train-00000-*", "[data/train-00000-of-00002.parquet]"])
def test_a_card_says_which_files_a_split_has(copied: Path, paths: str) -> None:
    card(copied, paths)
    release = read_release(copied)
    assert [p.name for p in release.data["small"]] == ["train-00000-of-00002.parquet"]
    assert release.provenance == {}


@pytest.mark.parametrize("paths", ["../new/data/*", "/data/x.parquet", "data/none-*", "README.md", "''"])
def test_a_card_cannot_lead_elsewhere(copied: Path, paths: str) -> None:
    card(copied, paths)
    with pytest.raises(FileError, match="no such Parquet file inside the folder"):
        read_release(copied)


def test_a_link_out_of_the_folder_is_refused(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.parquet").write_bytes((copied / "data" / "train-00000-of-00002.parquet").read_bytes())
    (copied / "data" / "leak.parquet").symlink_to(tmp_path / "secret.parquet")
    card(copied, "data/leak.parquet")
    with pytest.raises(FileError, match="inside the folder"):
        read_release(copied)


def test_a_snapshot_of_the_hubs_client_links_to_the_contents_beside_it(copied: Path, tmp_path: Path) -> None:
    snapshot, blobs = tmp_path / "cache" / "snapshots" / "0123", tmp_path / "cache" / "blobs"
    shutil.copytree(copied, snapshot)
    blobs.mkdir()
    card(snapshot, "data/train-*")
    for number, path in enumerate(sorted(snapshot.glob("*/*.parquet"))):
        shutil.move(path, blobs / str(number))
        path.symlink_to(blobs / str(number))
    found = read_release(snapshot)
    assert {path.parent for path in found.data["small"]} == {snapshot / "data"}
    assert found.folders == [snapshot, blobs]


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no files data/\*\.parquet"):
        read_release(tmp_path)


@pytest.mark.parametrize(("name", "text"), [("BUILD.json", "{"), ("README.md", "---\na: [\n---\n")])
def test_a_broken_file_is_named(copied: Path, name: str, text: str) -> None:
    (copied / name).write_text(text)
    with pytest.raises(FileError, match=name):
        read_release(copied)


@pytest.mark.parametrize(
    ("build", "name"),
    [({"recipe": "fruit"}, "fruit"), ({"recipe": {"name": "fruit", "hash": "00"}}, "fruit"), ({}, None)],
)
def test_both_formats_of_the_build_record_name_the_recipe(build: dict[str, Any], name: str | None) -> None:
    assert recipe_name(build) == name


@pytest.mark.parametrize(
    "configs", ["3", "[3]", "[{config_name: default, data_files: [3]}]", "[[]]", "[{config_name: []}]"]
)
def test_a_card_of_another_shape_is_read_without_it(copied: Path, configs: str) -> None:
    (copied / "README.md").write_text(f"---\nconfigs: {configs}\n---\n# Card\n")
    assert list(read_release(copied).data) == ["train", "train_small"]


def test_nesting_without_end_is_an_error_and_no_crash(copied: Path) -> None:
    (copied / "BUILD.json").write_text("[" * 200_000)
    with pytest.raises(FileError, match="BUILD.json"):
        read_release(copied)
