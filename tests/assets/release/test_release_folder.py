"""The released dataset: its rows, their origin, its files, and that the same data always has the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.kinds import Job
from assets.release.kinds import Folder
from assets.release.tables import DATA, PROVENANCE
from assets.schemas import PROBLEM, problem_id, solution_id, table_of
from resources.errors import MathloomError, StoreError
from resources.identity import digest128, hash_json, show_id

World = Any
Release = Callable[..., Any]


def test_rows_in_order_of_rank_with_trims_and_rewrites(world: World, release: Release) -> None:
    rows = release(world).read("default", "train")
    assert [(r["problem"], r["generated_solution"], r["expected_answer"], r["problem_source"]) for r in rows] == [
        ("New one?", "nine \\boxed{9}", "9", "augmented_gsm8k"),
        ("Seed one?", "it is \\boxed{1}.", "1", "gsm8k"),
        ("Seed two?", " e\u0301 is \\boxed{2}", "2", "gsm8k"),
        ("New one?", 'quote " and | and `tick`, \\boxed{9}', "9", "augmented_gsm8k"),
        ("Seed one?", "so \\boxed{1}", "1", "gsm8k"),
        ("Seed two?", "1 + 1 + 0 = 2 + 0 = 2", "2", "gsm8k"),
    ]


def test_offsets_are_code_points_whatever_the_letters(world: World, release: Release) -> None:
    text = "\U0001f469\u200d\U0001f52c|e\u0301|\u00e9|\U0001d7da \\boxed{1}"
    for start in range(0, 10):
        world.texts[0] = ("Seed one?", text, start, start + 3, None)
        world.splits = {"train": [0]}
        assert release(world).read("default", "train")[0]["generated_solution"] == text[start : start + 3]


def test_provenance_explains_each_row(world: World, release: Release) -> None:
    world.context["lineage"] = {
        "solved": {
            "role": "teacher",
            "weights": "sha256:abc",
            "model": "/opt/models/small.gguf",
            "prompts": {"solve": "f00"},
            "settings": {"temperature": 1.0, "samples": 4},
        }
    }
    released = release(world)
    first, second = released.read("provenance", "train")[:2]
    new, seed_one, seed_two = (show_id(problem_id(p)) for p in ("New one?", "Seed one?", "Seed two?"))
    key = digest128("request", "4")
    assert first == {
        "solution_id": show_id(solution_id(problem_id("New one?"), key)),
        "problem_id": new,
        "parent_id": seed_two,
        "seed_problem_id": seed_two,
        "seed_source": "gsm8k",
        "seed_row": 1,
        "k": 0,
        "rank": 0,
        "sample_index": 4,
        "votes": 3,
        "n_valid": 4,
        "answer": "9",
        "request_key": show_id(key),
        "text_hash": show_id(digest128("text", "nine \\boxed{9}")),
        "stage": "solved",
        "role": "teacher",
        "model": "small.gguf",
        "weights": "sha256:abc",
        "prompts": '{"solve":"f00"}',
        "sampling": '{"samples":4,"temperature":1.0}',
        "start": 0,
        "end": 14,
        "is_trimmed": False,
        "is_rewritten": False,
        "finish_reason": "stop",
        "prompt_tokens": 10,
        "completion_tokens": 24,
        "tokens": 5,
    }
    assert (second["parent_id"], second["seed_problem_id"], second["votes"]) == (None, seed_one, None)
    assert (second["is_trimmed"], second["start"], second["end"]) == (True, 13, 29)
    assert released.read("provenance", "train")[5]["is_rewritten"] is True


def test_row_i_of_provenance_belongs_to_row_i_of_the_data(world: World, release: Release) -> None:
    released = release(world, splits="shared", max_shard_bytes=1000)
    for split in world.splits:
        data, origin = released.read("default", split), released.read("provenance", split)
        assert [show_id(problem_id(row["problem"])) for row in data] == [row["problem_id"] for row in origin]


def test_lineage_follows_generations_and_survives_cycles(world: World, release: Release) -> None:
    ids = {p: problem_id(p) for p in ("Seed one?", "Seed two?", "New one?", "Grandchild?")}
    world.new = ("New one?", "Grandchild?")
    world.texts[6] = ("Grandchild?", "\\boxed{9}", 0, 9, None)
    world.splits = {"train": [6, 4, 0]}

    def edge(child: str, parent: str, key: int) -> dict[str, Any]:
        request = digest128("request", str(key))
        return {"child_id": ids[child], "parent_id": ids[parent], "relation": "augmented", "request_key": request}

    world.edges = [
        edge("Seed one?", "Seed two?", 200),  # the model wrote a seed again
        edge("Seed one?", "Seed one?", 201),
        edge("New one?", "Grandchild?", 202),
        edge("Grandchild?", "New one?", 203),
    ]
    world.tweak = lambda tables: tables["edges"].update(
        generated=_without(tables["edges"]["generated"], ids["Grandchild?"], ids["Seed two?"])
    )
    rows = release(world).read("provenance", "train")
    found = [(row["parent_id"], row["seed_row"]) for row in rows]
    assert found == [(show_id(ids["New one?"]), 1), (show_id(ids["Seed two?"]), 1), (None, 0)]


def _without(edges: pa.Table, child: bytes, parent: bytes) -> pa.Table:
    keep = [
        (c.as_py().bytes, p.as_py().bytes) != (child, parent)
        for c, p in zip(edges["child_id"], edges["parent_id"], strict=True)
    ]
    return edges.filter(pa.array(keep))


def test_files_rows_and_names(world: World, release: Release) -> None:
    released = release(world)
    assert [(f["config"], f["split"], f["path"], f["row_count"]) for f in released.files] == [
        ("default", "train", "data/train-00000-of-00001.parquet", 6),
        ("default", "train_small", "data/train_small-00000-of-00001.parquet", 2),
        ("provenance", "train", "provenance/train-00000-of-00001.parquet", 6),
        ("provenance", "train_small", "provenance/train_small-00000-of-00001.parquet", 2),
    ]
    for file in released.files:
        content = (released.folder / file["path"]).read_bytes()
        assert (file["bytes"], file["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    on_disk = {p.relative_to(released.folder).as_posix() for p in released.folder.rglob("*") if p.is_file()}
    assert on_disk == {f["path"] for f in released.files} | {"README.md", "BUILD.json"}


def test_splits_share_files_that_end_at_their_borders(world: World, release: Release) -> None:
    world.splits["train_whole"] = world.splits["train"]
    released = release(world, splits="shared")
    data = [f for f in released.files if f["config"] == "default"]
    paths = {split: [f["path"] for f in data if f["split"] == split] for split in world.splits}
    both = ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]
    assert paths == {"train": both, "train_small": both[:1], "train_whole": both}
    assert [row["problem"] for row in released.read("default", "train_small")] == ["New one?", "Seed one?"]
    assert len(list((released.folder / "data").iterdir())) == 2


def test_shared_needs_prefixes(world: World, release: Release) -> None:
    world.splits = {"train": [4, 0, 2], "other": [2]}
    with pytest.raises(MathloomError, match=r"mine/dataset: the splits cannot share files.*`splits: copied`"):
        release(world, splits="shared")


def test_copied_takes_any_splits(world: World, release: Release) -> None:
    world.splits = {"train": [4, 0], "test": [2, 5, 1]}
    released = release(world, splits="copied")
    assert [len(released.read("default", split)) for split in ("train", "test")] == [2, 3]


def test_a_split_without_rows_is_refused(world: World, release: Release) -> None:
    """`datasets` 5.2 raises "corresponds to no data" for such a split."""
    world.splits["none"] = []
    with pytest.raises(MathloomError, match=r"mine/dataset: split 'none' has no rows"):
        release(world)


def test_same_data_has_same_bytes_whatever_the_threads(world: World, release: Release) -> None:
    builds = [release(world, threads=threads, max_shard_bytes=1000) for threads in (1, 2)]
    first, second = (
        {p.relative_to(b.folder): p.read_bytes() for p in b.folder.rglob("*") if p.is_file()} for b in builds
    )
    assert first == second


def test_schema_is_exactly_what_is_promised(world: World, release: Release) -> None:
    released = release(world)
    for config, schema in (("data", DATA), ("provenance", PROVENANCE)):
        for path in (released.folder / config).iterdir():
            assert pq.read_schema(path).equals(schema)


def test_parquet_is_written_for_the_hub(world: World, release: Release) -> None:
    released = release(world)
    file = pq.ParquetFile(released.folder / "data/train-00000-of-00001.parquet")
    column = file.metadata.row_group(0).column(0)
    assert column.has_offset_index
    assert column.has_column_index
    assert column.compression == "ZSTD"


def test_one_row_is_a_dataset(world: World, release: Release) -> None:
    world.splits = {"train": [3]}
    assert release(world).facts["rows"] == {"train": 1}


def test_facts(world: World, release: Release) -> None:
    facts = release(world).facts
    assert facts["rows"] == {"train": 6, "train_small": 2}
    assert facts["composition"]["train"] == {
        "gsm8k": {"questions": 2, "pairs": 4},
        "augmented_gsm8k": {"questions": 1, "pairs": 2},
    }
    assert facts["files"] == 4


def test_nothing_left_names_the_worst_rule(world: World, release: Release) -> None:
    world.splits = {"train": [], "train_small": []}
    world.context["funnel"] = [
        {"stage": "seeds", "rows_in": {"problems": 9}, "main": "problems", "rows_out": 8, "rejected": {"duplicate": 1}},
        {"stage": "graded", "rows_in": 8, "rows_out": 0, "rejected": {"incorrect": 7, "duplicate": 1}},
    ]
    with pytest.raises(MathloomError) as caught:
        release(world)
    assert caught.value.what == (
        "nothing is left to release; most rows were removed by 'incorrect' at stage 'graded' (7)"
    )
    assert "mathloom show mine graded.rejects" in caught.value.fix


def test_nothing_left_without_a_funnel(world: World, release: Release) -> None:
    world.splits = {"train": []}
    with pytest.raises(MathloomError, match="nothing is left to release"):
        release(world)


@pytest.mark.parametrize("name", ["train-1M", "train 1", "../up", "tr.", ""])
def test_a_split_name_that_readers_refuse(world: World, release: Release, name: str) -> None:
    world.splits = {"train": [0]}

    def rename(tables: dict[str, dict[str, pa.Table]]) -> None:
        tables["splits"] = {"train": tables["splits"]["train"]}

    world.tweak = rename
    with pytest.raises(MathloomError, match="cannot be the name of a split"):
        _with_split_name(world, release, name)


def _with_split_name(world: World, release: Release, name: str) -> None:
    original = Folder.run

    def run(self: Folder, job: Job) -> None:
        for table in job.inputs["splits"]:
            table.stage = name
        original(self, job)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Folder, "run", run)
        release(world)


@pytest.mark.parametrize("table", ["solutions", "texts", "completions"])
def test_a_row_that_lost_a_piece_stops_the_release(world: World, release: Release, table: str) -> None:
    def lose(tables: dict[str, dict[str, pa.Table]]) -> None:
        part = next(iter(tables[table]))
        tables[table][part] = tables[table][part].slice(1)

    world.tweak = lose
    lost = show_id(solution_id(problem_id("Seed one?"), digest128("request", "0")))
    with pytest.raises(StoreError, match=f"solution {lost} is in a split and not in '{table}'"):
        release(world)


def test_a_problem_that_is_gone_stops_the_release(world: World, release: Release) -> None:
    def lose(tables: dict[str, dict[str, pa.Table]]) -> None:
        tables["problems"]["new"] = tables["problems"]["new"].slice(1)

    world.tweak = lose
    with pytest.raises(StoreError, match="is in a split and not in 'problems'"):
        release(world)


def test_a_solution_twice_stops_the_release(world: World, release: Release) -> None:
    def double(tables: dict[str, dict[str, pa.Table]]) -> None:
        tables["texts"]["distinct"] = pa.concat_tables([tables["texts"]["distinct"]] * 2)

    world.tweak = double
    with pytest.raises(StoreError, match="in one of the inputs twice"):
        release(world)


def test_a_problem_in_two_parts_is_taken_from_the_first(world: World, release: Release) -> None:
    def double(tables: dict[str, dict[str, pa.Table]]) -> None:
        again = {"problem_id": problem_id("Seed one?"), "problem": "Seed one?", "problem_source": "augmented_gsm8k"}
        tables["problems"]["new"] = pa.concat_tables([tables["problems"]["new"], table_of(PROBLEM, [again])])

    world.tweak = double
    rows = release(world).read("default", "train")
    assert [r["problem_source"] for r in rows if r["problem"] == "Seed one?"] == ["gsm8k", "gsm8k"]


def test_no_votes_anywhere(world: World, release: Release) -> None:
    def drop(tables: dict[str, dict[str, pa.Table]]) -> None:
        tables["expected"]["new_expected"] = tables["expected"]["new_expected"].drop_columns(["votes", "n_valid"])

    world.tweak = drop
    assert {row["votes"] for row in release(world).read("provenance", "train")} == {None}


def test_a_full_disk_is_one_error(world: World, release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, *_: Any, **__: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StoreError, match=r"cannot be written: No space left on device\..*disk has room") as caught:
        release(world)
    assert caught.value.retryable


def test_too_little_memory_is_one_error(world: World, release: Release) -> None:
    texts = {n: ("Seed one?", f"{n} " + "x" * 3000 + " \\boxed{1}", 0, 20, None) for n in range(4000)}
    world.texts, world.splits = texts, {"train": list(texts)}
    with pytest.raises(StoreError, match=r"ran out of memory or of spill space: [^\n]*\. Raise `memory_limit`"):
        release(world, memory="3MB")


def test_memory_that_ends_in_the_middle_of_a_stream(
    world: World, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrow passes DuckDB's error on as OSError without a number, seen with a limit of 500 MB and 1.5M rows."""

    def fail(*_: Any) -> None:
        raise OSError("Out of Memory Error: failed to allocate\n\nPossible solutions:\n* many")

    monkeypatch.setattr("assets.release.kinds._stream", fail)
    with pytest.raises(StoreError, match=r"spill space: Out of Memory Error: failed to allocate\. Raise"):
        release(world)


