"""Named weights: one id for the same words under every engine, hashes of local files, what can move is refused."""

import os
from pathlib import Path
from typing import Any

import pytest

from resources.engines.named_weights import NamedWeights, NamedWeightsOptions, hub_reference, shaping_files
from resources.engines.options import read_options
from resources.errors import EngineError, RecipeError
from resources.identity import hash_file

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def named(tmp_path: Path, **options: Any) -> NamedWeights:
    read = read_options(NamedWeightsOptions, "vllm", options, "paper.yaml:3")
    return NamedWeights(read, where="paper.yaml:3", cache=tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "tiny"
    (made / "1_Pooling").mkdir(parents=True)
    for name in ("config.json", "tokenizer.json", "chat_template.jinja", "model.safetensors", "1_Pooling/config.json"):
        (made / name).write_text(name)
    (made / "generation_config.json").write_text("{}")
    (made / "README.md").write_text("words")
    return made


NAMES = [
    ({"model": "org/m", "revision": COMMIT}, f"hf:org/m@{COMMIT}"),
    ({"model": "org/m"}, "hf:org/m@unresolved"),
    ({"model": "org/m", "revision": "main"}, "hf:org/m@unresolved"),
    ({"model": "org/m", "revision": COMMIT, "quantisation": "fp8"}, f"hf:org/m@{COMMIT};quantisation=fp8"),
    ({"model": "org/m", "revision": COMMIT, "adapter": "o/l@1"}, f"hf:org/m@{COMMIT};adapter=o/l@1"),
    ({"model": "org/m", "revision": COMMIT, "adapter": "o/l"}, f"hf:org/m@{COMMIT};adapter=o/l@unresolved"),
    (
        {"model": "org/m", "revision": COMMIT, "quantisation": "fp8", "adapter": "o/l@1", "tokenizer": "o/t@2"},
        f"hf:org/m@{COMMIT};quantisation=fp8;adapter=o/l@1;tokenizer=o/t@2",
    ),
    ({"weights": "gguf:sha256:abc", "adapter": "o/l@1"}, "gguf:sha256:abc;adapter=o/l@1"),
    ({"path": "/absent", "weights": f"hf:org/m@{COMMIT}"}, f"hf:org/m@{COMMIT}"),
    ({"model": "org/m", "revision": COMMIT, "context_tokens": 100}, f"hf:org/m@{COMMIT}"),
]


@pytest.mark.parametrize(("options", "weights_id"), NAMES)
def test_names_without_looking_at_a_file(options: dict[str, Any], weights_id: str, tmp_path: Path) -> None:
    assert named(tmp_path, **options).name() == weights_id
    assert not (tmp_path / "cache").exists()


MISTAKES = [
    ({}, "option 'model' is missing"),
    ({"model": "org/m", "path": "x"}, "model and path both name weights"),
    ({"path": "x", "revision": COMMIT}, "revision belongs to model"),
    ({"model": "no slash"}, "model = 'no slash'"),
    ({"weights": "with space"}, "weights = 'with space'"),
]


@pytest.mark.parametrize(("options", "says"), MISTAKES)
def test_mistakes_are_readable(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        named(tmp_path, **options)
    assert says in str(caught.value)


def test_gguf_file_has_the_id_that_the_embedded_engine_gives_it(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    file.write_bytes(b"GGUF")
    assert named(tmp_path, path=str(file)).name() == f"gguf:sha256:{hash_file(file)}"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "chat_template.jinja", "1_Pooling/config.json"])
def test_folder_id_changes_with_what_shapes_answers(folder: Path, tmp_path: Path, name: str) -> None:
    before = named(tmp_path, path=str(folder)).name()
    assert before.startswith("folder:sha256:")
    (folder / name).write_text("another")
    os.utime(folder / name, ns=(1, 1))
    assert named(tmp_path, path=str(folder)).name() != before


@pytest.mark.parametrize("name", ["generation_config.json", "README.md", "pytorch_model.bin", "trainer_state.json"])
def test_folder_id_stays_with_what_does_not(folder: Path, tmp_path: Path, name: str) -> None:
    before = named(tmp_path, path=str(folder)).name()
    (folder / name).write_text("another")
    assert named(tmp_path, path=str(folder)).name() == before


def test_folder_id_changes_with_the_tokens_that_end_an_answer(folder: Path, tmp_path: Path) -> None:
    ids = set()
    for words in ('{"temperature": 0.6}', '{"eos_token_id": 2}', '{"temperature": 1, "eos_token_id": 2}', "no JSON"):
        (folder / "generation_config.json").write_text(words)
        ids.add(named(tmp_path, path=str(folder)).name())
    assert len(ids) == 2


def test_folder_id_is_the_same_elsewhere(folder: Path, tmp_path: Path) -> None:
    before = named(tmp_path, path=str(folder)).name()
    moved = folder.rename(tmp_path / "moved")
    assert named(tmp_path, path=str(moved)).name() == before


def test_old_weights_are_hashed_where_there_are_no_others(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert folder / "pytorch_model.bin" in shaping_files(folder)


def test_local_adapter_and_tokenizer_are_hashed(folder: Path, tmp_path: Path) -> None:
    name = named(tmp_path, weights="w", adapter=str(folder), tokenizer=str(folder)).name()
    assert name.startswith("w;adapter=sha256:")
    assert ";tokenizer=sha256:" in name


REFERENCES = [
    ("o/l@1", ("o/l", "1")),
    ("o/l", ("o/l", None)),
    ("./o/l", None),
    ("/o/l", None),
    ("~/l", None),
    ("../o", None),
    ("l", None),
    ("a/b/c", None),
]


@pytest.mark.parametrize(("value", "reference"), REFERENCES)
def test_a_folder_is_told_from_the_hub_by_its_words(value: str, reference: tuple[str, str | None] | None) -> None:
    assert hub_reference(value) == reference


MOVING = [
    ({"model": "org/m"}, "the revision None of 'org/m' can move"),
    ({"model": "org/m", "revision": "main"}, "40 hex digits"),
    ({"model": "org/m", "revision": COMMIT, "adapter": "o/l@main"}, "adapter 'o/l' at 'main' can move"),
    ({"model": "org/m", "revision": COMMIT, "tokenizer": "o/t"}, "tokenizer 'o/t' at None can move"),
]


@pytest.mark.parametrize(("options", "says"), MOVING)
def test_what_can_move_is_refused(options: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        named(tmp_path, **options).check_fixed()
    assert says in str(caught.value)
    assert str(caught.value).startswith("paper.yaml:3: ")


FIXED = [
    {"model": "org/m", "revision": COMMIT, "adapter": f"o/l@{COMMIT}"},
    {"model": "org/m", "weights": "known:otherwise"},
    {"path": "/absent"},
]


@pytest.mark.parametrize("options", FIXED)
def test_what_cannot_move_passes(options: dict[str, Any], tmp_path: Path) -> None:
    named(tmp_path, **options).check_fixed()


MISSING = [
    ({"path": "absent"}, "the path is absent"),
    ({"path": "."}, "holds no config.json"),
    ({"path": __file__}, "is no .gguf file"),
    ({"weights": "w", "adapter": "./absent"}, "is no folder"),
]


@pytest.mark.parametrize(("options", "says"), MISSING)
def test_missing_files_have_a_remedy(
    options: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EngineError) as caught:
        named(tmp_path, **options).name()
    assert says in str(caught.value)


def test_hub_weights_have_no_path_and_a_local_one_is_absolute(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named(tmp_path, model="org/m").locate() is None
    assert named(tmp_path, path="tiny").locate() == folder
