"""Stands in for vLLM's worker: answers with prompt and seed, and misbehaves when weights or prompt say so."""

import os
import queue
import random
import subprocess
import sys
import threading
import time
from typing import Any

from resources.engines.process.child import leave_with_parent
from resources.engines.process.frames import read_frame, write_frame

GENERIC = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"
LOG = f"""\
(EngineCore pid=41) ERROR 11-21 11:40:01 [core.py:1100] Traceback (most recent call last):
(EngineCore pid=41) ERROR 11-21 11:40:01 [core.py:1100]   File "gpu.py", line 3, in load
(EngineCore pid=41) ERROR 11-21 11:40:01 [core.py:1100] torch.OutOfMemoryError: CUDA out of memory. Tried 8.00 GiB
(EngineCore pid=41) Process EngineCore:
{GENERIC}
"""

frames: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()


def read() -> None:
    while (frame := read_frame(sys.stdin.buffer)) is not None:  # type: ignore[arg-type]
        frames.put(frame)
    os._exit(0)


def main(parent: int) -> None:
    leave_with_parent(parent)
    out: Any = sys.stdout.buffer
    load = read_frame(sys.stdin.buffer)  # type: ignore[arg-type]
    assert load
    model = load["arguments"]["model"]
    if "refused" in model:
        sys.stderr.write(LOG)
        write_frame(out, {"op": "refused", "what": GENERIC})
        return
    if "mistaken" in model:
        write_frame(out, {"op": "refused", "what": "vLLM 0.32.0 has no engine argument 'a' (nearest: 'b')"})
        return
    if "dies" in model:
        os.kill(os.getpid(), 9)
    # A process of its own, as vLLM has several.
    helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
    if "slow" in model:
        sys.stderr.write(f"helper {helper.pid}\n")
        sys.stderr.flush()
        time.sleep(3600)
    write_frame(out, {"op": "ready", "capacity": 8, "context": 100, "version": "0"})
    threading.Thread(target=read, daemon=True).start()
    serve(out, load, helper.pid)


def serve(out: Any, load: dict[str, Any], helper: int) -> None:
    held: list[dict[str, Any]] = []
    while True:
        try:
            frame = frames.get(timeout=0.02)
        except queue.Empty:
            frame = None
        if frame and frame["op"] == "cancel":
            held.clear()
            continue
        for ask in frame["asks"] if frame else []:
            if ask["text"] == "leak":
                sys.stderr.write(f"OSError: cannot reach http://x:{os.environ['MY_API_KEY']}@proxy\n")
                sys.stderr.flush()
            if ask["text"] in ("die", "leak"):
                os.kill(os.getpid(), 9)
            if ask["text"] == "break":
                sys.stderr.write("(EngineCore pid=7) ERROR 11-21 11:40:01 [c.py:1] RuntimeError: NCCL timed out\n")
                sys.stderr.flush()
                write_frame(out, {"op": "broken", "what": "EngineDeadError: EngineCore encountered an issue."})
                return
            if ask["text"] != "hold":
                held.append(ask)
        random.shuffle(held)
        # Three are kept back while there is more to come, as a batch would: the window must be larger.
        keep = 3 if frame else 0
        if results := [answer(ask, load, helper) for ask in held[keep:]]:
            write_frame(out, {"op": "results", "results": results})
        del held[keep:]


def answer(ask: dict[str, Any], load: dict[str, Any], helper: int) -> dict[str, Any]:
    result = {"id": ask["id"], "prompt_tokens": 3}
    text = ask["text"]
    if "too long" in text:
        return {**result, "failure": "prompt has 101 tokens, the context is 100", "permanent": True}
    if "sampling" not in ask:
        return {**result, "values": [float(len(text)), 0.5]}
    if ask["sampling"]["grammar"] == "{}":
        return {**result, "failure": "vLLM refuses the request: no constraint", "permanent": True}
    told = {"ask": repr(ask), "load": repr(load), "helper": str(helper), "env": repr(dict(os.environ))}
    said = told.get(text, text[:99] + str(ask["seed"]))
    return {**result, "text": said, "reason": "stop", "tokens": 7, "reasoning": "hm" if ask["mode"] == "chat" else None}