def test_build_file_is_true_and_stable(world: World, release: Release) -> None:
    line = {"kind": "sql/graded", "code": "c0", "version": "abc", "settings": {}, "inputs": {}, "rows": {"rows": 6}}
    law = {"name": "law_filter", "passed": True, "blocking": True, "violations": 0, "description": "held"}
    world.context |= {
        "recipe": {
            "name": "mine",
            "title": "Mine",
            "profile": "paper",
            "preview_rows": None,
            "description": "not in it",
        },
        "mathloom": "1.2.3",
        "models": {"teacher": {"model": "m", "weights": "w", "licence": "mit"}},
        "lineage": {"solved": {"role": "teacher", "model": "m"}},
        "stages": {"graded": line},
        "funnel": [{"stage": "graded", "kind": "sql/graded", "rows_in": 8, "rows_out": 6, "rejected": {"wrong": 2}}],
        "checks": {"graded": [law]},
        "facts": {
            "solved": {"requests": {"completed": 5, "rejected": 1, "prompt_tokens": 10, "completion_tokens": 20}}
        },
        "sources": {"gsm8k": {"hub": "openai/gsm8k", "revision": "f" * 40, "sha256": None}},
    }
    released = release(world)
    build = json.loads((released.folder / "BUILD.json").read_text())
    assert build["format"] == 2
    assert build["mathloom"] == "1.2.3"
    assert build["recipe"] == {
        "name": "mine",
        "title": "Mine",
        "profile": "paper",
        "preview_rows": None,
        "hash": hash_json({}),
        "files": {},
    }
    assert build["splits"] == {"train": 6, "train_small": 2}
    assert build["columns"]["default"][0] == ["problem", "string", "The problem, as the model read it."]
    assert list(build["columns"]) == ["default", "provenance"]
    assert build["models"] == world.context["models"]
    funnel = {"rows_in": 8, "rows_out": 6, "rejected": {"wrong": 2}}
    assert build["stages"] == {"graded": {**line, "funnel": funnel, "checks": [law]}}
    costs = {"requests": 6, "completed": 5, "failed": 1, "prompt_tokens": 10, "completion_tokens": 20}
    assert build["costs"] == {"solved": {**costs, "price": None, "currency": ""}}
    assert build["files"] == {f["path"]: {"rows": f["row_count"], "sha256": f["sha256"]} for f in released.files}


