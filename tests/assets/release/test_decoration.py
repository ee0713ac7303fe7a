"""Decorating a card: what programs read back, what stays of the published card, and cards that nobody should trust."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.release.changelog import entry, with_entry
from assets.release.decoration import MAX_OWN_WORDS, Stamp, decorate, read_stamp, release_digest
from assets.release.numbering import Number, Step
from assets.release.regions import CHANGELOG, OWN_WORDS, read_region, region, unmarked
from resources.errors import MathloomError, ReleaseError

DIGEST = "ab" * 32
FIRST = Number(1, 0, 0)

CARD = f"""---
license: apache-2.0
tags:
- math
---

# Mine

{region(OWN_WORDS)}

## Load

```python
from datasets import load_dataset

data = load_dataset('ORG/NAME', split='train')
origin = load_dataset('ORG/NAME', "provenance", split='train')  # row i is the origin of row i
```

## Changelog

{region(CHANGELOG)}

## Licence

Said.
"""


def _decorated(card: str = CARD, previous: str | None = None, **words: Any) -> str:
    given = {
        "repository": "org/set",
        "number": FIRST,
        "digest": DIGEST,
        "changelog": with_entry(None, entry(FIRST, None, step=None)),
    }
    return decorate(card, previous=previous, **(given | words))


def _head(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def test_what_publishing_adds() -> None:
    card = _decorated(number=Number(1, 2, 0), reverts=Number(1, 1, 0), restores=FIRST)
    assert _head(card) == {
        "license": "apache-2.0",
        "tags": ["math"],
        "mathloom": {
            "version": "1.2.0",
            "digest": DIGEST,
            "card": hashlib.sha256(CARD.encode()).hexdigest(),
            "reverts": "v1.1.0",
            "restores": "v1.0.0",
        },
    }
    assert "data = load_dataset('org/set', split='train')" in card
    assert "ORG/NAME" not in card
    changes = read_region(card, CHANGELOG, "") or ""
    assert changes.startswith('This is release `v1.2.0`. With `revision="v1.2.0"`')
    assert "It takes back release `v1.1.0`. It has the content of `v1.0.0` again." in changes
    assert "### v1.0.0\n\nThe first release." in changes
    assert card.endswith("## Licence\n\nSaid.\n")


def test_a_folder_keeps_the_placeholder() -> None:
    assert "load_dataset('ORG/NAME', split" in _decorated(repository="/data/me/releases")
    assert "/data/me" not in _decorated(repository="/data/me/releases")


def test_keys_of_others_stay_and_ours_are_ours() -> None:
    previous = "---\nlicense: mit\nviewer: false\nextra_gated_prompt: |\n  Say who\n  you are.\n---\n# Old\n"
    head = _head(_decorated(previous=previous))
    assert (head["license"], head["viewer"]) == ("apache-2.0", False)
    assert head["extra_gated_prompt"] == "Say who\nyou are.\n"


def test_own_words_stay_with_every_letter() -> None:
    own = "## Ethics\n\nAsk *us* & `them`: <b>us</b>.\n\n```python\ndata = load_dataset('other/thing')\n```"
    first = _decorated().replace(region(OWN_WORDS), region(OWN_WORDS, own))
    second = _decorated(previous=first, number=Number(1, 0, 1))
    assert read_region(second, OWN_WORDS, "") == own
    third = _decorated(previous=second, number=Number(1, 1, 0))
    assert read_region(third, OWN_WORDS, "") == own


def test_a_revert_takes_own_words_of_today_and_keeps_the_hash_of_its_card() -> None:
    old = _decorated().replace(region(OWN_WORDS), region(OWN_WORDS, "Of old."))
    main = _decorated(number=Number(1, 1, 0)).replace(region(OWN_WORDS), region(OWN_WORDS, "Today."))
    again = _decorated(old, previous=main, number=Number(1, 2, 0), reverts=Number(1, 1, 0), restores=FIRST)
    stamp = read_stamp(again)
    assert stamp is not None
    assert (stamp.card, stamp.reverts, stamp.restores) == (
        hashlib.sha256(CARD.encode()).hexdigest(),
        Number(1, 1, 0),
        FIRST,
    )
    assert read_region(again, OWN_WORDS, "") == "Today."


def test_markers_in_a_changelog_by_hand_are_text() -> None:
    changelog = f"# Changelog\n\n## v1.0.0\n\n{region(OWN_WORDS, 'Not own.')}\n<!-- changelog: end -->\n"
    card = _decorated(changelog=changelog)
    assert not read_region(card, OWN_WORDS, "")
    assert "Not own." in (read_region(card, CHANGELOG, "") or "")


def test_only_the_newest_five_changes_stand_in_the_card() -> None:
    changelog = None
    for patch in range(8):
        changelog = with_entry(changelog, entry(Number(1, 0, patch), None, step=Step.PATCH))
    shown = [line for line in _decorated(changelog=changelog).splitlines() if line.startswith("### ")]
    assert shown == [f"### v1.0.{patch}" for patch in (7, 6, 5, 4, 3)]


def test_a_card_without_our_regions_gets_them_at_its_end() -> None:
    card = _decorated("# Bare")
    assert card.index("# Bare") < card.index("## Changelog") < card.index("<!-- own words: begin -->")


_numbers = st.builds(Number, st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))
_hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
_plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@settings(max_examples=150, deadline=None)
@given(
    number=_numbers,
    digest=_hashes,
    reverts=st.none() | _numbers,
    restores=st.none() | _numbers,
    keys=st.dictionaries(st.text(min_size=1, max_size=8).filter(lambda k: k != "mathloom"), _plain, max_size=4),
    own=_texts.map(unmarked),
)
def test_what_goes_in_comes_back_and_twice_is_once(
    number: Number, digest: str, reverts: Number | None, restores: Number | None, keys: dict[str, Any], own: str
) -> None:
    previous = f"---\n{yaml.safe_dump(keys, allow_unicode=True)}---\n\n{region(OWN_WORDS, own)}\n"
    words = {"number": number, "digest": digest, "reverts": reverts, "restores": restores, "previous": previous}
    once = _decorated(**words)
    assert read_stamp(once) == Stamp(number, digest, hashlib.sha256(CARD.encode()).hexdigest(), reverts, restores)
    assert _decorated(once, **words) == once
    assert _decorated(once, **(words | {"previous": once})) == once, "published again over itself"
    after = _head_of(once)
    assert {key: value for key, value in keys.items() if key not in ("license", "tags")}.items() <= after.items()


def _head_of(card: str) -> dict[str, Any]:
    return yaml.safe_load(card[4:].partition("\n---\n")[0])


@pytest.mark.parametrize(
    ("previous", "said"),
    [
        ("---\na: [\n---\n", "cannot be read"),
        ("---\na: 1\n", "does not end"),
        ("---\n" + "a: 1\n" * 200_000, "does not end within"),
        ("---\n- a\n---\n", "no mapping"),
        ("---\n1: a\n---\n", "no mapping"),
        ("---\na: &a [1]\nb: *a\n---\n", "aliases"),
        ("---\na: &a {x: 1}\nb: {<<: *a}\n---\n", "aliases"),
        ("---\na: " + "[" * 5000 + "]" * 5000 + "\n---\n", "nested too deep"),
        ("---\na: !!python/object/apply:os.system [ls]\n---\n", "cannot be read"),
        ("---\na: 2024-99-99\n---\n", "cannot be read"),
        ("---\na: 0b" + "1" * 20_000 + "\n---\n", "a word of"),
        ("---\na: " + "1:" * 50_000 + "1\n---\n", "a word of"),
        ("---\na: \x07\n---\n", "cannot be read"),
        ("---\na: \ud800\n---\n", "cannot be read"),
        ("---\nmathloom: hello\n---\n", "not what a release writes"),
        ("---\nmathloom: {version: 1.0.0, digest: x, card: y}\n---\n", "not what a release writes"),
        ("<!-- own words: begin -->\n", "1 times `begin` and 0 times `end`"),
        ("<!-- own words: end -->\n<!-- own words: begin -->\n", "not one pair"),
        (region(OWN_WORDS, "a") + "\n" + region(OWN_WORDS, "b"), "2 times `begin`"),
        (region(OWN_WORDS, "x" * (MAX_OWN_WORDS + 1)), "are kept at most"),
        ("x" * 20_000_001, "no more than"),
    ],
)
def test_a_published_card_that_cannot_be_kept_is_one_clear_error(previous: str, said: str) -> None:
    started = time.monotonic()
    with pytest.raises(ReleaseError, match=said) as caught:
        _publish_over(previous)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    assert time.monotonic() - started < 5


def _publish_over(previous: str) -> None:
    read_stamp(previous)  # as the plan does
    _decorated(previous=previous)


@pytest.mark.parametrize(
    "previous",
    [
        "",
        "# Somebody's own card",
        "---",
        "--- a line ---\n",
        "---\n---\n",
        "---\n# only a comment\n---\n",
        "\ufeff---\r\nviewer: false\r\n---\r\ntext",
        "x" * 10_000_000,
        "<!-- own words: begin" * 100_000,
        "text <!-- own words: begin --> in a line",
    ],
)
def test_a_strange_published_card_is_no_error(previous: str) -> None:
    started = time.monotonic()
    card = _decorated(previous=previous)
    assert read_stamp(previous) is None
    assert read_stamp(card) is not None
    assert time.monotonic() - started < 5


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["---\n", "a: ", "[", "{", "&x ", "*x", "\n", "<!-- own words: begin -->\n", "<!-- own words: end -->\n"]
            + ["mathloom: ", "version: 1.0.0", "'", '"', "- ", "? ", "!!set ", "<<: ", "| ", "\t", "\x00", "9" * 300]
        )
        | _texts,
        max_size=12,
    ).map("".join)
)
def test_no_published_card_raises_anything_else(previous: str) -> None:
    for text in (previous, "---\n" + previous + "\n---\n"):
        try:
            assert read_stamp(_decorated(previous=text)) is not None
            read_stamp(text)
        except MathloomError:
            pass


def test_the_digest_is_of_all_files_but_the_card() -> None:
    files = {"data/a.parquet": "1", "BUILD.json": "2", "README.md": "3"}
    digest = release_digest(files)
    assert digest == release_digest(dict(reversed(files.items())))
    assert digest == release_digest(files | {"README.md": "4", "CHANGELOG.md": "5", ".gitattributes": "6"})
    assert digest != release_digest(files | {"BUILD.json": "4"})
    assert digest != release_digest({"data/b.parquet": "1", "BUILD.json": "2"})
