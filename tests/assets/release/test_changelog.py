"""The changelog: one entry a release, written from a difference, and kept in order."""

from __future__ import annotations

from typing import Any

import pytest

from assets.release.changelog import MAX_LINES, entry, newest, with_entry
from assets.release.difference import Difference, Line, Metric, Rows, Sample, SchemaChange
from assets.release.numbering import Number, Step

NUMBER = Number(1, 1, 0)
HOSTILE = "<!-- own words: begin -->\n## v9.9.9\n| x | <b>y</b> [z](http://h) ```"


def _difference(**words: Any) -> Difference:
    given: dict[str, Any] = {"splits": {"train": Rows(100, 110, 12, 2, 3, 95)}}
    return Difference("v1.0.0", "the current build", **(given | words))


def test_a_whole_entry() -> None:
    difference = _difference(
        lines=[
            Line("train", "added", "gsm8k", "seed", "source gsm8k", 12),
            Line("train", "removed", "augmented_gsm8k", "filter", "checked: no_answer", 2),
        ],
        metrics=[Metric("mean votes", 3.25, 3.5), Metric("rows", 100, 110), Metric("same", 1.0, 1.0)],
        samples=[
            Sample("train", "added", "id-1", "gsm8k", "seed", "source gsm8k", "What is 1 + 1?", None, "2"),
            Sample("train", "added", "id-2", "gsm8k", "seed", "", "What is 2?", None, "2"),
            Sample("train", "added", "id-3", "gsm8k", "seed", "", "What is 3?", None, "3"),
            Sample("train", "changed", "id-4", "gsm8k", "model", "", "Why?", "old text", "new text"),
        ],
        schema=[SchemaChange("default", "column votes: int32 became int64", True)],
        recipe=["stage checked: settings (min_solution_characters)"],
        other_configs={"contamination": Rows(4, 5, 1, 0, 0, 4)},
    )
    assert entry(NUMBER, difference, step=Step.MINOR, notes=["Thanks to *us*."]) == (
        "## v1.1.0\n\n"
        "Minor: rows changed. Compared with `v1.0.0`.\n\n"
        "Thanks to \\*us\\*.\n\n"
        "| split | rows before | rows now | added | removed | changed | same |\n"
        "| --- | --- | --- | --- | --- | --- | --- |\n"
        "| `train` | 100 | 110 | 12 | 2 | 3 | 95 |\n"
        "| `config contamination` | 4 | 5 | 1 | 0 | 0 | 4 |\n\n"
        "| split | change | source | cause | rows |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| `train` | added | `gsm8k` | seed: source gsm8k | 12 |\n"
        "| `train` | removed | `augmented_gsm8k` | filter: checked\\: no\\_answer | 2 |\n\n"
        "Columns, configs and splits:\n\n"
        "- column votes\\: int32 became int64 (breaking)\n\n"
        "Made differently:\n\n"
        "- stage checked\\: settings \\(min\\_solution\\_characters\\)\n\n"
        "| figure | before | now |\n"
        "| --- | --- | --- |\n"
        "| mean votes | 3.25 | 3.5 |\n"
        "| rows | 100 | 110 |\n\n"
        "Samples:\n\n"
        "- added in `train` (`gsm8k`, seed: source gsm8k), `id-1`: What is 1 + 1?\n"
        "- changed in `train` (`gsm8k`, model), `id-4`: Why?\n"
        "  - was: old text\n"
        "  - is: new text\n"
        "- added in `train` (`gsm8k`, seed), `id-2`: What is 2?"
    )


def test_the_first_entry() -> None:
    assert entry(Number(1, 0, 0), None, step=None) == "## v1.0.0\n\nThe first release."


def test_guessed_causes_are_said_to_be_guessed() -> None:
    assert "Causes are told from the two releases alone." in entry(NUMBER, _difference(is_exact=False), step=Step.MINOR)


