"""Hostile answers: time and memory of each through key, verdict and vote, whether anything ran, beside math-verify.

Run: ``python benchmarks/hostile_answers.py`` (a minute; ``--peer`` adds math-verify, minutes more, killed after 5 s an
input). The inputs are those of ``tests/assets/answers/hostile.py``; code among them would make a canary file.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from assets.answers.extract import extract_boxed
from assets.answers.key import canonical_key
from assets.answers.symbolic.step import SymbolicStep
from assets.answers.verdict import equivalent
from assets.answers.vote import vote
from benchmarks.answers_peer import Labelled, by_math_verify
from tests.assets.answers.hostile import hostile_answers

LINE = "{:<26} {:>7} {:>10} {:>10} {:>10} {:>11}   {}\n"
LIMIT_S = 1.0
PEER_LIMIT_S = 5.0


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, SymbolicStep() as symbolic:
        canary = Path(folder) / "canary"
        inputs = hostile_answers(str(canary))
        symbolic.compare([("1", r"\sqrt{1}")])
        before = resident_mb()
        sys.stdout.write(LINE.format("step", "inputs", "median ms", "p95 ms", "max ms", "over 1 s", "slowest"))
        steps: dict[str, Callable[[str], object]] = {
            "box": lambda text: extract_boxed(f"so \\boxed{{{text}}}"),
            "key": canonical_key,
            "verdict with 1": lambda text: equivalent(text, "1", symbolic=symbolic),
            "verdict with itself + 1": lambda text: equivalent(text, f"{text}+1", symbolic=symbolic),
            "vote of three": lambda text: vote([text, f" {text}", "1"], symbolic=symbolic),
        }
        for name, step in steps.items():
            row(name, {key: timed(step, text) for key, text in inputs.items()}, LIMIT_S)
        if options.peer:
            peer(inputs)
        sys.stdout.write(
            f"\nmemory of this process: {before:,.0f} MB before, {resident_mb():,.0f} MB after; "
            f"canary files: {int(canary.exists())}\n"
        )


def timed(step: Callable[[str], object], text: str) -> float:
    """Seconds by the clock."""
    began = time.perf_counter()
    step(text)
    return time.perf_counter() - began


def row(name: str, seconds: dict[str, float], limit: float) -> None:
    """One line of the table."""
    times = sorted(seconds.values())
    slowest = max(seconds, key=lambda key: seconds[key])
    over = sum(second > limit for second in times)
    figures = (times[len(times) // 2], times[int(len(times) * 0.95)], times[-1])
    sys.stdout.write(LINE.format(name, len(times), *(f"{1_000 * s:,.2f}" for s in figures), over, slowest))


def peer(inputs: dict[str, str]) -> None:
    """math-verify on the same inputs, each beside 1."""
    seconds: dict[str, float] = {}
    pairs = [Labelled(text, "1", "different", name) for name, text in inputs.items()]
    for graded in by_math_verify(pairs, PEER_LIMIT_S):
        seconds[graded.pair.category] = graded.ms / 1_000
    row("math-verify, over 5 s", seconds, PEER_LIMIT_S - 0.1)


def resident_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024


if __name__ == "__main__":
    main()
