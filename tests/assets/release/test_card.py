"""The dataset card: YAML that readers need, true numbers, and hostile text that stays text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
import yaml

from assets.release.card_facts import rows_in
from assets.release.card_plots import WIDTH, bars
from assets.release.columns import MEANINGS, described
from assets.release.contamination import PUBLISHED
from assets.release.public import fence, inline, name, scrub
from assets.release.tables import DATA, PROVENANCE

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


def test_a_licence_that_the_hub_does_not_know_is_other(world: World, release: Release) -> None:
    world.context["recipe"] = {"release": {"licence": "Our own terms 3"}}
    card = release(world).card()
    assert _head(card)["license"] == "other"
    assert "Released under `Our own terms 3`." in card


def test_what_the_gate_was_told_to_accept_is_a_known_limit(world: World, release: Release) -> None:
    world.context["recipe"] = {"release": {"accept": {"contamination": "No *benchmark* has sums."}}}
    card = release(world).card()
    assert "- The dataset was compared with no benchmark. The author's reason: No \\*benchmark\\* has sums.\n" in card
    assert "clashes with the declared one" not in card


def test_a_waiver_of_a_licence_is_said_where_there_is_a_clash(world: World, release: Release) -> None:
    accept = {"licence": "They allowed it."}
    source = {"hub": "org/x", "revision": "a" * 40, "licence": "CC-BY-ND-4.0"}
    cases = [
        ({"licence": "MIT"}, source, ["A licence of what it was made from clashes with the declared one"]),
        ({"licence": "MIT"}, source | {"licence": "MIT"}, []),
        ({}, source | {"licence": "MIT"}, ["It declares no licence"]),
    ]
    for declared, pin, said in cases:
        world.context |= {"recipe": {"release": {"accept": accept, **declared}}, "sources": {"x": pin}}
        lines = [line for line in release(world).card().splitlines() if "The author's reason" in line]
        assert lines == [f"- {words}. The author's reason: They allowed it." for words in said]


def test_models_with_licences_and_costs_with_prices(world: World, release: Release) -> None:
    price = {"currency": "USD", "source": "their page", "date": "2026-01-31"}
    price |= {"per_million_prompt_tokens": 0.5, "per_million_completion_tokens": 1.5}
    world.context |= {
        "lineage": {"solved": {"role": "teacher", "model": "org/model"}, "judged": {"role": "judge", "model": "j"}},
        "models": {
            "teacher": {"model": "org/model", "weights": "hf:org/model", "licence": "Apache-2.0", "price": price},
            "judge": {"model": "j", "weights": "w", "licence": None},
        },
        "facts": {
            "solved": {
                "requests": {"completed": 1000, "rejected": 3, "prompt_tokens": 4_000_000, "completion_tokens": 10**6}
            },
            "judged": {"requests": {"completed": 5, "failed": 1, "prompt_tokens": 50, "completion_tokens": 5}},
        },
    }
    card = release(world).card()
    assert "| `teacher` | org/model | `hf:org/model` | Apache-2.0 |" in card
    assert "| `judge` | j | `w` | not stated |" in card
    assert "| `solved` | org/model | 1,003 | 1,000 | 3 | 4,000,000 | 1,000,000 | 3.50 USD |" in card
    assert "| `judged` | j | 6 | 5 | 1 | 50 | 5 |  |" in card
    assert "| total |  | 1,009 | 1,005 | 4 | 4,000,050 | 1,000,005 |  |" in card
    assert "Together 3.50 USD, at these prices:" in card
    assert "- `teacher`: 0.5 and 1.5 USD for a million tokens in and out (their page, 2026-01-31)" in card


def test_checks_with_results(world: World, release: Release) -> None:
    def result(name: str, passed: bool, blocking: bool, violations: int) -> dict[str, Any]:
        words = {"name": name, "passed": passed, "blocking": blocking, "violations": violations}
        return words | {"description": f"says {name}"}

    world.context["checks"] = {
        "seeds": [result("law_source", True, True, 0), result("rows", True, True, 0)],
        "graded": [result("law_filter", True, True, 0), result("share", False, False, 12)],
    }
    card = release(world).card()
    assert "2 of 2 stages keep the law of their kind" in card
    assert (
        "| `seeds` | 1 of 1 | says rows |  |\n| `graded` | 0 of 1 |  | says share (12 violations, a warning) |" in card
    )


FULL = "\u2588" * WIDTH


def test_bars_of_votes_and_lengths(world: World, release: Release) -> None:
    card = release(world).card()
    assert f"70 -  80 %  1  {FULL}\n80 -  90 %  0\n" in card, "3 of 4 votes"
    assert f"Tokens of the released solutions, by row:\n\n```text\n4 - 7  6  {FULL}\n```" in card, "six rows of 5"


def test_lengths_are_characters_where_a_row_has_no_tokens(world: World, release: Release) -> None:
    def forget(tables: dict[str, dict[str, pa.Table]]) -> None:
        table = tables["texts"]["distinct"]
        tokens = pa.array([None, *table["tokens"].to_pylist()[1:]], pa.int32())
        tables["texts"]["distinct"] = table.set_column(table.schema.get_field_index("tokens"), "tokens", tokens)

    world.tweak = forget
    card = release(world).card()
    # 16, 12, 16, 21 (rewritten), 14 and 35 code points
    assert "Characters of the released solutions, by row:" in card
    lines = [" 8 - 15  2  ", "16 - 31  3  ", "32 - 63  1  "]
    assert all(f"\n{line}\u2588" in card for line in lines)


def test_bars_are_as_long_as_their_share() -> None:
    assert bars([("a", 0), ("b", 1), ("c", 10_000)]) == (
        f"```text\na       0\nb       1  \u2588\nc  10,000  {FULL}\n```"
    )


def test_no_votes_no_plot_of_votes(world: World, release: Release) -> None:
    world.splits = {"train": [0, 2]}
    assert "Share of the valid solutions" not in release(world).card()


def test_every_released_column_has_a_meaning() -> None:
    columns = {"default": DATA, "provenance": PROVENANCE, "contamination": PUBLISHED}
    for config, found in described(columns.items()).items():
        assert [name for name, _, meaning in found if not meaning] == []
        assert set(columns[config].names) == {name for name, _, _ in found}
    assert MEANINGS["default"].keys() == set(DATA.names)
    assert MEANINGS["provenance"].keys() == set(PROVENANCE.names)


def test_a_preview_says_so(world: World, release: Release) -> None:
    world.context["recipe"] = {"preview_rows": 3}
    assert "This is a preview" in release(world).card()
    world.context["recipe"] = {"preview_rows": None}
    assert "This is a preview" not in release(world).card()


RATES = ("per_million_prompt_tokens", "per_million_completion_tokens")
HOSTILE = "<!-- own words: begin -->\n<!-- changelog : end -->\n" + (
    "```\n---\nlicense: evil\n---\n# Title <script>alert(1)</script> | ![x](http://e/x.png) \u202e\x1b[31m @all"
)


def test_hostile_text_stays_text(world: World, release: Release) -> None:
    solution = HOSTILE + " \\boxed{1}"
    world.texts[0] = ("Seed one?", solution, 0, len(solution), None)
    world.splits = {"train": [0]}
    price = {"currency": HOSTILE, "source": HOSTILE, "date": HOSTILE} | dict.fromkeys(RATES, 1)
    world.context |= {
        "funnel": [{"stage": HOSTILE, "rows_in": 1, "rows_out": 1, "rejected": {HOSTILE: 1}}],
        "lineage": {
            HOSTILE: {"role": HOSTILE, "model": HOSTILE, "prompts": {HOSTILE: HOSTILE}, "settings": {"stop": [HOSTILE]}}
        },
        "models": {HOSTILE: {"model": HOSTILE, "weights": HOSTILE, "licence": HOSTILE, "price": price}},
        "facts": {HOSTILE: {"requests": {"completed": 1}}},
        "checks": {HOSTILE: [{"name": HOSTILE, "passed": False, "blocking": False, "description": HOSTILE}]},
        "sources": {HOSTILE: {"hub": HOSTILE, "sha256": "ab", "licence": HOSTILE}},
        "recipe": {
            "title": HOSTILE,
            "description": HOSTILE,
            "release": {"licence": HOSTILE, "accept": {"licence": HOSTILE}},
        },
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
        "## Votes and lengths",
        "## Funnel",
        "## Generation",
        "## Costs",
        "## Sources",
        "## Checks",
        "## First row",
        "## Known limits",
        "## Licence",
        "## Changelog",
    ]
    markers = re.findall(r"<!--\s*(?:own words|changelog)\s*:", card.split("\n---\n", 1)[1])
    assert len(markers) == 4, "two pairs, both ours"


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
