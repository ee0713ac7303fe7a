"""The real `datasets` library reads what was released, with the columns and counts that the card declares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

World = Any
Release = Callable[..., Any]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`load_dataset` without a network, with its caches in the test's folder."""
    import datasets

    monkeypatch.setattr("datasets.config.HF_DATASETS_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()

    def call(folder: Path, config: str | None, split: str) -> Any:
        return datasets.load_dataset(str(folder), config, split=split, cache_dir=str(tmp_path / "cache"))

    return call


@pytest.mark.parametrize("mode", ["copied", "shared"])
def test_every_split_of_both_configs(world: World, release: Release, load: Callable[..., Any], mode: str) -> None:
    released = release(world, splits=mode)
    for split, count in (("train", 6), ("train_small", 2)):
        data = load(released.folder, None, split)
        assert data.column_names == ["problem", "generated_solution", "expected_answer", "problem_source"]
        assert data.to_list() == released.read("default", split)
        origin = load(released.folder, "provenance", split)
        assert origin.num_rows == count
        assert origin.to_list() == released.read("provenance", split)
        assert {name: feature.dtype for name, feature in origin.features.items() if name in ("rank", "is_trimmed")} == {
            "rank": "int64",
            "is_trimmed": "bool",
        }
