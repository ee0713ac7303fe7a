"""Votes over up to 14.4M answers of 600,000 problems: time, memory and growth of `mathloom vote`, beside math-verify.

Run: ``python benchmarks/answer_votes.py`` (20 minutes for all sizes; ``--problems 60000`` takes two). Answers are made
here: 24 samples a problem, about 9 distinct spellings and 7 distinct values of them, kinds and spellings in the
shares of the MATH answers, one in 300 outside of what keys read. The symbolic step is measured apart: with ``--budget``
seconds of it the share of unknown verdicts is stated. math-verify compares all distinct pairs of a few problems of the
same file; its time for all of them is extrapolated. Memory is that of all processes of a run together.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.answers_peer import Labelled, by_math_verify

SAMPLES = 24
LINE = "{:>10} {:>12} {:>9} {:>12} {:>10} {:>10}\n"
HEAD = ("problems", "answers", "seconds", "answers/s", "peak MB", "of linear")
PEER_PROBLEMS = 40

ANSWERS = """
copy (
    with samples as (
        select
            problem_id,
            sample_index,
            hash(problem_id, 'kind') % 1000 as kind,
            hash(problem_id, 'share') % 100 as difficulty,
            hash(problem_id, sample_index, 'right') % 100 as luck,
            1 + least(
                hash(problem_id, sample_index, 'a') % 7,
                hash(problem_id, sample_index, 'b') % 14
            ) + 3 * (hash(problem_id, sample_index, 'c') % 4) as miss,
            hash(problem_id, sample_index, 'spelling') % 100 as look,
        from range({problems}) as p (problem_id), range({samples}) as s (sample_index)
    ),

    valued as (
        select
            problem_id,
            sample_index,
            kind,
            if(look < 72, 0, if(look < 90, 1, 2)) as look,
            if(luck < 100 - difficulty * 3 // 4, 0, miss)::bigint as off,
            (
                hash(problem_id, 'value') % [40, 400, 4_000, 40_000, 1_000_000][(kind % 5)::bigint + 1]
            )::bigint + off as v,
            (2 + hash(problem_id, 'second') % 11)::bigint as w,
        from samples
    )

    select
        problem_id,
        sample_index,
        case
            when kind < 620 then [v::varchar, '$' || v || '$', v || '\\text{{ cm}}'][look + 1]
            when kind < 700 then [
                '\\frac{{' || (v * 2 + 1) || '}}{{' || (w * 2) || '}}', (v * 2 + 1) || '/' || (w * 2),
                '\\dfrac{{' || (v * 2 + 1) || '}}{{' || (w * 2) || '}}'
            ][look + 1]
            when kind < 730 then [v || '.' || w, 'x=' || v || '.' || w, v || '.' || w || '0'][look + 1]
            when kind < 800 then [
                v || '\\sqrt{{' || (w * w + 1) || '}}', v || ' \\cdot \\sqrt{{' || (w * w + 1) || '}}',
                '\\sqrt{{' || (w * w + 1) || '}}\\cdot ' || v
            ][look + 1]
            when kind < 830 then [v || '\\pi', '\\pi\\cdot ' || v, v || ' \\pi'][look + 1]
            when kind < 900 then [
                '(' || v || ',' || w || ')', '\\left(' || v || ', ' || w || '\\right)',
                '(x,y)=(' || v || ', ' || w || ')'
            ][look + 1]
            when kind < 950 then [
                v || 'x^2+' || w || 'x', 'x(' || v || 'x+' || w || ')', w || 'x + ' || v || 'x^{{2}}'
            ][look + 1]
            when kind < 970 then [w || ',' || v, v || ', ' || w, v || ' \\text{{ and }} ' || w][look + 1]
            when kind < 985 then [
                '(-\\infty,' || v || ']', 'x\\le ' || v, '\\left(-\\infty, ' || v || '\\right]'
            ][look + 1]
            when kind < 997 then ['\\text{{(' || chr(65 + (v % 5)::integer) || ')}}', chr(65 + (v % 5)::integer),
                '(' || chr(65 + (v % 5)::integer) || ')'][look + 1]
            else [
                '\\max(' || v || ',x)', '\\max(x,' || v || ')', '\\sum_{{k=1}}^{{' || (v % 60) || '}} k'
            ][look + 1]
        end as answer,
    from valued
) to '{path}' (format parquet)
"""
SHAPE = """
with each as (
    select problem_id, count(distinct answer) as spellings from '{path}' group by problem_id
)
select avg(spellings), (select count(distinct answer) from '{path}') from each
"""
SOME = "select problem_id, list(distinct answer) from '{path}' where problem_id % {step} = 0 group by problem_id"


def main() -> None:
    """Measure and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=600_000)
    parser.add_argument("--budget", type=float, default=300.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.parquet"
        sys.stdout.write("all but the symbolic step\n" + LINE.format(*HEAD))
        first = 0.0
        for problems in (options.problems // 100, options.problems // 10, options.problems):
            make(path, problems)
            seconds, peak, summary = vote(path, "--no-symbolic")
            rate = seconds / (problems * SAMPLES)
            first = first or rate
            show(problems, seconds, peak, f"{rate / first:.2f}")
        spellings, distinct = duckdb.execute(SHAPE.format(path=path)).fetchall()[0]
        sys.stdout.write(f"\n{spellings:.1f} spellings a problem, {distinct:,} in all; {facts(summary)}\n")
        seconds, peak, summary = vote(path, "--budget", str(options.budget))
        sys.stdout.write(f"\nwith the symbolic step, at most {options.budget:.0f} s of it\n" + LINE.format(*HEAD))
        show(options.problems, seconds, peak, "")
        sys.stdout.write(f"\n{facts(summary)}\n")
        peer(path, options.problems)


def make(path: Path, problems: int) -> None:
    """Write the answers of ``problems`` problems."""
    duckdb.sql(ANSWERS.format(problems=problems, samples=SAMPLES, path=path))


def vote(path: Path, *options: str) -> tuple[float, float, dict[str, Any]]:
    """Seconds, peak MB of all processes, and the summary of one `mathloom vote`."""
    output = path.with_name("votes.parquet")
    command = [
        sys.executable,
        "-m",
        "dagster_project.cli",
        "vote",
        str(path),
        "--output",
        str(output),
        "--force",
        "--json",
    ]
    began, peak = time.monotonic(), 0.0
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, tree_mb(process.pid))
        time.sleep(0.2)
    assert process.stdout
    if process.returncode:
        raise SystemExit(f"mathloom vote failed: {process.returncode}")
    return time.monotonic() - began, peak, json.loads(process.stdout.read())


def tree_mb(pid: int) -> float:
    """Proportional memory of a process and all that it started, in MB."""
    total, waiting = 0.0, [pid]
    while waiting:
        at = waiting.pop()
        try:
            text = Path(f"/proc/{at}/smaps_rollup").read_text(encoding="ascii")
            total += int(text.split("Pss:")[1].split()[0]) / 1_024
            for task in os.listdir(f"/proc/{at}/task"):  # noqa: PTH208 - one name each
                waiting += map(int, Path(f"/proc/{at}/task/{task}/children").read_text(encoding="ascii").split())
        except (OSError, IndexError):
            continue
    return total


def show(problems: int, seconds: float, peak: float, linear: str) -> None:
    """One line of the table."""
    answers = problems * SAMPLES
    sys.stdout.write(
        LINE.format(
            f"{problems:,}", f"{answers:,}", f"{seconds:.1f}", f"{answers / seconds:,.0f}", f"{peak:,.0f}", linear
        )
    )


def facts(summary: dict[str, Any]) -> str:
    """What the summary says about keys and verdicts, on one line."""
    flat = summary | {f"pairs {relation}": count for relation, count in summary.get("relations", {}).items()}
    return ", ".join(f"{name} {value:,}" for name, value in flat.items() if isinstance(value, int))


def peer(path: Path, problems: int) -> None:
    """math-verify over all distinct pairs of some problems."""
    step = max(1, problems // PEER_PROBLEMS)
    rows = duckdb.execute(SOME.format(path=path, step=step)).fetchall()
    pairs = [Labelled(a, b, "different", "") for _, answers in rows for a, b in combinations(sorted(answers), 2)]
    began = time.monotonic()
    count = sum(1 for _ in by_math_verify(pairs, 20.0))
    seconds = time.monotonic() - began
    hours = seconds * problems / len(rows) / 3_600
    sys.stdout.write(
        f"\nmath-verify over all distinct pairs of {len(rows)} of these problems: {count:,} pairs in {seconds:.1f} s, "
        f"on one core; {hours:,.1f} hours for all {problems:,}\n"
    )


if __name__ == "__main__":
    main()
