"""100,000 solutions of openmathinstruct2 in one build on the scripted engine: time and peak memory of every stage.

    .venv/bin/python benchmarks/scripted_build.py [--profile scripted]

Beside it, in the same run, the bound: reading all stored completions once and writing their text once, which no build
can avoid. The store is a temporary folder; the second build of the same recipe shows what "nothing to do" costs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from dagster_project.language.load import load_project

RECIPE = "openmathinstruct2"


def main() -> None:
    """Build, build again, measure the bound, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="scripted")
    profile = parser.parse_args().profile
    console = Console(width=120)
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "mathloom.toml"
        project.write_text(f'[project]\nstore = "store"\n[recipes.{RECIPE}]\nprofile = "{profile}"\n')
        first = build(Path(folder))
        second = build(Path(folder))
        rows = stages(Path(folder) / "store", profile)
        bound, size = copy_text(Path(folder) / "store")
    table = Table(title=f"{RECIPE} --profile {profile}", box=None, title_justify="left")
    for name in ("stage", "rows", "seconds", "peak MB", "requests"):
        table.add_column(name, justify="left" if name == "stage" else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(f"build {first:.1f} s; again, nothing to do {second:.1f} s")
    console.print(
        f"bound: {size / 1e6:.0f} MB of text read and written once {bound:.1f} s; build / bound {first / bound:.0f}"
    )


def build(folder: Path) -> float:
    """Seconds of one `mathloom build` in a process of its own."""
    started = time.monotonic()
    command = [sys.executable, "-m", "dagster_project.cli", "build", RECIPE]
    subprocess.run(command, cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def stages(store: Path, profile: str) -> list[tuple[str, ...]]:
    """One row a stage, from the store's own records."""
    found = []
    entries = json.loads((store / "envs" / RECIPE / f"{profile}.json").read_text())["stages"]
    for stage in load_project(store.parent / "mathloom.toml").recipes[RECIPE].stages:
        entry = entries[stage]
        run = json.loads((store / "fingerprints" / f"{entry['fingerprint']}.json").read_text())["run"]
        folder = store / "versions" / entry["kind"].replace("/", ".") / entry["version"][:40]
        rows = json.loads((folder / "manifest.json").read_text())["tables"]["rows"]["row_count"]
        asked = run["requests"]["total"]
        found.append(
            (stage, f"{rows:,}", f"{run['seconds']:.1f}", f"{run['peak_mb'] or 0:.0f}", f"{asked:,}" if asked else "")
        )
    return found


def copy_text(store: Path) -> tuple[float, int]:
    """Seconds to read all completions and write their text again, and the bytes of that text."""
    started = time.monotonic()
    session = duckdb.connect()
    segments = str(store / "requests" / "segments" / "*" / "*.parquet")
    texts = session.read_parquet(segments, union_by_name=True).project("text")
    texts.write_parquet(str(store / "bound.parquet"), compression="zstd")
    seconds = time.monotonic() - started
    size = texts.aggregate("sum(strlen(text))").fetchall()[0][0]
    return seconds, int(size)


if __name__ == "__main__":
    main()
