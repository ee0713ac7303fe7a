"""A vLLM server that the engine starts and stops itself: its arguments, its key, the wait until it answers, its end."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resources.engines.named_weights import NamedWeights, hub_reference
from resources.engines.process.child import Child
from resources.engines.server.options import LaunchOptions, ServerOptions
from resources.errors import EngineError, MissingExtraError

HOST = "127.0.0.1"
_BOOT = "resources.engines.server.boot"

_POLL_S = 0.5
_GOODBYE_S = 20.0
"""Time to end by itself: vLLM ends its workers and gives shared memory back."""

_HAS_VLLM = "import importlib.util as u, sys; sys.exit(0 if u.find_spec('vllm') else 3)"
_CHECK_S = 20.0
"""Longest start of an interpreter; on a cold disk it takes seconds."""


class LaunchedServer:
    """One server process. Its key is made anew at each start and is nowhere but in the memory of the two processes."""

    def __init__(self, options: ServerOptions, weights: NamedWeights, where: str) -> None:
        self._options = options
        self._launch = options.launch or LaunchOptions.model_validate({})
        self._weights = weights
        self._where = where
        self._child: Child | None = None

    def check(self) -> None:
        """The interpreter runs and has vLLM, and local weights are there. Raises EngineError with the remedy."""
        self._arguments(0)
        python = self._launch.python or sys.executable
        if shutil.which(python) is None:
            raise EngineError(
                f"{python!r} is no program that can be run",
                where=self._where,
                fix="Give `python` under `launch` as the interpreter of the environment that holds vLLM.",
            )
        try:
            done = subprocess.run([python, "-c", _HAS_VLLM], capture_output=True, timeout=_CHECK_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as exc:
            raise EngineError(
                f"{python!r} does not run: {exc}", where=self._where, fix="Give `python` as a Python interpreter."
            ) from exc
        if done.returncode != 0:
            if self._launch.python is None:
                raise MissingExtraError.of("vllm", "vllm", where=self._where)
            raise EngineError(
                f"the interpreter {python!r} has no vLLM",
                where=self._where,
                fix=f"Run: {python} -m pip install vllm, or name another `python`.",
            )

    def start(self) -> tuple[tuple[str, ...], str]:
        """Start it and wait until it answers. Returns its address and key."""
        port = self._launch.port or _free_port()
        key = secrets.token_urlsafe(32)
        argv, adapter = self._arguments(port)
        self._child = Child(
            _BOOT,
            where=self._where,
            env=self._environment(key),
            python=self._launch.python,
            is_guarded=True,
            goodbye_s=_GOODBYE_S,
        )
        self._child.send({"argv": argv, "adapter": adapter})
        end = time.monotonic() + self._launch.start_timeout_s
        while not _answers(port, key):
            if error := self.death():
                raise error
            if time.monotonic() > end:
                raise EngineError(
                    f"the server did not answer within {self._launch.start_timeout_s:g} s; {self._last_words()}",
                    where=self._where,
                    fix="Raise `start_timeout_s` under `launch`, or look at what it waits for.",
                    retryable=True,
                )
            time.sleep(_POLL_S)
        return (f"http://{HOST}:{port}/v1",), key

    def death(self) -> EngineError | None:
        """Why it no longer runs; None while it does."""
        if self._child is None or self._child.is_running:
            return None
        return EngineError(
            f"the vLLM server has ended; {self._last_words()}",
            where=self._where,
            fix="Mend what its words say, and run the same command again: stored answers are kept.",
            retryable=True,
        )

    def stop(self) -> None:
        """End it, with all processes that it started. Idempotent."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.is_running:
            os.kill(child.pid, signal.SIGTERM)
        child.stop()

    def _arguments(self, port: int) -> tuple[list[str], dict[str, Any] | None]:
        """Arguments of the server, and the adapter that it finds for itself."""
        options = self._options
        name = options.model_name
        argv = ["--host", HOST, "--port", str(port), "--generation-config", "vllm"]
        argv += ["--served-model-name", f"base-of-{name}" if options.adapter else name]
        path = self._weights.locate()
        if path is not None:
            argv += ["--model", str(path)]
        elif options.model:
            argv += ["--model", options.model, "--revision", str(options.revision)]
        else:
            raise EngineError(
                "there are no weights that the server could load",
                where=self._where,
                fix="Give `model` with its `revision`, or `path`; `weights` alone only names them.",
            )
        argv += self._tokenizer(path is None)
        if options.quantisation:
            argv += ["--quantization", options.quantisation]
        if options.context_tokens:
            argv += ["--max-model-len", str(options.context_tokens)]
        argv += command_line(self._launch.engine_args)
        return argv, self._adapter(name)

    def _tokenizer(self, is_hub: bool) -> list[str]:
        options = self._options
        if options.tokenizer is None:
            return ["--tokenizer-revision", str(options.revision)] if is_hub else []
        if named := hub_reference(options.tokenizer):
            return ["--tokenizer", named[0], "--tokenizer-revision", str(named[1])]
        return ["--tokenizer", str(self._weights.folder("tokenizer", options.tokenizer))]

    def _adapter(self, name: str) -> dict[str, Any] | None:
        if self._options.adapter is None:
            return None
        if named := hub_reference(self._options.adapter):
            return {"name": name, "path": None, "hub": named[0], "revision": named[1]}
        return {"name": name, "path": str(self._weights.folder("adapter", self._options.adapter))}

    def _environment(self, key: str) -> dict[str, str]:
        # The key is no argument: those can be read by every user of the machine.
        quiet = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
        return {**os.environ, **self._launch.env, **quiet, "VLLM_API_KEY": key}

    def _last_words(self) -> str:
        words = self._child.last_words() if self._child else []
        return "its last words: " + (" | ".join(words)[-1200:] if words else "none")


def command_line(arguments: Mapping[str, Any]) -> list[str]:
    """Arguments as vLLM's command line takes them: true and false as ``--x`` and ``--no-x``, mappings as JSON."""
    return [part for name, value in arguments.items() for part in _argument(name.lstrip("-").replace("_", "-"), value)]


def _argument(name: str, value: Any) -> Iterator[str]:
    if value is None:
        return
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no-{name}"
        return
    yield f"--{name}"
    if isinstance(value, Mapping):
        yield json.dumps(value)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from (str(each) for each in value)
    else:
        yield str(value)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


def _answers(port: int, key: str) -> bool:
    """Whether the server lists its models. Straight to the loopback address, whatever proxies are set."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
