"""In a process of its own: becomes a vLLM server. Standard library only, since another interpreter may run it.

The process replaces itself (exec), so its id and its process group stay: whoever started it can end it with all that
it starts.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from resources.engines.process.frames import read_frame
from resources.engines.vllm.probe import defaults, look

MODULE = "vllm.entrypoints.openai.api_server"

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""Sizes of LoRA adapters that vLLM makes room for (max_lora_rank)."""


def main(parent: int) -> None:
    """Wait for the one frame that says which server to be, and be it."""
    del parent  # its end is watched from outside (Child, is_guarded)
    frame = read_frame(sys.stdin.buffer)
    if frame is None:
        return
    argv = [str(part) for part in frame["argv"]]
    for name in defaults(look()["platform"]):  # all of them are off
        option = name.replace("_", "-")
        if not {f"--{option}", f"--no-{option}"} & set(argv):
            argv.append(f"--no-{option}")
    if adapter := frame["adapter"]:
        argv += _adapter_arguments(adapter)
    os.dup2(2, 1)  # the pipe of the frames would fill, since nobody reads it any more
    os.execv(sys.executable, [sys.executable, "-m", MODULE, *argv])


def _adapter_arguments(adapter: dict[str, Any]) -> list[str]:
    path = adapter["path"]
    if path is None:
        from huggingface_hub import snapshot_download

        path = snapshot_download(adapter["hub"], revision=adapter["revision"])
    rank = int(json.loads((Path(path) / "adapter_config.json").read_text())["r"])
    size = next((size for size in _RANKS if size >= rank), rank)
    return ["--enable-lora", "--max-lora-rank", str(size), "--lora-modules", f"{adapter['name']}={path}"]
