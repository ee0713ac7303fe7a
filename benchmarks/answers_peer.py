"""The grader beside math-verify on the same labelled pairs: agreement, false merges, misses, unknown, time of a pair.

Run: ``python benchmarks/answers_peer.py`` (a minute, nearly all of it math-verify's). ``--pairs FILE`` takes pairs of
your own (JSON Lines: a, b, label, category), ``--categories`` shows each category. math-verify runs in a process of its
own with the time-outs that it sets itself; a pair that outlasts ``--kill`` seconds counts as unknown.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path

from assets.answers.key import canonical_key
from assets.answers.verdict import equivalent
from tests.assets.answers.labelled.pairs import labelled_pairs

LINE = "{:<28} {:>6} {:>10} {:>13} {:>7} {:>8} {:>8} {:>8} {:>8} {:>9}\n"
HEAD = ("grader", "pairs", "agreement", "false merges", "missed", "unknown", "mean", "median", "p95", "max ms")


@dataclass(frozen=True)
class Labelled:
    """A pair and what it should give."""

    a: str
    b: str
    label: str
    category: str


@dataclass(frozen=True)
class Graded:
    """What a grader said, and how long it took."""

    pair: Labelled
    verdict: str
    ms: float


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--sample", type=int, default=1_000, help="pairs, drawn evenly from all categories (0: all)")
    parser.add_argument("--categories", action="store_true")
    parser.add_argument("--kill", type=float, default=20.0)
    options = parser.parse_args()
    pairs = sample(read(options.pairs), options.sample)
    equivalent(r"\sum_{k=1}^{3} k", "6")  # starts the workers of the symbolic step
    graders = {
        "keys alone": [measured(pair, by_keys) for pair in pairs],
        "keys and symbolic step": [measured(pair, by_both) for pair in pairs],
        "math-verify": list(by_math_verify(pairs, options.kill)),
    }
    sys.stdout.write(LINE.format(*HEAD))
    for name, graded in graders.items():
        show(name, graded)
    ours, theirs = (sum(item.ms for item in graders[name]) for name in ("keys and symbolic step", "math-verify"))
    sys.stdout.write(f"\npairs a second, ours over math-verify's: {theirs / ours:,.0f}\n")
    if options.categories:
        categories(graders)


def read(path: Path | None) -> list[Labelled]:
    """Pairs of a file, or the labelled set of the tests."""
    if path is None:
        return [Labelled(pair.a, pair.b, pair.label, pair.category) for pair in labelled_pairs()]
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Labelled(row["a"], row["b"], row["label"], row.get("category", "")) for row in rows]


def sample(pairs: list[Labelled], count: int) -> list[Labelled]:
    """``count`` pairs, as evenly from the categories as they allow."""
    if not count or count >= len(pairs):
        return pairs
    shuffled = random.Random(1).sample(pairs, len(pairs))
    seen: dict[str, int] = {}
    ranked: list[tuple[int, int, Labelled]] = []
    for at, pair in enumerate(shuffled):
        seen[pair.category] = seen.get(pair.category, 0) + 1
        ranked.append((seen[pair.category], at, pair))
    return [pair for _, _, pair in sorted(ranked, key=lambda item: item[:2])[:count]]


def measured(pair: Labelled, grade: Callable[[str, str], str]) -> Graded:
    """One pair, timed by the clock."""
    began = time.perf_counter()
    verdict = grade(pair.a, pair.b)
    return Graded(pair, verdict, 1_000 * (time.perf_counter() - began))


def by_keys(a: str, b: str) -> str:
    """Equal keys are equal, decided keys that differ are different."""
    first, second = canonical_key(a), canonical_key(b)
    if first.text == second.text:
        return "equal"
    return "different" if first.status == second.status == "decided" else "unknown"


def by_both(a: str, b: str) -> str:
    """Keys, then sympy for what they leave open."""
    return equivalent(a, b).relation


def by_math_verify(pairs: Sequence[Labelled], kill: float) -> Iterator[Graded]:
    """Each pair as its authors advise: both answers parsed from their boxes, then verified."""
    context = multiprocessing.get_context("spawn")
    process, pipe = start(context)
    for pair in pairs:
        began = time.perf_counter()
        pipe.send((pair.a, pair.b))
        if pipe.poll(kill):
            verdict = str(pipe.recv())
        else:
            verdict = "unknown"
            process.kill()
            process, pipe = start(context)
        yield Graded(pair, verdict, 1_000 * (time.perf_counter() - began))
    process.kill()


def start(context: SpawnContext) -> tuple[SpawnProcess, Connection]:
    """A process that has parsed one pair already."""
    ours, theirs = context.Pipe()
    process = context.Process(target=peer, args=(theirs,), daemon=True)
    process.start()
    ours.send((r"\frac{1}{2}+x", "2x"))
    ours.recv()
    return process, ours


def peer(pipe: Connection) -> None:
    """The loop of the process that math-verify runs in."""
    import logging

    from math_verify import parse, verify  # pyright: ignore[reportMissingTypeStubs]

    logging.disable(logging.CRITICAL)
    while True:
        a, b = pipe.recv()
        try:
            gold, answer = parse(f"\\boxed{{{a}}}"), parse(f"\\boxed{{{b}}}")
            pipe.send("equal" if verify(gold, answer) else "different")
        except Exception:  # its own failures are its verdict
            pipe.send("unknown")


def show(name: str, graded: Sequence[Graded]) -> None:
    """One line: a false merge is a different pair called equal, a miss an equal one called different."""
    count = {(label, verdict): 0 for label in ("equal", "different") for verdict in ("equal", "different", "unknown")}
    for item in graded:
        count[item.pair.label, item.verdict] += 1
    times = sorted(item.ms for item in graded)
    total = len(graded)
    right = count["equal", "equal"] + count["different", "different"]
    shares = (count["different", "equal"], count["equal", "different"])
    unknown = count["equal", "unknown"] + count["different", "unknown"]
    figures = (sum(times) / total, times[total // 2], times[int(total * 0.95)], times[-1])
    sys.stdout.write(
        LINE.format(
            name, total, f"{right / total:.1%}", *(f"{share / total:.1%}" for share in (*shares, unknown)),
            *(f"{ms:,.2f}" for ms in figures),
        )
    )  # fmt: skip


def categories(graders: dict[str, list[Graded]]) -> None:
    """Agreement, and false merges after the slash, by category."""
    names = list(graders)
    sys.stdout.write(f"\n{'category':<22}" + "".join(f"{name:>28}" for name in names) + "\n")
    for category in sorted({item.pair.category for item in graders[names[0]]}):
        cells = ""
        for name in names:
            found = [item for item in graders[name] if item.pair.category == category]
            right = sum(item.verdict == item.pair.label for item in found)
            merged = sum(item.verdict == "equal" != item.pair.label for item in found)
            cells += f"{f'{right} of {len(found)}, {merged} merged':>28}"
        sys.stdout.write(f"{category:<22}{cells}\n")


if __name__ == "__main__":
    main()
