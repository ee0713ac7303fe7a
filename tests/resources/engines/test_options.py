"""Relative paths among an engine's options begin at the project file; what names a repository stays as it is."""

from pathlib import Path

import pytest

from resources.engines.catalog import options_type
from resources.engines.options import located

ROOT = Path("/project")


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("path", "models/a.gguf", "/project/models/a.gguf"),
        ("path", "/models/a.gguf", "/models/a.gguf"),
        ("paths", ["a.jsonl", "/b/*.parquet"], ["/project/a.jsonl", "/b/*.parquet"]),
        ("paths", "answers/*.jsonl", "/project/answers/*.jsonl"),
        ("python", "python3.12", "python3.12"),
        ("python", "env/bin/python", "/project/env/bin/python"),
        ("adapter", "org/name@" + "0" * 40, "org/name@" + "0" * 40),
        ("adapter", "./lora", "/project/lora"),
        ("tokenizer", "../tokenizer", "/project/../tokenizer"),
        ("model", "org/name", "org/name"),
        ("served_name", "./x", "./x"),
        ("launch", {"python": "./env/python", "port": 0}, {"python": "/project/env/python", "port": 0}),
        ("path", None, None),
    ],
)
def test_relative_paths_begin_at_the_project(name: str, written: object, meant: object) -> None:
    assert located({name: written}, ROOT) == {name: meant}


def test_devices_of_a_role_reach_the_engine_that_fills_them() -> None:
    vllm, server, scripted = (options_type(name) for name in ("vllm", "server", "scripted"))
    assert vllm.on_devices({"model": "a/b"}, ["0", "2"]) == {"model": "a/b", "visible_devices": ["0", "2"]}
    assert vllm.on_devices({"visible_devices": ["1"]}, ["0"])["visible_devices"] == ["1"]
    launched = server.on_devices({"launch": {"port": 0, "env": {"A": "1"}}}, ["3"])
    assert launched == {"launch": {"port": 0, "env": {"CUDA_VISIBLE_DEVICES": "3", "A": "1"}}}
    assert server.on_devices({"base_url": "x"}, ["3"]) == {"base_url": "x"}
    assert scripted.on_devices({"seed": 1}, ["3"]) == {"seed": 1}
