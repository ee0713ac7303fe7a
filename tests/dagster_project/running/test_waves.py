"""The runner of generation stages with a kind that asks in several waves: a real build, the real request store."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dagster_project.cli import main
from resources.requests.store import RequestStore

NAME = "sums"
BOXES = 2
WAVES = 4

KINDS = '''
"""Asks one sample at a time, until two of a problem's samples have a box, at most four times."""

from typing import ClassVar

import pyarrow as pa

from assets.generation.solve import Solve
from mathloom.kinds import Ask


class Patient(Solve):
    name = "local/patient"
    version = 1
    waves = 4
    reads_text = True

    def next_requests(self, rows, completed, settings, prompts):
        asks = []
        for one in super().next_requests(rows, completed, settings, prompts):
            texts = [
                text
                for row, text in zip(
                    completed.column("row_id").combine_chunks().storage.to_pylist(),
                    completed.column("text").to_pylist(),
                    strict=True,
                )
                if row == one.row_id
            ]
            if sum("boxed" in (text or "") for text in texts) < 2:
                asks.append(Ask(one.row_id, one.prompt, one.sampling, 1, first=len(texts)))
        return asks
'''

RECIPE = """
recipe: sums
title: sums
owners: ["team:data"]
sources:
  seeds: {bundled: seeds.jsonl, licence: CC0-1.0}
roles: [solver]
stages:
  problems: {kind: seeds/problems, source: seeds}
  solutions:
    kind: local/patient
    inputs: {problems: problems}
    role: solver
    prompt: solve
    temperature: 0.7
    max_tokens: 200
    batch_rows: 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / NAME
    assert main(["init", str(folder)]) == 0
    (folder / "kinds.py").write_text(KINDS)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "profiles" / "scripted.yaml").write_text(
        "profile: scripted\nroles:\n  solver: {engine: scripted, missing_boxes: 0.5}\n"
    )
    return folder


def build(folder: Path) -> None:
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["build"]) == 0
    finally:
        os.chdir(before)


def test_each_row_is_asked_until_it_needs_no_more(folder: Path) -> None:
    build(folder)
    entry = json.loads((folder / ".mathloom/envs/sums/scripted.json").read_text())["stages"]["solutions"]
    version = folder / ".mathloom/versions/local.patient" / entry["version"][:40]
    ledger = pq.read_table(version / "requests/part-00000.parquet").to_pylist()
    with RequestStore(folder / ".mathloom") as store:
        assert store.stats().completions == len(ledger)
        texts = {row["request_key"]: row["text"] for path in store.paths() for row in pq.read_table(path).to_pylist()}
    asked: dict[object, list[tuple[int, bool]]] = {}
    for row in ledger:
        assert row["status"] == "completed"
        asked.setdefault(row["row_id"], []).append((row["sample_index"], "boxed" in texts[row["request_key"]]))
    assert len(asked) == 9
    counts = set()
    for samples in asked.values():
        assert [index for index, _ in samples] == list(range(len(samples)))  # in order, none twice, none left out
        boxes = [has_box for _, has_box in samples]
        stopped = sum(boxes) == BOXES and boxes[-1]
        assert stopped or (len(boxes) == WAVES and sum(boxes) < BOXES)
        counts.add(len(boxes))
    assert len(counts) > 1, "with half of the boxes missing, rows must differ in how often they ask"
    assert pq.read_table(version / "part-00000.parquet").num_rows == len(ledger)
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("batch_rows: 2", "batch_rows: 100"))
    for gone in ("versions", "fingerprints", "envs"):
        (folder / ".mathloom" / gone).rename(folder / f"old-{gone}")
    build(folder)
    again = json.loads((folder / ".mathloom/envs/sums/scripted.json").read_text())["stages"]["solutions"]
    assert again["version"] == entry["version"]  # other batches, same rows; and nothing was asked again:
    with RequestStore(folder / ".mathloom") as store:
        assert store.stats().completions == len(ledger)
