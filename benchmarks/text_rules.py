"""Figures of the text rules and of the answers, on solutions made here, beside a bound: a plain copy of the same text.

Run: ``python benchmarks/text_rules.py`` (200,000 solutions, under a minute). Three shapes of about 800 characters:
``words`` (a proof without sums), ``sums`` (steps of arithmetic, as for school problems, 32 samples a problem), and
``mixed`` (half of each, some with texts after the box, wrong sums and chains).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from assets.answers.extract import extract_boxed_column
from assets.answers.key import canonical_key
from assets.kinds import Job, Table
from assets.schemas import PROBLEM, SOLUTION, id_array, table_of
from assets.selection.fused import decide
from assets.selection.kinds import TEXT_BATCH, TextRules, TextRulesSettings, rules_of
from resources.identity import digest128
from resources.sql import Part, View, open_session
from resources.store.writing import TableWriter

LINE = "{:<44} {:>10} {:>12} {:>14}\n"
SAMPLES = 32
"""Samples of one problem that stand side by side, as a generation stage stores them."""
CHAINS = 0.03
"""Share of steps with three numbers: one solution in six has one, as in the GSM8K train set."""
PROSE = "let the angle be equal to its half then both sides of that figure have one length and we see that it holds"
WORDS = PROSE.split()
FORMULAS = [r"$x^2 + 2x + 1$", r"$\frac{a}{b}$", r"$\sqrt{3}$", r"\[ y = mx + c \]", r"$\angle ABC$", r"$a_{n+1}$"]
COMPLETION = pa.schema([("request_key", pa.uuid()), ("text", pa.string())])


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    options = parser.parse_args()
    chance = random.Random(7)
    sys.stdout.write(LINE.format("what", "CPU s", "rows/s", "of a copy"))
    for name, make in (("words", words), ("sums", sums), ("mixed", mixed)):
        texts = make_texts(make, options.rows, chance)
        measure(name, texts)
    stage(make_texts(mixed, options.rows, chance))
    keys(chance, options.rows)


def make_texts(make: Callable[[random.Random, random.Random], str], rows: int, chance: random.Random) -> list[str]:
    """``rows`` solutions, :data:`SAMPLES` of each problem: the samples share their sums and differ in their words."""
    found: list[str] = []
    while len(found) < rows:
        seed = chance.random()
        found += [make(random.Random(seed), chance) for _ in range(SAMPLES)]
    return found[:rows]


def words(problem: random.Random, sample: random.Random, length: int = 780) -> str:
    """Prose with formulas and no sum."""
    parts: list[str] = []
    size = 0
    while size < length:
        part = sample.choice(FORMULAS) if sample.random() < 0.15 else sample.choice(WORDS)
        parts.append(part if sample.random() < 0.92 else part + ". So")
        size += len(part) + 1
    return " ".join(parts) + rf". The answer is $\boxed{{{problem.randrange(1000)}}}$."


def sums(problem: random.Random, sample: random.Random) -> str:
    """Six steps of arithmetic between words; the numbers belong to the problem."""
    parts: list[str] = []
    for _ in range(6):
        a, b, c = (problem.randrange(2, 400) for _ in range(3))
        plain = [f"{a} + {b} = {a + b}", f"{a} * {b} = {a * b}", f"${a * b} / {b} = {a}$"]
        is_chain = problem.random() < CHAINS
        told = f"{a} + {b} + {c} = {a + b + c}" if is_chain else problem.choice(plain)
        parts.append(" ".join(sample.choice(WORDS) for _ in range(18)) + f" is {told} in all.")
    return "\n".join(parts) + rf" So it is $\boxed{{{problem.randrange(1000)}}}$."


def mixed(problem: random.Random, sample: random.Random) -> str:
    """Both shapes; one in ten goes on after the box, one in fifty holds a wrong sum."""
    text = sums(problem, sample) if problem.random() < 0.5 else words(problem, sample)
    if sample.random() < 0.02:
        text = f"First 17 + {sample.randrange(50)} = 9. " + text
    return text + " I hope that this helps. Ask again if not." if sample.random() < 0.1 else text


def batches(texts: pa.Array) -> Iterator[pa.RecordBatch]:
    """``texts`` as the stage sees them."""
    nulls = pa.nulls(len(texts), pa.int32())
    ids = id_array([i.to_bytes(16) for i in range(len(texts))])
    names = ["solution_id", "problem_id", "completion_tokens", "problem_tokens", "text"]
    yield from pa.table([ids, ids, nulls, nulls, texts], names=names).to_batches(TEXT_BATCH)


def measure(name: str, texts: list[str]) -> None:
    """The fused pass over texts in memory, one core, beside a copy of them and beside the extraction of answers."""
    column = pa.array(texts, pa.string())
    size = sum(map(len, texts)) / len(texts)
    with tempfile.TemporaryDirectory() as folder:
        copied = clock(
            lambda: pq.write_table(pa.table({"text": column}), Path(folder) / "copy.parquet", compression="zstd")
        )
    rules = rules_of(TextRulesSettings())
    passed = clock(lambda: [decide(batch, rules, {}) for batch in batches(column)])
    extracted = clock(lambda: extract_boxed_column(column))
    show(f"{name}: copy of {size:.0f} characters (Parquet, zstd)", copied, len(texts), copied)
    show(f"{name}: all rules, decisions in memory", passed, len(texts), copied)
    show(f"{name}: extraction of the answer", extracted, len(texts), copied)


def stage(texts: list[str]) -> None:
    """The whole stage: join with completions, decisions, sort, three tables written."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_inputs(folder, texts)
        kind, settings = TextRules(), TextRulesSettings()
        views = {
            "solutions": View(SOLUTION, [paths[0]]),
            "problems": View(PROBLEM, parts=[Part("problems", [paths[1]], PROBLEM)]),
            "completions": View(COMPLETION, [paths[2]]),
        }
        writers = {n: TableWriter(folder / n, s, where="benchmark") for n, s in kind.outputs(settings).items()}
        bound = {"solutions": [Table("solutions", SOLUTION, [paths[0]], len(texts))]}
        with open_session(memory_limit="1GB", threads=1, temp=folder / "spill", views=views) as session:
            job = Job("benchmark", "checked", settings, bound, session, writers, folder)
            seconds = clock(lambda: kind.run(job))
        copied = clock(lambda: pq.write_table(pq.read_table(paths[2]), folder / "copy.parquet", compression="zstd"))
        show("mixed: stage selection/text_rules, on disk", seconds, len(texts), copied)


