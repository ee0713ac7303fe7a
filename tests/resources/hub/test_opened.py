"""Which place a name means."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.errors import HubError
from resources.hub.folder_repository import FolderRepository
from resources.hub.hub_repository import HubRepository
from resources.hub.opened import open_folder, open_repository


@pytest.mark.parametrize("name", ["ORG/NAME", "a/b", "open-data/math_1.0"])
def test_org_and_name_is_the_hub(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9/")
    repository = open_repository(name)
    assert isinstance(repository, HubRepository)
    assert repository.name == name
    assert repository.url() == f"http://127.0.0.1:9/datasets/{name}"
    assert open_repository(name, endpoint="http://127.0.0.1:8").url("v1.0.0").startswith("http://127.0.0.1:8/")


@pytest.mark.parametrize("name", ["./out", "../out", "~/out", "/out"])
def test_a_path_is_a_folder(name: str) -> None:
    repository = open_repository(name)
    assert isinstance(repository, FolderRepository)
    assert Path(repository.name).is_absolute()
    assert isinstance(open_folder(Path("out")), FolderRepository)


@pytest.mark.parametrize("name", ["", "name", "a/b/c", "a//b", "a/..", "a/b?x", "a/b\n", "a--b/c", "-a/b", "a/b."])
def test_anything_else_is_refused(name: str) -> None:
    with pytest.raises(HubError, match="is no repository"):
        open_repository(name)
