"""The vLLM engine beside bare vLLM: the same prompts, seeds and engine arguments, in turns, in one run.

Run: ``python benchmarks/engine_vllm.py`` after ``make test-vllm`` (two loads, then 3 x 2 x 512 requests of 16 tokens;
ten minutes on 2 cores; other work on the machine shows). Three ways, each of 4 samples of 128 prompts a round:

* ``bare``: ``LLM.generate`` with n = 4 and a seed for each prompt, in a process of its own;
* ``engine``: mathloom's engine alone;
* ``stage``: a generation stage of a whole build (keys, store, journal, Dagster) over the same loaded engine.

Every round has problems of its own, so nothing but the examples before them is in a prefix cache.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from dagster_project.cli import main as mathloom
from resources.engines.catalog import make_engine
from resources.engines.protocol import EngineRequest, Prompt, Sampling, answers

ROOT = Path(__file__).resolve().parents[1]
LINE = "{:<8} {:>7} {:>11} {:>10} {:>9}\n"
SAMPLES = 4
WARM_UP = 64
SHOTS = (
    ("Ola has 21 corks and finds 6 more. How many corks does he have?", "21 + 6 = 27. The answer is \\boxed{27}."),
    ("Runa had 40 pins and lost 13. How many pins are left?", "40 - 13 = 27. The answer is \\boxed{27}."),
    ("There are 7 bags with 5 figs in each bag. How many figs?", "7 * 5 = 35. The answer is \\boxed{35}."),
    ("Bo shares 32 cards equally among 4 friends. How many each?", "32 / 4 = 8. The answer is \\boxed{8}."),
)
HEAD = "".join(f"Problem:\n{problem}\n\nSolution:\n{solution}\n\n\n" for problem, solution in SHOTS)

BARE = """
import json, os, sys, time
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from vllm import LLM, SamplingParams
told = json.loads(sys.stdin.readline())
llm = LLM(**told)
print("ready", file=out, flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    params = [SamplingParams(n=asked["n"], temperature=0.7, top_p=0.95, max_tokens=asked["tokens"], seed=seed)
              for seed in asked["seeds"]]
    started = time.monotonic()
    found = llm.generate(asked["prompts"], params, use_tqdm=False)
    seconds = time.monotonic() - started
    tokens = sum(len(each.token_ids) for one in found for each in one.outputs)
    print(json.dumps([seconds, tokens]), file=out, flush=True)
os._exit(0)
"""
"""Bare vLLM: loads as told in the first line, then answers a round for each further line."""

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
description: Four examples.
template: |
  {shots}Problem:
  {{{{ problem }}}}

  Solution:
stop: []
"""


def main() -> None:
    """Measure and print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--python", default=os.environ.get("MATHLOOM_VLLM_PYTHON", str(ROOT / ".venv-vllm/bin/python")))
    parser.add_argument("--models", default=os.environ.get("MATHLOOM_VLLM_MODELS", str(ROOT / ".venv-vllm/models")))
    options = parser.parse_args()
    if not Path(options.python).exists():
        sys.exit("vLLM is in no environment known here. Run: make test-vllm (or give --python and --models)")
    with tempfile.TemporaryDirectory() as cache:
        compare(options, Path(cache))


def compare(options: argparse.Namespace, cache: Path) -> None:
    """All ways in turns, forwards and backwards, over two loaded engines that rest while the other works."""
    arguments = {
        "enforce_eager": True,
        "max_num_seqs": options.batch,
        "enable_prefix_caching": True,
        "enable_chunked_prefill": False,  # with it, bare vLLM dies of the seeds (see the worker)
    }
    env = {"VLLM_CPU_KVCACHE_SPACE": "2", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    model = str(Path(options.models) / "smollm2")
    engine = make_engine(
        "vllm",
        {
            "path": model,
            "python": options.python,
            "dtype": "float32",
            "context_tokens": 1024,
            "engine_args": arguments,
            "env": env,
        },
        "benchmark",
        cache,
    )
    told = {**arguments, "model": model, "dtype": "float32", "max_model_len": 1024, "generation_config": "vllm"}
    bare = subprocess.Popen(
        [options.python, "-c", BARE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=(cache / "bare.log").open("w"),
        text=True,
        env={**os.environ, **env},
        start_new_session=True,
    )
    try:
        _tell(bare, told, cache)
        engine.start()
        ways = {
            "bare": lambda number: _run_bare(bare, options, number, cache),
            "engine": lambda number: _run_engine(engine, options, number),
            "stage": lambda number: _run_stage(engine, options, number),
        }
        count, options.requests = options.requests, min(options.requests, WARM_UP)
        for way in ways.values():
            way(-1)  # the first requests of a process are slower
        options.requests = count
        found: dict[str, list[tuple[float, int]]] = {name: [] for name in ways}
        for turn in range(options.rounds):
            for name in list(ways)[:: -1 if turn % 2 else 1]:
                found[name].append(ways[name](turn))
                seconds, tokens = found[name][-1]
                sys.stderr.write(f"{name}: {tokens / seconds:.0f} tokens/s\n")
    finally:
        engine.stop()
        os.killpg(bare.pid, signal.SIGKILL)  # with its engine core, which would outlive it
        bare.wait()
    _print(found, options)


def _print(found: dict[str, list[tuple[float, int]]], options: argparse.Namespace) -> None:
    rates = {name: sum(t for _, t in runs) / sum(s for s, _ in runs) for name, runs in found.items()}
    sys.stdout.write(f"{options.requests} requests, at most {options.tokens} tokens each, {options.rounds} rounds\n")
    sys.stdout.write(LINE.format("way", "run s", "requests/s", "tokens/s", "of bare"))
    for name, runs in found.items():
        seconds = sum(s for s, _ in runs)
        row = (f"{seconds / len(runs):.1f}", f"{len(runs) * options.requests / seconds:.1f}", f"{rates[name]:.1f}")
        sys.stdout.write(LINE.format(name, *row, f"{rates[name] / rates['bare']:.1%}"))


def _tell(bare: subprocess.Popen[str], words: Any, cache: Path) -> str:
    assert bare.stdin
    assert bare.stdout
    bare.stdin.write(json.dumps(words) + "\n")
    bare.stdin.flush()
    if not (line := bare.stdout.readline()):
        sys.exit("bare vLLM ended early: " + (cache / "bare.log").read_text()[-2_000:])
    return line


def _run_bare(bare: subprocess.Popen[str], options: argparse.Namespace, turn: int, cache: Path) -> tuple[float, int]:
    prompts = [_prompt(problem) for problem in _problems(options, turn)]
    seeds = [1_000 * number for number in range(len(prompts))]
    seconds, tokens = json.loads(
        _tell(bare, {"prompts": prompts, "seeds": seeds, "n": SAMPLES, "tokens": options.tokens}, cache)
    )
    return float(seconds), int(tokens)


def _run_engine(engine: Any, options: argparse.Namespace, turn: int) -> tuple[float, int]:
    sampling = Sampling(0.7, 0.95, max_tokens=options.tokens)
    requests = (
        EngineRequest(number, Prompt("raw", _prompt(problem)), sampling, 1_000 * number, 0, SAMPLES)
        for number, problem in enumerate(_problems(options, turn))
    )
    started = time.monotonic()
    tokens = sum(result.completion_tokens or 0 for result in answers(engine.stream(requests)))
    return time.monotonic() - started, tokens


def _run_stage(engine: Any, options: argparse.Namespace, turn: int) -> tuple[float, int]:
    """Build in a new folder, over the engine that is loaded already and stays so."""
    before = Path.cwd()
    made = mock.patch("dagster_project.running.roles.make_engine", return_value=engine)
    with tempfile.TemporaryDirectory() as name, made, mock.patch.object(type(engine), "stop"):
        _write_project(Path(name), options, turn)
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
    return counts["answering_seconds"], counts["completion_tokens"]


def _write_project(folder: Path, options: argparse.Namespace, turn: int) -> None:
    files = {
        "mathloom.toml": '[project]\nstore = "store"\n[recipes.overhead]\nfolder = "."\nprofile = "real"\n',
        "recipe.yaml": RECIPE.format(samples=SAMPLES, tokens=options.tokens),
        "prompts/solve.yaml": PROMPT.format(shots=HEAD.replace("\n", "\n  ")),
        "profiles/real.yaml": f"profile: real\nroles:\n  solver: {{engine: vllm, path: {options.models}/smollm2}}\n",
        "seeds.jsonl": "".join(
            json.dumps({"problem": problem, "expected_answer": "0"}) + "\n" for problem in _problems(options, turn)
        ),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def _problems(options: argparse.Namespace, turn: int) -> Iterator[str]:
    for number in range(options.requests // SAMPLES):
        yield f"In round {turn + 2} Siri has {number + 5} nuts and gets {number * 7 % 40 + 2} more. How many nuts now?"


def _prompt(problem: str) -> str:
    return f"{HEAD}Problem:\n{problem}\n\nSolution:\n"


if __name__ == "__main__":
    main()
