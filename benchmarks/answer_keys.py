"""Canonical keys on the labelled pairs: agreement and false merges by category, and the time of one key.

Run: ``python benchmarks/answer_keys.py`` (seconds). Verdicts are those of keys alone: equal keys are equal, two decided
keys that differ are different, the rest is open. ``--wrong`` lists every pair that is not as labelled. ``--boxed FILE``
counts the undecided keys of a file of your own (JSON Lines; the last box of each ``solution``).
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from pathlib import Path

from assets.answers.extract import extract_boxed
from assets.answers.key import canonical_key
from tests.assets.answers.labelled.pairs import Pair, labelled_pairs

ROUNDS = 5
"""A key's time is the least of so many: what else ran on the machine is no part of it."""
LINE = "{:<20} {:>6} {:>10} {:>13} {:>7} {:>6}\n"


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--boxed", type=Path)
    options = parser.parse_args()
    canonical_key(r"\sin\frac12+\sqrt{x}")
    pairs = labelled_pairs()
    verdicts = {pair: verdict(pair) for pair in pairs}
    sys.stdout.write(LINE.format("category", "pairs", "agreement", "false merges", "missed", "open"))
    for category in [*dict.fromkeys(pair.category for pair in pairs), "all"]:
        row({pair: got for pair, got in verdicts.items() if category in {pair.category, "all"}}, category)
    if options.wrong:
        sys.stdout.writelines(f"{got} for {pair}\n" for pair, got in verdicts.items() if got != pair.label)
    times()
    if options.boxed:
        undecided(options.boxed)


def verdict(pair: Pair) -> str:
    """What keys say: equal, different or open."""
    a, b = canonical_key(pair.a), canonical_key(pair.b)
    if a.text == b.text:
        return "equal"
    return "different" if a.status == b.status == "decided" else "open"


def row(verdicts: dict[Pair, str], name: str) -> None:
    """One line: false merges are different answers with one key, missed are equal ones with two decided keys."""
    count = Counter((pair.label, got) for pair, got in verdicts.items())
    right = count["equal", "equal"] + count["different", "different"]
    still_open = count["equal", "open"] + count["different", "open"]
    merged, missed = count["different", "equal"], count["equal", "different"]
    sys.stdout.write(LINE.format(name, len(verdicts), f"{right / len(verdicts):.1%}", merged, missed, still_open))


def times() -> None:
    """Milliseconds of CPU for one key, over the distinct answers of the set."""
    answers = sorted({answer for pair in labelled_pairs() for answer in (pair.a, pair.b)})
    found = sorted((min(_ms(answer) for _ in range(ROUNDS)), answer) for answer in answers)
    at = {"median": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    shown = [f"mean {sum(ms for ms, _ in found) / len(found):.3f}"]
    shown += [f"{name} {found[min(len(found) - 1, int(len(found) * share))][0]:.3f}" for name, share in at.items()]
    sys.stdout.write(f"\none key of {len(found):,}, ms: {', '.join(shown)} ({found[-1][1]})\n")


def undecided(path: Path) -> None:
    """The share of a file's answers that no key decides."""
    texts = (json.loads(line)["solution"] for line in path.read_text(encoding="utf-8").splitlines())
    answers = [answer for text in texts if (answer := extract_boxed(text))]
    open_ones = [answer for answer in answers if canonical_key(answer).status == "undecided"]
    share = len(open_ones) / len(answers)
    sys.stdout.write(f"{path.name}: {len(open_ones)} of {len(answers):,} keys are undecided ({share:.2%})\n")


def _ms(answer: str) -> float:
    began = time.thread_time()
    canonical_key(answer)
    return 1_000 * (time.thread_time() - began)


if __name__ == "__main__":
    main()
