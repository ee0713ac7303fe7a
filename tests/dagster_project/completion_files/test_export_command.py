"""``mathloom requests export``: completions with their prompts, in files that are whole or not there."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dagster_project.completion_files import exporting
from dagster_project.completion_files.exporting import COLUMNS
from resources.errors import StoreError


@pytest.fixture
def full(pens: Any) -> Any:
    """With an answer to all but one request, hostile text among them."""
    texts = {place: f"{place[1]}: {place[0]}" for place in sorted(pens.keys())}
    first, last = list(texts)[0], list(texts)[-1]
    texts[first] = 'a \x00 "b" \u2028 \n</script>'
    del texts[last]
    pens.put(texts)
    pens.put({place: f"said: {place[0]}" for place in pens.keys("spoken")}, "spoken")
    return pens


def exported(pens: Any, path: Path, *arguments: str) -> list[dict[str, Any]]:
    assert pens.run("requests", "export", "pens", *arguments, "--to", str(path)) == 0
    if path.suffix == ".parquet":
        assert pq.read_schema(path).equals(COLUMNS)
        return pq.read_table(path).to_pylist()
    data = path.read_bytes()
    text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


def test_every_format_holds_the_same_rows(full: Any, tmp_path: Path) -> None:
    rows = exported(full, tmp_path / "x.jsonl")
    assert exported(full, tmp_path / "x.jsonl.gz") == rows
    assert exported(full, tmp_path / "x.parquet") == rows
    assert [row["stage"] for row in rows] == ["solutions"] * 20 + ["spoken"] * 7
    keys = full.keys()
    for row in rows[:20]:
        problem = row["prompt"].rsplit("Problem:\n", 1)[1].split("\n")[0]
        assert keys[problem, row["sample_index"]].hex() == row["request_key"].replace("-", "")
        assert (row["mode"], row["messages"], row["slot"], row["engine"]) == ("raw", None, "", "scripted")
        assert json.loads(row["sampling"])["temperature"] == 0.7
    for row in rows[20:]:
        assert (row["mode"], row["prompt"]) == ("chat", None)
        assert row["messages"][0] == {"role": "system", "content": "You are brief."}
        assert row["text"] == f"said: {row['messages'][1]['content']}"
    assert {row["text"] for row in rows} >= {'a \x00 "b" \u2028 \n</script>'}
    assert [len(exported(full, tmp_path / f"{name}.jsonl", name)) for name in ("solutions", "spoken")] == [20, 7]


def test_the_same_completions_give_the_same_bytes(full: Any, tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.jsonl.gz", "a.parquet", "b.parquet"):
        exported(full, tmp_path / name)
    assert (tmp_path / "a.jsonl.gz").read_bytes() == (tmp_path / "b.jsonl.gz").read_bytes()
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet"])
def test_an_export_fills_an_empty_store(full: Any, tmp_path: Path, name: str) -> None:
    exported(full, tmp_path / name)
    before = full.stored()
    shutil.rmtree(full.store / "requests")
    for stage in ("solutions", "spoken"):
        # The rows of the other stage have other keys: told, and left out.
        assert full.run("requests", "import", "pens", stage, str(tmp_path / name), "--yes") == 0
    after = full.stored()
    kept = ("text", "reasoning", "text_hash", "finish_reason", "prompt_tokens", "engine", "weights")
    assert {key: [row[c] for c in kept] for key, row in after.items()} == {
        key: [row[c] for c in kept] for key, row in before.items()
    }
    if name == "x.parquet":
        return
    assert full.run("build", "--select", "solutions or spoken") == 0
    asked = {stage: full.built(stage)["run"]["requests"]["asked"] for stage in ("solutions", "spoken")}
    assert asked == {"solutions": 1, "spoken": 0}


def test_rows_with_a_key_alone_are_enough(full: Any, tmp_path: Path) -> None:
    rows = exported(full, tmp_path / "x.jsonl", "solutions")
    bare = [{"request_key": row["request_key"], "text": row["text"]} for row in rows]
    bare.append({"request_key": "00000000-0000-0000-0000-000000000000", "text": "of nobody"})
    (tmp_path / "bare.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bare))
    before = full.texts()
    shutil.rmtree(full.store / "requests")
    assert full.run("requests", "import", "pens", "solutions", str(tmp_path / "bare.jsonl"), "--yes") == 0
    assert full.texts() == before


def test_keys_of_other_weights_are_told(full: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exported(full, tmp_path / "x.jsonl", "solutions")
    profile = full.folder / "profiles" / "scripted.yaml"
    profile.write_text("profile: scripted\nroles:\n  solver: {engine: scripted, seed: 7}\n")
    arguments = ("requests", "import", "pens", "solutions", str(tmp_path / "x.jsonl"))
    assert full.run(*arguments, "--yes") == 2
    said = capsys.readouterr()
    assert "its request key is another one than its row and sample have under these weights" in said.err
    assert "or try --match problem or --match prompt" in said.err
    assert "The files name other weights: scripted:1:44136fa355b3678a" in said.out
    assert full.run(*arguments, "--match", "prompt", "--yes") == 0
    assert {row["engine"] for row in full.stored().values()} == {"scripted", "import"}
    assert len(full.texts()) == 20


def test_the_engine_files_answers_from_an_export(full: Any, tmp_path: Path) -> None:
    exported(full, tmp_path / "x.jsonl", "spoken")
    before = full.texts("spoken")
    shutil.rmtree(full.store / "requests")
    profile = full.folder / "profiles" / "scripted.yaml"
    profile.write_text(
        f"profile: scripted\nroles:\n  solver: {{engine: files, paths: '{tmp_path}/x.jsonl', "
        "weights: 'scripted:1:44136fa355b3678a'}\n"
    )
    assert full.run("build", "--select", "spoken") == 0
    assert full.texts("spoken") == before
    assert full.built("spoken")["run"]["requests"]["completed"] == 7


def test_a_file_is_replaced_only_when_told(full: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("mine")
    assert full.run("requests", "export", "pens", "--to", str(path)) == 2
    assert "it exists. Name another file, or add --force" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert full.run("requests", "export", "pens", "--to", str(path), "--force", "--json") == 0
    assert json.loads(capsys.readouterr().out) == [
        {"stage": "solutions", "rows": 20, "requests": 21},
        {"stage": "spoken", "rows": 7, "requests": 7},
    ]


@pytest.mark.parametrize(
    ("name", "words"), [("x.csv", "the ending '.csv'"), ("gone/x.jsonl", "no such folder"), (".jsonl", "the ending")]
)
def test_a_target_that_cannot_be(
    full: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    assert full.run("requests", "export", "pens", "--to", str(tmp_path / name)) == 2
    assert words in capsys.readouterr().err


def test_an_export_that_fails_leaves_nothing(full: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> Any:
        yield [{"request_key": "a"}]
        raise StoreError("the disk is broken", where="here", fix="Mend it")

    monkeypatch.setattr(exporting, "_batches", failing)
    target = tmp_path / "out" / "x.jsonl"
    target.parent.mkdir()
    assert full.run("requests", "export", "pens", "--to", str(target)) == 1
    assert list(target.parent.iterdir()) == []
    assert list((full.store / "staging").iterdir()) == []


def test_stages_whose_rows_are_not_built_are_left_out(
    full: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = full.folder / "recipe.yaml"
    recipe.write_text(
        recipe.read_text()
        + "  later: {kind: generation/augment, inputs: {problems: solvable}, role: solver, prompt: solve}\n"
        + "  solvable: {kind: local/with_numbers, inputs: {problems: problems}}\n"
    )
    assert len(exported(full, tmp_path / "x.jsonl")) == 27
    assert "later: left out, its rows are not built under the profile 'scripted'" in capsys.readouterr().err
    assert full.run("requests", "export", "pens", "later", "--to", str(tmp_path / "y.jsonl")) == 1
    assert "mathloom build pens --profile scripted --select '+solvable'" in capsys.readouterr().err
