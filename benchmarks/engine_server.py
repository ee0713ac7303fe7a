"""What asking a server costs: time of the client for each sample, and tokens a second by samples in one request.

Run: ``python benchmarks/engine_server.py`` (half a minute). A server in a process of its own answers at once, so what
is measured is the client: connections, bodies, the bridge between the event loop and the stage.

``--base-url http://127.0.0.1:8000/v1 --model NAME`` asks a real vLLM server instead (its key in MATHLOOM_BENCH_KEY):
few-shot prompts, 8 samples each, with 1, 4 and 8 samples in one request, in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from resources.engines.catalog import make_engine
from resources.engines.protocol import EngineRequest, Prompt, Sampling, answers

LINE = "{:<20} {:>8} {:>8} {:>11} {:>15} {:>9}\n"
SAMPLES = 8
"""Samples of one prompt."""

SHOT = (
    "Problem:\nTom has {0} apples and buys {1}. How many has he?\n\nSolution:\nHe has {0}+{1}={2}. The answer is {2}."
)


def main() -> None:
    """Print the table."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--base-url", help="a real vLLM server")
    words.add_argument("--model", default="stub", help="its name for the model")
    words.add_argument("--prompts", type=int, default=250)
    words.add_argument("--in-flight", type=int, default=256)
    words.add_argument("--rounds", type=int, default=2)
    given = words.parse_args()
    sys.stdout.write(LINE.format("samples a request", "samples", "run s", "samples/s", "client CPU ms", "tokens/s"))
    with served(given.base_url) as url:
        for turn in range(given.rounds):
            for together in (1, 4, 8):
                measure(given, url, turn, together)


def measure(given: argparse.Namespace, url: str, turn: int, together: int) -> None:
    """One line: all prompts of one turn."""
    options = {
        "weights": "benchmark",
        "served_name": given.model,
        "base_url": url,
        "max_in_flight": given.in_flight,
        "samples_per_request": together,
        **({"api_key_env": "MATHLOOM_BENCH_KEY"} if os.environ.get("MATHLOOM_BENCH_KEY") else {}),
    }
    with tempfile.TemporaryDirectory() as cache:
        engine = make_engine("server", options, "benchmark", Path(cache))
        engine.start()
        try:
            began, worked = time.perf_counter(), time.process_time()
            found = list(answers(engine.stream(requests(given.prompts, 100 * turn + together))))
            run_s, cpu_s = time.perf_counter() - began, time.process_time() - worked
        finally:
            engine.stop()
    failed = [result.failure for result in found if result.failure]
    if failed:
        raise SystemExit(f"{len(failed)} of {len(found)} failed: {failed[0]}")
    tokens = sum(result.completion_tokens or 0 for result in found)
    sys.stdout.write(
        LINE.format(
            together,
            len(found),
            f"{run_s:.1f}",
            f"{len(found) / run_s:.0f}",
            f"{1000 * cpu_s / len(found):.2f}",
            f"{tokens / run_s:.0f}",
        )
    )
    sys.stdout.flush()


def requests(prompts: int, salt: int) -> Iterator[EngineRequest]:
    """Prompts of about 200 tokens. ``salt`` makes them new to the server's prefix cache but for the examples."""
    shots = "\n\n".join(SHOT.format(i, i + 3, 2 * i + 3) for i in range(4))
    sampling = Sampling(temperature=0.8, max_tokens=64, stop=("\n\n",))
    for number in range(prompts):
        text = f"{shots}\n\nProblem:\n{number} of {salt} birds fly off. How many are left?\n\nSolution:\n"
        yield EngineRequest(number, Prompt("raw", text), sampling, 1000 * number + salt, 0, SAMPLES)


@contextmanager
def served(url: str | None) -> Iterator[str]:
    """The address of the server: the one that is given, or a stub."""
    if url:
        yield url
        return
    context = multiprocessing.get_context("spawn")
    ports: Any = context.Queue()
    process = context.Process(target=stub, args=(ports,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=60)}/v1"
    finally:
        process.terminate()
        process.join()


def stub(ports: Any) -> None:
    """A server that answers each request at once, in one write."""

    async def serve() -> None:
        server = await asyncio.start_server(answer_all, "127.0.0.1", 0, backlog=1024)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All requests of one connection."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            _, _, rest = head.partition("content-length:")
            data = await reader.readexactly(int(rest.split("\r\n", 1)[0]) if rest else 0)
            body = json.dumps(answer(head.split(" ", 2)[1], data)).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def answer(path: str, data: bytes) -> dict[str, Any]:
    """What the stub says: a text of 300 characters for 64 tokens."""
    if path.endswith("/models"):
        return {"data": [{"id": "stub", "owned_by": "vllm"}]}
    if path.endswith("/tokenize"):
        return {"tokens": []}
    count = json.loads(data).get("n", 1)
    choices = [
        {"index": i, "text": "x" * 300, "finish_reason": "stop", "token_ids": list(range(1000, 1064))}
        for i in range(count)
    ]
    return {"choices": choices, "usage": {"prompt_tokens": 200, "completion_tokens": 64 * count}}


if __name__ == "__main__":
    main()
