"""The engine beside the labelled pairs: agreement by category, and no two different answers with one key.

The labels come from the policy and from mathematics; where the engine is wrong, every wrong pair is listed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from assets.answers.key import canonical_key
from assets.answers.verdict import equivalent
from tests.assets.answers.labelled.pairs import Pair, labelled_pairs

MIN_AGREEMENT = 0.97
"""The target of issue 4, which is for pairs that were not used in development: here it is a floor."""
MIN_CATEGORY = 0.85
"""No category may hide behind the others."""


def by_keys(pair: Pair) -> str:
    """The verdict that keys alone give."""
    a, b = canonical_key(pair.a), canonical_key(pair.b)
    if a.text == b.text:
        return "equal"
    return "different" if a.status == b.status == "decided" else "unknown"


def table(pairs: Sequence[Pair], verdicts: Sequence[str]) -> str:
    """Agreement by category, and every pair that is wrong."""
    total = Counter(pair.category for pair in pairs)
    wrong = [(pair, got) for pair, got in zip(pairs, verdicts, strict=True) if got != pair.label]
    missed = Counter(pair.category for pair, _ in wrong)
    lines = [f"{c:<20} {total[c] - missed[c]:>4} of {total[c]:>4} {1 - missed[c] / total[c]:>7.1%}" for c in total]
    lines.append(f"{'all':<20} {len(pairs) - len(wrong):>4} of {len(pairs):>4} {1 - len(wrong) / len(pairs):>7.1%}")
    return "\n".join([*lines, *(f"{got} for {pair}" for pair, got in wrong)])


def agreement(pairs: Sequence[Pair], verdicts: Sequence[str]) -> float:
    return sum(pair.label == got for pair, got in zip(pairs, verdicts, strict=True)) / len(pairs)


def merged(pairs: Sequence[Pair], verdicts: Sequence[str]) -> list[str]:
    return [str(p) for p, got in zip(pairs, verdicts, strict=True) if p.label == "different" and got == "equal"]


# The set itself.


def test_the_set_is_large_and_balanced() -> None:
    pairs = labelled_pairs()
    assert len(pairs) >= 1_200
    assert 0.45 <= sum(pair.label == "equal" for pair in pairs) / len(pairs) <= 0.55
    for category, count in Counter(pair.category for pair in pairs).items():
        equal = sum(pair.label == "equal" for pair in pairs if pair.category == category)
        assert count >= 40, category
        assert 0.35 <= equal / count <= 0.65, category


def test_no_pair_stands_twice_or_is_one_text() -> None:
    pairs = labelled_pairs()
    assert [str(pair) for pair in pairs if pair.a == pair.b] == []
    count = Counter(frozenset({pair.a, pair.b}) for pair in pairs)
    assert [str(pair) for pair in pairs if count[frozenset({pair.a, pair.b})] > 1] == []


def test_labels_are_an_equivalence() -> None:
    """No different pair is tied together by equal pairs, over the whole set."""
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        while (above := parent.setdefault(text, text)) != text:
            text = above
        return text

    for pair in labelled_pairs():
        if pair.label == "equal":
            parent[root(pair.a)] = root(pair.b)
    assert [str(p) for p in labelled_pairs() if p.label == "different" and root(p.a) == root(p.b)] == []


def test_policies_are_named() -> None:
    """Labels that a policy decides say so, at least a few for each row of its table."""
    reasons = [pair.reason for pair in labelled_pairs() if pair.reason.startswith("policy:")]
    for word in ("percent", "units", "currency", "label", "thousands", "list", "interval", "mixed", "decimal", "base"):
        assert sum(word in reason for reason in reasons) >= 2, word
    for word in ("case", "choice", "plus-minus", "spellings"):
        assert any(word in reason for reason in reasons), word


# Keys alone.


def test_keys_never_merge_different_answers() -> None:
    pairs = labelled_pairs()
    wrong = merged(pairs, [by_keys(pair) for pair in pairs])
    assert not wrong, f"{len(wrong)} pairs:\n" + "\n".join(wrong)


def test_keys_agree_with_the_labels() -> None:
    """What a key leaves undecided counts as a miss."""
    pairs = labelled_pairs()
    verdicts = [by_keys(pair) for pair in pairs]
    assert agreement(pairs, verdicts) >= MIN_AGREEMENT, "\n" + table(pairs, verdicts)
    for category in sorted({pair.category for pair in pairs}):
        rows = [(p, got) for p, got in zip(pairs, verdicts, strict=True) if p.category == category]
        own, got = [p for p, _ in rows], [v for _, v in rows]
        assert agreement(own, got) >= MIN_CATEGORY, "\n" + table(own, got)


def test_keys_do_not_depend_on_what_was_asked_before() -> None:
    pairs = labelled_pairs()
    first = [canonical_key(pair.a) for pair in pairs]
    assert [canonical_key(pair.a) for pair in reversed(pairs)] == first[::-1]


# Keys and the symbolic step.


def test_verdicts_agree_with_the_labels() -> None:
    pairs = labelled_pairs()
    verdicts = [equivalent(pair.a, pair.b).relation for pair in pairs]
    wrong = merged(pairs, verdicts)
    assert not wrong, f"{len(wrong)} pairs:\n" + "\n".join(wrong)
    assert agreement(pairs, verdicts) >= MIN_AGREEMENT, "\n" + table(pairs, verdicts)