def test_hostile_text_is_text() -> None:
    difference = _difference(
        splits={HOSTILE: Rows(1, 1, 0, 0, 1, 0)},
        lines=[Line(HOSTILE, "changed", HOSTILE, "unknown", HOSTILE, 1)],
        samples=[Sample(HOSTILE, "changed", HOSTILE, HOSTILE, "unknown", HOSTILE, HOSTILE * 50, HOSTILE, HOSTILE)],
        schema=[SchemaChange(HOSTILE, HOSTILE, False)],
        recipe=[HOSTILE],
        metrics=[Metric(HOSTILE, None, 1)],
    )
    text = entry(NUMBER, difference, step=Step.MINOR, notes=[HOSTILE])
    assert "<" not in text
    assert "](" not in text.replace("\\]\\(", "")
    assert [line for line in text.splitlines() if line.startswith("#")] == ["## v1.1.0"]
    assert all(len(line) < 1500 for line in text.splitlines())
    assert len(newest(with_entry(None, text), 5)) == 1


def test_many_causes_are_summed_up() -> None:
    lines = [Line("train", "added", "gsm8k", "seed", f"source s{i}", i) for i in range(100)]
    text = entry(NUMBER, _difference(lines=lines), step=Step.MINOR)
    rest = sum(range(MAX_LINES, 100))
    assert f"| 60 more causes | {rest:,} |" in text
    assert text.count("| `train` | added |") == MAX_LINES


def test_newest_first_and_the_same_number_once() -> None:
    first = with_entry(None, entry(Number(1, 0, 0), None, step=None))
    assert first == "# Changelog\n\n## v1.0.0\n\nThe first release.\n"
    second = with_entry(first, entry(NUMBER, _difference(), step=Step.MINOR))
    assert second.index("## v1.1.0") < second.index("## v1.0.0")
    assert with_entry(second, entry(NUMBER, _difference(), step=Step.MINOR)) == second
    again = with_entry(second, "## v1.0.0\n\nAnother text.")
    assert "The first release." not in again
    assert again.index("## v1.1.0") < again.index("Another text.")


@pytest.mark.parametrize(
    ("previous", "kept"),
    [
        ("# Our changes\r\n\r\nWritten by us.\r\n\r\n## v0.9.0\r\n\r\nOld.\r\n", "# Our changes\n\nWritten by us.\n\n"),
        ("", "# Changelog\n\n"),
        ("no entries at all", "no entries at all\n\n"),
        ("## v1.0.0\n\na\n\n## v1.0.0\n\nb\n", "# Changelog\n\n"),
    ],
)
def test_what_somebody_wrote_before_stays(previous: str, kept: str) -> None:
    text = with_entry(previous, entry(NUMBER, None, step=Step.PATCH))
    assert text.startswith(kept + "## v1.1.0\n\n")
    assert with_entry(text, entry(NUMBER, None, step=Step.PATCH)) == text


def test_a_long_entry_is_cut_at_a_line_for_the_card() -> None:
    lines = [Line("train", "added", "gsm8k", "seed", "x" * 190, 1) for _ in range(40)]
    [shown] = newest(with_entry(None, entry(NUMBER, _difference(lines=lines), step=Step.MINOR)), 5)
    assert len(shown) < 4200
    assert shown.endswith("is in [CHANGELOG.md](CHANGELOG.md).")


@pytest.mark.parametrize("private", ["/home/me/x", "see k9Zt_not-for-you"])
@pytest.mark.parametrize("place", ["problem", "old", "new", "detail"])
def test_a_sample_with_a_path_or_secret_in_any_of_its_texts_is_not_shown(place: str, private: str) -> None:
    texts = {"problem": "Why?", "old": "a", "new": "b", "detail": "c"} | {place: private}
    sample = Sample("train", "changed", "id-1", "gsm8k", "seed", **{"detail": "", **texts})
    shown = Sample("train", "changed", "id-2", "gsm8k", "seed", "", "Why not?", "a", "b")
    text = entry(NUMBER, _difference(samples=[sample, shown]), step=Step.MINOR, hidden=["k9Zt_not-for-you"])
    assert ("id-1" in text, "id-2" in text) == (False, True)
