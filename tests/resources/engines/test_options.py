"""Relative paths among an engine's options begin at the project file; what names a repository stays as it is."""

from pathlib import Path

import pytest

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