def test_the_recipe_is_in_it_byte_by_byte(world: World, release: Release, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_bytes(b"recipe: mine\r\n# \xff\n")
    files = {"recipe/mathloom.toml": b"[recipes]\n", "recipe/mine/recipe.yaml": recipe}
    said = {
        "recipe/mathloom.toml": hashlib.sha256(b"[recipes]\n").hexdigest(),
        "recipe/mine/recipe.yaml": hashlib.sha256(recipe.read_bytes()).hexdigest(),
    }
    world.context |= {"recipe": {"name": "mine", "files": said}, "recipe_files": files}
    released = release(world)
    assert (released.folder / "recipe/mine/recipe.yaml").read_bytes() == recipe.read_bytes()
    assert (released.folder / "recipe/mathloom.toml").read_bytes() == b"[recipes]\n"
    build = json.loads((released.folder / "BUILD.json").read_text())
    assert (build["recipe"]["files"], build["recipe"]["hash"]) == (said, hash_json(said))


def test_a_recipe_that_changes_during_the_build_stops_it(world: World, release: Release, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("recipe: other")
    world.context |= {"recipe": {"files": {"recipe/a.yaml": "0" * 64}}, "recipe_files": {"recipe/a.yaml": path}}
    with pytest.raises(StoreError, match=r"mine/dataset: recipe/a.yaml has changed since the build began") as caught:
        release(world)
    assert caught.value.retryable


def test_no_file_names_this_machine(world: World, release: Release, tmp_path: Path) -> None:
    home = str(Path.home())
    world.context |= {
        "lineage": {"solved": {"model": f"{tmp_path}/m.gguf", "weights": f"file {home}/a/b.gguf", "settings": {}}},
        "sources": {"gsm8k": {"hub": None, "sha256": "ab", "path": str(tmp_path / "seeds.jsonl")}},
        "models": {"teacher": {"model": f"{tmp_path}/m.gguf", "weights": f"file {home}/a/b.gguf"}},
        "stages": {"graded": {"settings": {"path": f"{tmp_path}/x"}}},
        "checks": {"graded": [{"name": "a", "passed": True, "description": f"in {tmp_path}/x"}]},
        "funnel": [{"stage": "seeds", "rows_in": 1, "rows_out": 1, "rejected": {f"in {tmp_path}/x": 1}}],
    }
    released = release(world)
    for path in released.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        for row in released.read("provenance", "train"):
            assert str(tmp_path) not in str(row)
        assert str(tmp_path).encode() not in content
        assert f"{home}/a".encode() not in content
    assert "m.gguf" in released.card()


def test_golden(world: World, release: Release) -> None:
    """A changed hash means another dataset for the same input: raise the kind's version, then the hash here."""
    world.context |= {
        "recipe": {"name": "mine", "title": "Mine", "release": {"licence": "apache-2.0"}},
        "lineage": {"solved": {"role": "teacher", "weights": "w", "prompts": {"p": "h"}, "settings": {"samples": 2}}},
        "funnel": [{"stage": "graded", "rows_in": 8, "rows_out": 6, "rejected": {"incorrect": 2}}],
    }
    released = release(world)
    tables = [[c, s, released.read(c, s)] for c in ("default", "provenance") for s in world.splits]
    # The sizes of Parquet files depend on the version of pyarrow; the golden is about rows and text.
    card = [line for line in released.card().splitlines() if "download_size" not in line]
    assert (Folder.version, hash_json([tables, card])[:16]) == (2, "6b0729177587a073")
