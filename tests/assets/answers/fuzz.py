r"""A seeded fuzzer of canonical keys: random LaTeX, token soup, and mutated answers.

Run for long with ``python tests/assets/answers/fuzz.py --cases 1000000 --seed 5``. ``--file answers.jsonl`` adds the
answers of a local file to what is mutated: of each row the field ``answer``, else the last box of ``solution`` or
``text``. Such rows are for development and never belong into the repository.

Every case asks: does a key come back without an exception, within ``LIMIT_MS``, the same one twice, of bounded length,
with one status for one text, and does it survive the rewrites of :mod:`tests.assets.answers.rewrites` if it is decided?
One case in eight is an expression whose value is known by construction: two spellings must share a key, and another
number in one place must not.
Memory: the texts of the seeds, and one line for each violation up to ``MAX_SHOWN``.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from assets.answers.extract import extract_boxed
from assets.answers.key import Key, canonical_key
from tests.assets.answers.labelled.pairs import labelled_pairs
from tests.assets.answers.rewrites import SAFE, grow, is_well_formed, spell

LIMIT_MS = 50.0
"""Longest time of one key, in milliseconds of CPU (issue 4)."""
MAX_SHOWN = 12
"""Inputs shown for one sort of violation; the rest is counted."""
MAX_REWRITTEN = 300
"""Characters of a text that is rewritten: near the budgets of length, more brackets may be too many."""
SLOWEST = 5

_ATOM_TEXT = (
    r"0 1 2 3 7 10 12 99 100 1234 0.5 .25 3. 1,000 007 x y z a b n i e t X A \pi \theta \alpha \infty \emptyset "
    r"\varnothing \mathbb{R} \ldots ... \% \$ ^\circ \circ ! ' ½ ² √ π ∞ − × ÷ ± ≤ ∪ ° ٣ é 中 \text{cm} \text{ and } "
    r"\text{(A)} \text{yes} \mathrm{e} \mbox{or} million June p.m. or and"
)
_ATOMS = _ATOM_TEXT.split()
_TOKEN_TEXT = (
    r"\frac \dfrac \tfrac \cfrac \sqrt \sqrt[3] \sqrt[ \binom \choose \over { } ( ) [ ] \{ \} | \left \right \left( "
    r"\right) \left| \right| \bigl \langle \rangle \lfloor \rfloor ^ _ ^2 ^{-1} _2 + - * / \cdot \times \div \pm \mp = "
    r"\ne < > \le \ge \leq \in \cup \cap \setminus \mid : ; , . \, \; \! \quad ~ & \\ \begin{pmatrix} \end{pmatrix} "
    r"\begin{cases} \end{cases} \begin{array}{cc} \end{array} \overline \bar \log \log_ \ln \sin \cos \tan^{-1} \sum "
    r"\int \lim \boxed{ \fbox \text{ \mathrm{ \mathbf \operatorname $ $$ \( \) \[ \] # % @ \\ \ \x \frac12 \hspace{1em}"
)
_TOKENS = _TOKEN_TEXT.split()
_WRAPPERS = (r"\frac{%s}{%s}", "(%s,%s)", r"\{%s,%s\}", "%s+%s", "%s-%s", r"%s\cdot %s", "%s,%s", "%s=%s", r"%s\le %s")
_WRAPPERS += (r"[%s,%s)", "(%s)^{%s}", r"\log_{%s}{%s}", r"\binom{%s}{%s}", r"%s\cup %s", "%s:%s", "%s/%s", "%s_{%s}")
_WRAPPERS += (
    r"\begin{pmatrix}%s\\%s\end{pmatrix}",
    r"\sqrt[%s]{%s}",
    "%s %s",
    r"%s\text{ or }%s",
    r"%s\pm %s",
    "%s<%s",
)


@dataclass
class Report:
    """What a run found. ``violations`` are lines with the exact input; ``slowest`` are (ms, text)."""

    cases: int = 0
    decided: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    slowest: list[tuple[float, str]] = field(default_factory=list)

    def add(self, what: str, text: str, more: str = "") -> None:
        """Note one violation."""
        self.counts[what] += 1
        if self.counts[what] <= MAX_SHOWN:
            self.violations.append(f"{what}: {text!r} {more}".rstrip())

    def timed(self, ms: float, text: str) -> None:
        """Note how long a key took."""
        if len(self.slowest) < SLOWEST or ms > self.slowest[-1][0]:
            self.slowest = sorted([*self.slowest, (ms, text)], key=lambda pair: -pair[0])[:SLOWEST]


def soup(chance: random.Random) -> str:
    """Tokens in no order."""
    glue = chance.choice(["", "", " "])
    return glue.join(
        chance.choice(_ATOMS if chance.random() < 0.5 else _TOKENS) for _ in range(chance.randrange(1, 30))
    )


def formula(chance: random.Random, depth: int) -> str:
    """Well-formed LaTeX of any meaning."""
    draw = chance.random()
    if depth == 0 or draw < 0.15:
        return chance.choice(_ATOMS)
    if draw < 0.3:
        return spell(grow(chance, min(depth, 3), "xya"), chance)
    if draw < 0.4:
        wrapper = chance.choice(
            [r"\sqrt{%s}", r"|%s|", "(%s)", r"-%s", r"\text{%s}", r"\sin %s", r"\ln(%s)", "%s!", "%s^2"]
        )
        return wrapper % formula(chance, depth - 1)
    return chance.choice(_WRAPPERS) % (formula(chance, depth - 1), formula(chance, depth - 1))


def mutated(chance: random.Random, answers: Sequence[str]) -> str:
    """An answer with some pieces taken out, doubled, swapped, replaced or put in."""
    text = chance.choice(answers)
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(text) + 1)
        until = min(len(text), at + chance.randrange(1, 6))
        other = chance.choice(answers)
        cut = chance.randrange(len(other) + 1)
        piece = chance.choice([chance.choice(_TOKENS), chance.choice(_ATOMS), chance.choice("0123456789"), other[cut:]])
        middle = chance.choice(["", piece, text[at:until] * 2, text[at:until][::-1], text[at:until] + piece])
        text = (text[:at] + middle + text[until:])[:3_000]
    return text


def repeated(chance: random.Random, answers: Sequence[str]) -> str:
    """Something small many times over: what budgets are for."""
    piece = chance.choice([chance.choice(_TOKENS), chance.choice(_ATOMS), chance.choice(answers)[:20]])
    end = chance.choice(["", "1", "}" * 50, ")" * 50])
    return (piece * chance.choice([5, 20, 60, 200, 500]))[:2_500] + end


def cases(chance: random.Random, answers: Sequence[str]) -> Iterator[str]:
    """Endless texts."""
    while True:
        draw = chance.random()
        if draw < 0.25:
            yield soup(chance)
        elif draw < 0.5:
            yield formula(chance, chance.randrange(1, 5))
        elif draw < 0.95:
            yield mutated(chance, answers)
        else:
            yield repeated(chance, answers)


def check(text: str, chance: random.Random, report: Report) -> None:
    """All questions about one text."""
    report.cases += 1
    key = _key(text, report)
    if key is None:
        return
    if canonical_key(text) != key:
        report.add("another key the second time", text)
    if (
        key.status not in {"decided", "undecided"}
        or not key.text
        or key.text.startswith("raw:") == (key.status == "decided")
    ):
        report.add("not a key", text, f"{key}")
    if len(key.text) > 4 * len(text) + 4_000:
        report.add("long key", text, f"{len(key.text)} characters")
    if key.status == "decided":
        report.decided += 1
        if len(text) <= MAX_REWRITTEN and is_well_formed(text):
            _rewritten(text, key, chance, report)


def _key(text: str, report: Report) -> Key | None:
    began = time.thread_time()
    try:
        key = canonical_key(text)
    except Exception as error:  # whatever it is, it is what this program looks for
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}"
        report.add(f"raises {type(error).__name__} in {where}", text, str(error)[:200])
        return None
    ms = 1_000 * (time.thread_time() - began)
    if ms > LIMIT_MS:  # a collection of garbage may have fallen into it
        began = time.thread_time()
        canonical_key(text)
        ms = min(ms, 1_000 * (time.thread_time() - began))
    report.timed(ms, text)
    if ms > LIMIT_MS:
        report.add("slow", text, f"{ms:.0f} ms")
    return key


def _rewritten(text: str, key: Key, chance: random.Random, report: Report) -> None:
    name = chance.choice(list(SAFE))
    other = SAFE[name](text)
    found = _key(other, report) if other != text else key
    if found is not None and found != key:
        report.add(f"rewrite: {name}", text, f"is {key.text[:80]} and {other!r} is {found.text[:80]}")


def check_tree(chance: random.Random, report: Report) -> None:
    """Two spellings of one value, and one of another."""
    report.cases += 1
    tree = grow(chance, chance.randrange(1, 4), chance.choice(["", "x", "xya"]))
    first, second = spell(tree, chance), spell(tree, chance)
    keys = [_key(first, report), _key(second, report)]
    if None in keys:
        return
    if keys[0] != keys[1]:
        report.add("spellings of one value", first, f"and {second!r} are {keys}")
    report.decided += keys[0] is not None and keys[0].status == "decided"
    if leaves := tree.leaves():
        at = chance.randrange(len(leaves))
        other = spell(tree.with_leaf(at, leaves[at] + chance.choice([1, 2, 10])), chance)
        if _key(other, report) in keys:
            report.add("false merge", first, f"with {other!r}")


def fuzz(count: int, seed: int, answers: Sequence[str]) -> Report:
    """``count`` cases of ``seed``: the same report for the same arguments, but for times."""
    chance, report = random.Random(seed), Report()
    canonical_key(r"\sin\frac12+\sqrt{x}")  # what the engine builds once is not the time of a key
    source = cases(chance, answers)
    for _ in range(count):
        if chance.random() < 0.125:
            check_tree(chance, report)
        else:
            check(next(source), chance, report)
    return report


def labelled_answers() -> list[str]:
    """Every spelling of the labelled set."""
    return sorted({answer for pair in labelled_pairs() for answer in (pair.a, pair.b)})


def answers_of(path: Path) -> list[str]:
    """Distinct answers of a JSONL file."""
    found: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        answer = row.get("answer") or extract_boxed(row.get("solution") or row.get("text") or "")
        found.add(str(answer)[:2_000] if answer else "0")
    return sorted(found)


def main() -> None:
    """Fuzz and print what was found; status 1 if that is anything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--file", type=Path, action="append", default=[], help="JSONL with answers to mutate too")
    options = parser.parse_args()
    answers = labelled_answers()
    for path in options.file:
        answers += answers_of(path)
    report = fuzz(options.cases, options.seed, answers)
    lines = [*report.violations, f"{report.cases:,} cases, {report.decided / report.cases:.1%} decided"]
    lines += [f"{ms:.1f} ms: {text[:300]!r}" for ms, text in report.slowest]
    lines += [f"{count:>7} {what[:300]}" for what, count in report.counts.most_common()]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(1 if report.violations else 0)


if __name__ == "__main__":
    main()
