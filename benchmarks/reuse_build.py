"""What a stage of a million requests costs when its answers are stored: nothing to do, built anew, grown, changed.

    .venv/bin/python benchmarks/reuse_build.py [--problems 12500] [--samples 80]

The scripted engine fills the store once. Then each line is one `mathloom build` in a process of its own, with the
requests that it really asked. The bound, in the same run: DuckDB joins the stage's ledger with the keys of all
segments, the least that anyone must do to know that nothing is missing. Takes about four minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table

RECIPE = """
recipe: sums
sources:
  seeds: {{bundled: seeds.jsonl, licence: CC0-1.0}}
roles: [solver]
stages:
  problems: {{kind: seeds/problems, source: seeds}}
  solutions:
    kind: generation/solve
    inputs: {{problems: problems}}
    role: solver
    prompt: solve
    samples: {samples}
    temperature: 0.7
    max_tokens: 200
"""
PROFILE = "profile: scripted\nroles:\n  solver: {engine: scripted}\n"


def main() -> None:
    """Fill, then measure each way to find everything stored."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=12_500)
    parser.add_argument("--samples", type=int, default=80)
    options = parser.parse_args()
    table = Table(title=f"{options.problems * options.samples:,} requests", box=None, title_justify="left")
    for name in ("build", "seconds", "peak MB", "asked", "reused"):
        table.add_column(name, justify="left" if name == "build" else "right")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "sums"
        mathloom(Path(name), "init", str(folder))
        problems = make_problems(options.problems)
        declare(folder, problems, options.samples)
        table.add_row("the first: all is asked", *line(folder))
        table.add_row("again: nothing to do", *line(folder, is_idle=True))
        for gone in ("versions", "fingerprints", "envs", "checks"):
            shutil.rmtree(folder / ".mathloom" / gone, ignore_errors=True)
        table.add_row("versions lost: rows made anew from the store", *line(folder))
        declare(folder, problems[::-1], options.samples)
        table.add_row("seeds in reverse order", *line(folder))
        declare(folder, problems + make_problems(options.problems // 100, first=options.problems), options.samples)
        table.add_row("1 % more seeds", *line(folder))
        declare(folder, problems, options.samples + 1)
        table.add_row("one sample more a seed", *line(folder))
        bound = join_keys(folder)
    console = Console(width=120)
    console.print(table)
    console.print(f"bound: keys of the ledger joined with those of all segments {bound:.1f} s")


def make_problems(count: int, first: int = 0) -> list[str]:
    """Sums, all different."""
    draw = random.Random(first)
    return [
        f"A shelf holds {n + 2} books. {draw.randint(2, 99)} more come. How many are there now?"
        for n in range(first, first + count)
    ]


def declare(folder: Path, problems: list[str], samples: int) -> None:
    """Write recipe, profile and seeds."""
    (folder / "recipe.yaml").write_text(RECIPE.format(samples=samples))
    (folder / "profiles" / "scripted.yaml").write_text(PROFILE)
    lines = (json.dumps({"problem": problem, "expected_answer": "1"}) for problem in problems)
    (folder / "seeds.jsonl").write_text("\n".join(lines) + "\n")


def mathloom(folder: Path, *arguments: str) -> float:
    """Seconds of one command."""
    started = time.monotonic()
    command = [sys.executable, "-m", "dagster_project.cli", *arguments]
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return time.monotonic() - started


def line(folder: Path, *, is_idle: bool = False) -> tuple[str, ...]:
    """Build; seconds, memory, and what was asked and reused."""
    seconds = mathloom(folder, "build")
    if is_idle:
        return f"{seconds:.1f}", "", "0", ""
    run = last_run(folder / ".mathloom")
    asked, reused = run["requests"]["asked"], run["requests"]["reused"]
    return f"{seconds:.1f}", f"{run['peak_mb'] or 0:.0f}", f"{asked:,}", f"{reused:,}"


def last_run(store: Path) -> dict[str, Any]:
    """How the current version of the solutions was made."""
    entry = json.loads((store / "envs" / "sums" / "scripted.json").read_text())["stages"]["solutions"]
    return json.loads((store / "fingerprints" / f"{entry['fingerprint']}.json").read_text())["run"]


def join_keys(folder: Path) -> float:
    """Seconds to find out with DuckDB that no request of the newest version is missing."""
    store = folder / ".mathloom"
    entry = json.loads((store / "envs" / "sums" / "scripted.json").read_text())["stages"]["solutions"]
    version = store / "versions" / "generation.solve" / entry["version"][:40]
    started = time.monotonic()
    ledger = duckdb.read_parquet(str(version / "requests" / "*.parquet"))
    stored = duckdb.read_parquet(str(store / "requests" / "segments" / "*" / "completions-*.parquet"))
    missing = ledger.project("request_key").except_(stored.project("request_key")).count("*").fetchall()[0][0]
    if missing:
        raise AssertionError(f"{missing} requests of a finished stage have no completion")
    return time.monotonic() - started


if __name__ == "__main__":
    main()
