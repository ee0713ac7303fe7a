from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.explorer.places import StageTable, place_of_folder, read_release
from resources.errors import FileError


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


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"no files data/\*\.parquet"):
        read_release(tmp_path)


@pytest.mark.parametrize(("name", "text"), [("BUILD.json", "{"), ("README.md", "---\na: [\n---\n")])
def test_a_broken_file_is_named(copied: Path, name: str, text: str) -> None:
    (copied / name).write_text(text)
    with pytest.raises(FileError, match=name):
        read_release(copied)


def test_other_content_has_another_digest(release_folder: Path, older_folder: Path, copied: Path) -> None:
    here = place_of_folder(release_folder).digest
    assert here == place_of_folder(copied).digest
    assert here != place_of_folder(older_folder).digest


@pytest.mark.parametrize(
    ("columns", "shape"),
    [
        (["problem_id", "problem", "problem_source"], "problems"),
        (["problem_id", "problem", "problem_source", "rule", "benchmark_problem"], "matches"),
        (["pair_id", "problem_id", "problem", "benchmark_problem"], "pairs"),
        (["benchmark_id", "problem", "benchmark", "row"], "benchmarks"),
        (["problem_id", "benchmark_ids", "benchmarks", "similarities"], "neighbours"),
        (["solution_id", "problem_id", "request_key", "sample_index", "text_hash"], "solutions"),
        (["id", "rule", "reason", "detail"], "rejects"),
        (["something"], None),
    ],
)
def test_tables_are_told_apart_by_their_columns(columns: list[str], shape: str | None) -> None:
    assert StageTable("s", "rows", (), columns).shape == shape
