"""The dataset card: YAML that readers need, true numbers, and hostile text that stays text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from assets.release.card import rows_in
from assets.release.public import fence, inline, name, scrub

World = Any
Release = Callable[..., Any]


def _head(card: str) -> dict[str, Any]:
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def test_the_head_says_what_the_hub_reads(world: World, release: Release) -> None:
    world.context["recipe"] = {
        "name": "mine",
        "title": "My data",
        "release": {"licence": "CC-BY-4.0", "tags": ["math"], "language": "en"},
    }
    head = _head(release(world).card())
    assert {k: v for k, v in head.items() if k not in ("configs", "dataset_info")} == {
        "license": "cc-by-4.0",
        "language": ["en"],
        "task_categories": ["question-answering", "text-generation"],
        "tags": ["math"],
        "pretty_name": "My data",
        "size_categories": ["n<1K"],
    }
    assert head["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-*"},
                {"split": "train_small", "path": "data/train_small-*"},
            ],
            "default": True,
        },
        {
            "config_name": "provenance",
            "data_files": [
                {"split": "train", "path": "provenance/train-*"},
                {"split": "train_small", "path": "provenance/train_small-*"},
            ],
        },
    ]
    info = head["dataset_info"][0]
    assert info["features"] == [
        {"name": column, "dtype": "string"}
        for column in ("problem", "generated_solution", "expected_answer", "problem_source")
    ]
    assert [(split["name"], split["num_examples"]) for split in info["splits"]] == [("train", 6), ("train_small", 2)]
    assert info["dataset_size"] == sum(split["num_bytes"] for split in info["splits"])


def test_shared_files_are_named_one_by_one_and_counted_once(world: World, release: Release) -> None:
    released = release(world, splits="shared")
    head = _head(released.card())
    assert head["configs"][0]["data_files"] == [
        {"split": "train", "path": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet"]},
        {"split": "train_small", "path": ["data/train-00000-of-00002.parquet"]},
    ]
    on_disk = sum(path.stat().st_size for path in (released.folder / "data").iterdir())
    assert head["dataset_info"][0]["download_size"] == on_disk


def test_tables_of_composition_and_funnel(world: World, release: Release) -> None:
    world.context["funnel"] = [
        {"stage": "gsm8k", "rows_in": {}, "main": "", "rows_out": 7473, "rejected": {}},
        {
            "stage": "graded",
            "rows_in": {"solutions": 12000, "answers": 12000},
            "main": "solutions",
            "rows_out": 9000,
            "rejected": {"incorrect": 2900, "duplicate": 100},
        },
    ]
    card = release(world).card()
    assert "| `gsm8k` | 2 | 4 |\n| `augmented_gsm8k` | 1 | 2 |\n| total | 3 | 6 |" in card
    assert "| `gsm8k` |  | 7,473 |  |" in card
    assert "| `graded` | 12,000 | 9,000 | incorrect: 2,900; duplicate: 100 |" in card


def test_models_prompts_and_settings(world: World, release: Release) -> None:
    world.context["lineage"] = {
        "solved": {
            "role": "teacher",
            "weights": "org/model@abc",
            "model": "org/model",
            "prompts": {"solve": "0123456789abcdef"},
            "settings": {"temperature": 0.7},
        }
    }
    card = release(world).card()
    assert "- prompts (hash): `solve` (`0123456789ab`)" in card
    assert '- settings: `{"temperature":0.7}`' in card
    assert "org/model\\@abc" in card


def test_what_the_author_writes(world: World, release: Release) -> None:
    world.context["recipe"] = {
        "title": "T",
        "release": {
            "summary": "About this set.",
            "limits": ["Only addition."],
            "notes": "Ask the owners of the seeds.",
            "citation": "@misc{a, title={A}}",
            "repository": "org/set",
        },
    }
    card = release(world).card()
    assert "\n\nAbout this set.\n\n" in card
    assert "- Only addition." in card
    assert "Ask the owners of the seeds." in card
    assert "```bibtex\n@misc{a, title={A}}\n```" in card
    assert "load_dataset('org/set', split='train_small')" in card
    assert "license: unknown" in card
    assert "The recipe states no licence." in card


def test_a_preview_says_so(world: World, release: Release) -> None:
    world.context["recipe"] = {"preview_rows": 3}
    assert "This is a preview" in release(world).card()
    world.context["recipe"] = {"preview_rows": None}
    assert "This is a preview" not in release(world).card()


HOSTILE = "```\n---\nlicense: evil\n---\n# Title <script>alert(1)</script> | ![x](http://e/x.png) \u202e\x1b[31m @all"


def test_hostile_text_stays_text(world: World, release: Release) -> None:
    solution = HOSTILE + " \\boxed{1}"
    world.texts[0] = ("Seed one?", solution, 0, len(solution), None)
    world.splits = {"train": [0]}
    world.context |= {
        "funnel": [{"stage": HOSTILE, "rows_in": 1, "rows_out": 1, "rejected": {HOSTILE: 1}}],
        "lineage": {HOSTILE: {"model": HOSTILE, "prompts": {HOSTILE: HOSTILE}, "settings": {"stop": [HOSTILE]}}},
        "sources": {HOSTILE: {"hub": HOSTILE, "sha256": "ab", "licence": HOSTILE}},
        "recipe": {"title": HOSTILE, "description": HOSTILE, "release": {"licence": HOSTILE}},
    }
    released = release(world)
    assert released.read("default", "train")[0]["generated_solution"] == solution, "data is never changed"
    card = released.card()
    head = _head(card)
    assert head["pretty_name"] == HOSTILE
    prose = _outside_fences(card.split("\n---\n", 1)[1])
    for piece in ("<script", "![x](", "\u202e", "\x1b", "# Title", "@all"):
        assert piece not in prose.replace("\\@all", "").replace("\\# Title", ""), piece
    assert [line for line in prose.splitlines() if line.startswith("#")][1:] == [
        "## Load",
        "## Columns",
        "## Composition",
        "## Funnel",
        "## Generation",
        "## Sources",
        "## First row",
        "## Known limits",
        "## Licence",
    ]


def _outside_fences(text: str) -> str:
    lines, bar = [], ""
    for line in text.splitlines():
        if bar:
            bar = "" if line == bar else bar
        elif line.startswith("```"):
            bar = line[: len(line) - len(line.lstrip("`"))]
        else:
            lines.append(line)
    assert not bar, "every code block is closed"
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("a|b", "a\\|b"),
        ("two\nlines", "two lines"),
        ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
        ("[x](y) `z` $1$ *s* _u_", "\\[x\\]\\(y\\) \\`z\\` \\$1\\$ \\*s\\* \\_u\\_"),
        ("bad \ud800 surrogate", "bad ? surrogate"),
        ("right\u202eleft\u0000", "rightleft"),
    ],
)
def test_inline(text: str, shown: str) -> None:
    assert inline(text) == shown


def test_fences_are_longer_than_what_they_hold() -> None:
    assert fence("a ```` b", "text") == "`````text\na ```` b\n`````"
    assert len(fence("x" * 10_000)) < 2100


def test_names_are_code_only_where_that_is_safe() -> None:
    assert name("augmented_gsm8k") == "`augmented_gsm8k`"
    assert name("a`b") == "a\\`b"


@pytest.mark.parametrize(
    ("value", "public"),
    [
        ("/home/me/models/m.gguf", "m.gguf"),
        ("/m.gguf", "m.gguf"),
        ("~/m/x", "x"),
        ("C:\\Users\\me\\m.gguf", "m.gguf"),
        ("file:///home/me/m.gguf", "m.gguf"),
        ("see '/home/me/x.gguf' there", "see 'x.gguf' there"),
        ("org/model", "org/model"),
        ("https://host.example/a/b", "https://host.example/a/b"),
        ("hf://datasets/org/name@v1", "hf://datasets/org/name@v1"),
        ("48/2 = 24", "48/2 = 24"),
        ({"a": ["/x/y", 1, None]}, {"a": ["y", 1, None]}),
        ("\n\n\n\n\n\n", "\n\n\n\n\n\n"),
    ],
)
def test_scrub(value: Any, public: Any) -> None:
    assert scrub(value) == public


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ({"rows_in": 5}, 5),
        ({"rows_in": {"a": 5, "b": 7}, "main": "a"}, 5),
        ({"rows_in": {"a": 5, "b": 7}, "main": ""}, 12),
        ({"rows_in": {}}, None),
        ({}, None),
    ],
)
def test_rows_in(line: dict[str, Any], count: int | None) -> None:
    assert rows_in(line) == count