def write_inputs(folder: Path, texts: list[str]) -> list[Path]:
    """Solutions, problems and completions as files."""
    owners = [digest128("problem", str(i // SAMPLES)) for i in range(len(texts))]
    keys = [digest128("request", str(i)) for i in range(len(texts))]
    solutions = [
        {
            "solution_id": digest128("solution", key),
            "problem_id": owner,
            "request_key": key,
            "text_hash": key,
            "problem_source": "made",
            "sample_index": i % SAMPLES,
            "finish_reason": "stop",
            "stage": "made",
        }
        for i, (owner, key) in enumerate(zip(owners, keys, strict=True))
    ]
    problems = [{"problem_id": o, "problem": "How many?", "problem_source": "made"} for o in dict.fromkeys(owners)]
    completions = pa.Table.from_arrays([id_array(keys), pa.array(texts, pa.string())], schema=COMPLETION)
    paths = [folder / f"{name}.parquet" for name in ("solutions", "problems", "completions")]
    for path, table in zip(
        paths, (table_of(SOLUTION, solutions), table_of(PROBLEM, problems), completions), strict=True
    ):
        pq.write_table(table, path, compression="zstd")
    return paths


def keys(chance: random.Random, rows: int) -> None:
    """Canonical keys of distinct spellings."""
    shapes: list[Callable[[int, int], str]] = [
        lambda a, b: f"{a}",
        lambda a, b: f"{a}{b}",
        lambda a, b: rf"\frac{{{a}}}{{{b}}}",
        lambda a, b: f"{a},{b:03}",
        lambda a, b: rf"{a}\text{{ cm}}",
        lambda a, b: f"({a}, -{b})",
        lambda a, b: rf"{a}\sqrt{{{b}}}",
        lambda a, b: rf"\frac{{{a}\pi}}{{{b}}}",
        lambda a, b: f"{a}x^2+{b}",
        lambda a, b: f"x = {a}.{b}",
    ]
    spelled = {chance.choice(shapes)(chance.randrange(1, 999), chance.randrange(1, 999)) for _ in range(rows)}
    seconds = clock(lambda: [canonical_key(answer) for answer in spelled])
    sys.stdout.write(
        LINE.format("canonical keys of distinct answers", f"{seconds:.2f}", f"{len(spelled) / seconds:,.0f}", "-")
    )


def clock(work: Callable[[], object]) -> float:
    """Seconds of CPU (all threads) of ``work``: other processes of the machine do not count."""
    began = time.process_time()
    work()
    return time.process_time() - began


def show(what: str, seconds: float, rows: int, copied: float) -> None:
    """One line."""
    sys.stdout.write(LINE.format(what, f"{seconds:.2f}", f"{rows / seconds:,.0f}", f"{seconds / copied:.2f}"))


if __name__ == "__main__":
    main()
