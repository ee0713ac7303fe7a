"""How fast users' files become stored completions, beside reading the same files with nothing of ours around it.

Run: ``python benchmarks/import_completions.py`` (200,000 rows in 20 files of about 1.2 kB a row), or with ``--rows``.
Writes to a temporary folder. The import runs in a process of its own, which reports its peak memory.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLES = 20
PADDING = "We take the pens away one by one and see what stays. " * 20
RECIPE = """
recipe: pens
title: pens
owners: ["team:data"]
sources:
  seeds: {bundled: seeds.jsonl, licence: CC0-1.0}
roles: [solver]
stages:
  problems: {kind: seeds/problems, source: seeds}
  solutions:
    kind: generation/solve
    inputs: {problems: problems}
    role: solver
    prompt: solve
    temperature: 0.7
    samples: 20
    max_tokens: 400
"""
TIMED = """
import resource, sys, time
from dagster_project.cli import main
started = time.perf_counter()
code = main(sys.argv[1:])
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.stderr.write(f"\\n{seconds} {peak}\\n")
sys.exit(code)
"""


def main() -> None:
    """Make a project and files, read them bare, import them, import them again."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    problems = parser.parse_args().rows // SAMPLES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pens"
        command(Path(name), "init", str(folder))
        texts = [f"Box {i} holds {i} pens and {i % 89} are taken. How many are left?" for i in range(problems)]
        write(folder / "seeds.jsonl", [{"problem": text, "expected_answer": "1"} for text in texts])
        (folder / "recipe.yaml").write_text(RECIPE)
        command(folder, "build", "--select", "problems")
        for seed in range(SAMPLES):
            rows = [
                {"generation": f"{seed}. {PADDING}", "problem": text, "num_generated_tokens": 300} for text in texts
            ]
            write(folder / f"output-rs{seed}.jsonl", rows)
        files = [f"output-rs{seed}.jsonl" for seed in range(SAMPLES)]
        report("json.loads of every line, twice", problems, bare(folder, files))
        for words in ("import", "import again: all stored"):
            seconds, peak = timed(folder, "requests", "import", "pens", "solutions", *files, "--yes")
            report(words, problems, seconds, f", {peak / 1024:,.0f} MB at the peak")


def write(path: Path, rows: list[dict[str, object]]) -> None:
    """JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def bare(folder: Path, files: list[str]) -> float:
    """Seconds of what no import can do without."""
    started = time.perf_counter()
    for _ in range(2):
        for name in files:
            with (folder / name).open("rb") as handle:
                for line in handle:
                    json.loads(line)
    return time.perf_counter() - started


def command(folder: Path, *words: str) -> None:
    """Run one command of ours."""
    timed(folder, *words)


def timed(folder: Path, *words: str) -> tuple[float, int]:
    """Run one; seconds, and peak memory in KiB."""
    paths = os.pathsep.join([str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", TIMED, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    seconds, peak = done.stderr.split()[-2:]
    return float(seconds), int(peak)


def report(what: str, problems: int, seconds: float, more: str = "") -> None:
    """One line."""
    rows = problems * SAMPLES
    sys.stdout.write(f"{what}: {rows:,} rows in {seconds:.1f} s, {rows / seconds:,.0f} rows/s{more}\n")


if __name__ == "__main__":
    main()
