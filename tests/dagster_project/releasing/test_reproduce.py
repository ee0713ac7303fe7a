"""`mathloom reproduce`: what is said before anything runs, and that stored completions give the same bytes again."""

from __future__ import annotations

import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from dagster_project.cli import main
from resources.hub.stand_in.server import StandIn
from resources.requests.store import RequestStore
from tests.dagster_project.releasing.place import Place

NAME = "sums"


def run(folder: Path, *arguments: str) -> int:
    before = Path.cwd()
    os.chdir(folder)
    try:
        return main(arguments)
    finally:
        os.chdir(before)


@pytest.fixture
def released(project: Path, tmp_path: Path) -> Path:
    """A copy of the released folder, as somebody has it who has nothing else."""
    folder = tmp_path / "released"
    shutil.copytree((project / ".mathloom" / "releases" / NAME / "scripted").resolve(), folder)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in folder.resolve().rglob("*") if path.is_file())
    return {path.relative_to(folder.resolve()).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def amend(released: Path, path: str, text: str) -> None:
    """Change a file of the recipe, and the record with it: what a hostile publisher would do."""
    (released / path).write_text(text)
    build = json.loads((released / "BUILD.json").read_text())
    build["recipe"]["files"][path] = sha256(text.encode()).hexdigest()
    (released / "BUILD.json").write_text(json.dumps(build))


def drop(released: Path, path: str) -> None:
    (released / path).unlink()
    build = json.loads((released / "BUILD.json").read_text())
    del build["recipe"]["files"][path]
    (released / "BUILD.json").write_text(json.dumps(build))


def test_the_request_store_gives_the_same_bytes(
    project: Path, released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for gone in ("versions", "fingerprints", "envs", "releases", "dagster"):
        shutil.rmtree(project / ".mathloom" / gone, ignore_errors=True)
    store = str(project / ".mathloom")
    assert run(tmp_path, "reproduce", str(released), "again", "--store", store, "--trust", "--build") == 0
    said = capsys.readouterr()
    assert "the same bytes" in said.out
    assert "are stored, none is missing" in said.out
    assert " 0 completions generated" in said.err
    assert hashes(tmp_path / "again" / ".mathloom" / "releases" / NAME / "scripted") == hashes(released)
    assert not (project / ".mathloom" / "envs").exists(), "the store that lends its completions was built into"


def test_a_build_without_the_completions_says_which_file_differs(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = next((released / "recipe" / NAME / "profiles").glob("scripted.yaml"))
    path = profile.relative_to(released).as_posix()
    amend(released, path, profile.read_text().replace("engine: scripted", "engine: scripted, seed: 9"))
    assert run(tmp_path, "reproduce", str(released), "again", "--trust", "--build") == 1
    said = capsys.readouterr().err
    assert "files differ from the release, first 'BUILD.json'" in said
    assert "the first stage that differs is 'solutions'" in said


def test_python_of_a_recipe_runs_only_for_those_who_trust_it(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "ran"
    amend(released, f"recipe/{NAME}/kinds.py", f"open({str(mark)!r}, 'w').close()\n")
    assert run(tmp_path, "reproduce", str(released), "again") == 0
    assert "the recipe brings Python: sums/kinds.py" in capsys.readouterr().out
    assert run(tmp_path, "reproduce", str(released), "again", "--build") == 1
    assert "nobody said that it may run" in capsys.readouterr().err
    assert not mark.exists()


def test_a_profile_that_sends_a_key_away_needs_trust(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUD_KEY", "sk-secret-of-this-machine")
    drop(released, f"recipe/{NAME}/kinds.py")
    recipe, profile = (f"recipe/{NAME}/{name}" for name in ("recipe.yaml", "profiles/scripted.yaml"))
    before, _, after = (released / recipe).read_text().partition("  # A kind of your own in Python")
    rest = after.partition("  # A kind of your own in SQL")[2].replace("problems: with_numbers", "problems: problems")
    amend(released, recipe, f"{before}  #{rest}")
    model = f"model: org/m, revision: '{'0' * 40}'"
    role = f"{{engine: server, base_url: http://127.0.0.1:9/v1, {model}, api_key_env: CLOUD_KEY}}"
    amend(released, profile, (released / profile).read_text().replace("{engine: scripted}", role))
    assert run(tmp_path, "reproduce", str(released), "again", "--build") == 1
    said = capsys.readouterr()
    assert 'api_key_env "CLOUD_KEY"' in said.out
    assert "nobody said that it may run" in said.err
    assert "sk-secret" not in said.out + said.err


def test_what_differs_here_is_listed(released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    build = json.loads((released / "BUILD.json").read_text())
    build["mathloom"] = "0.0.1"
    build["stages"]["solutions"]["code"] = "older"
    build["stages"]["gone"] = {}
    (released / "BUILD.json").write_text(json.dumps(build))
    assert run(tmp_path, "reproduce", str(released), "again", "--trust") == 0
    said = capsys.readouterr().out
    assert "mathloom: the release was made by 0.0.1" in said
    assert "stage solutions: code of generation/solve was older" in said
    assert "stage gone: only the release has it" in said


def test_a_source_of_ones_own_must_be_supplied_and_is_recognised(
    released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seeds = (released / "recipe" / NAME / "seeds.jsonl").read_bytes()
    recipe = f"recipe/{NAME}/recipe.yaml"
    text = (released / recipe).read_text()
    assert "bundled: seeds.jsonl" in text
    amend(released, recipe, text.replace("bundled: seeds.jsonl", "path: given/seeds.jsonl"))
    assert run(tmp_path, "reproduce", str(released), "again", "--trust") == 0
    digest = sha256(seeds).hexdigest()
    said = capsys.readouterr().out
    assert "MISSING: file " in said
    assert digest in said
    for content, words in ((b"", "another file"), (seeds, "the same bytes")):
        (tmp_path / "again" / "given").mkdir(exist_ok=True)
        (tmp_path / "again" / "given" / "seeds.jsonl").write_bytes(content)
        assert run(tmp_path, "reproduce", str(released), "again", "--trust") == 0
        assert words in capsys.readouterr().out


def test_the_store_of_the_project_here_is_used(
    project: Path, released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(project, "reproduce", str(released), str(tmp_path / "again"), "--trust") == 0
    assert "are stored, none is missing" in capsys.readouterr().out
    shutil.rmtree(tmp_path / "again" / ".mathloom")
    with RequestStore(project / ".mathloom") as store:
        assert store.stats().completions == 32, "what is done to the checkout took completions away from the lender"


def test_a_store_that_is_none_is_refused(released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "reproduce", str(released), "again", "--store", str(tmp_path)) == 1
    assert "there is no request store" in capsys.readouterr().err


def test_a_release_of_the_hub_is_checked_out_by_its_tag(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    with StandIn(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_TOKEN", hub.token)
        assert place.run("release", "--to", "org/sums", "--yes") == 0
        hub.forget_calls()
        assert run(tmp_path, "reproduce", "hf://datasets/org/sums@v1.0.0", "--trust") == 0
        assert not [call for call in hub.calls if call.path.endswith(".parquet")], "data was downloaded to look at it"
        assert run(tmp_path, "reproduce", "org/sums@v9.9.9", "other") == 1
    said = capsys.readouterr()
    assert "org/sums@v1.0.0: sums (scripted)" in said.out
    assert (tmp_path / "sums-v1.0.0" / NAME / "recipe.yaml").read_bytes() == (place.folder / "recipe.yaml").read_bytes()
    assert "v9.9.9" in said.err


def test_a_changed_file_stops_everything(released: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (released / "data" / "train-00000-of-00001.parquet").open("ab") as handle:
        handle.write(b"x")
    assert run(tmp_path, "reproduce", str(released), "again", "--trust") == 1
    assert "has other bytes" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()
