"""A release of 14,000,000 rows to the Hub stand-in: what is sent, how long it takes, how much memory it needs.

    .venv/bin/python benchmarks/release_size.py [--rows 14000000] [--folder FOLDER]

Three releases in turn: the data; the same data again; the data with 1 % more rows after it. The client is the real
huggingface_hub in a process of its own, the stand-in another process on the loopback interface, on the same disk.
Beside them, in the same run, the bound: the same files hashed and copied once. Then what the command does before it
sends anything: every file is looked through for secrets, and the rows are compared with those of the last release.

14,000,000 rows are 3.2 GB of Parquet; the run needs five times that on disk, in the folder of temporary files or in
--folder, and removes it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from made_release import make_release
from rich.console import Console
from rich.table import Table

from assets.release import changelog
from assets.release.decoration import card_hash, decorate, release_digest
from assets.release.folder_reading import read_release
from assets.release.numbering import FIRST, Number, Step
from assets.release.scan import scan_folder
from dagster_project.released.difference import compare
from dagster_project.releasing.built import CARD, CHANGELOG
from dagster_project.releasing.files import FilePlan, is_there
from dagster_project.releasing.state import RepositoryState, read_state
from dagster_project.running.memory import peak_mb
from resources.hub.repository import LocalFile
from resources.identity import hash_file
from resources.sql import open_session

REPOSITORY = "bench/made"
MEMORY = "2GB"
"""What a step may take of memory where nobody says otherwise."""
MORE = 0.01
"""Rows that the third release adds, as a share."""


def main() -> None:
    """Make the data, run the server and three clients, measure the bound, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=14_000_000)
    parser.add_argument("--folder", type=Path, help="Where the data lies meanwhile (default: temporary files).")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--publish", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scan", type=Path, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--compare", type=Path, nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
    elif chosen.publish:
        sys.stdout.write(json.dumps(publish_folder(chosen.publish)) + "\n")
    elif chosen.scan or chosen.compare:
        started = time.monotonic()
        words = scan(chosen.scan[0]) if chosen.scan else compared(*chosen.compare)
        found = {"seconds": time.monotonic() - started, "peak_mb": peak_mb() or 0.0, "words": words}
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            measure(Path(folder), chosen.rows)


def measure(root: Path, rows: int) -> None:
    """All of it, in an empty folder."""
    console = Console(width=120)
    first = made(console, root / "first", rows)
    table = Table(title=f"releases of {rows:,} rows", box=None, title_justify="left")
    names = ("release", "files", "MB", "look s", "upload s", "commit s", "tag s", "sent MB", "client MB", "server MB")
    for name in names:
        table.add_column(name, justify="left" if name == "release" else "right")
    with server(root / "hub") as (stand_in, environment):
        seconds = 0.0
        for what in ("the first", "the same again"):
            found = publish(root / "first", environment)
            seconds = max(seconds, found["seconds"])
            table.add_row(what, *cells(found, ask(stand_in)))
        hashed, copied, forced = bound(root / "first", root / "copy")
        grown = made(console, root / "more", rows + max(1, int(rows * MORE)))
        table.add_row("1 % more rows", *cells(publish(root / "more", environment), ask(stand_in)))
    console.print(table)
    stay = len(grown.items() & first.items())
    console.print(f"1 % more rows: {stay} of {len(first)} Parquet files have the bytes of the first release")
    console.print(
        f"bound: the same files hashed {hashed:.1f} s, copied {copied:.1f} s, forced to disk {forced:.1f} s; "
        f"first release / (hashed + copied) {seconds / (hashed + copied):.1f}"
    )
    for what, argument in (("secrets looked for in", "--scan"), ("compared with", "--compare")):
        found = child(argument, root / "first", root / "more")
        console.print(
            f"{what} the first release in {found['seconds']:.0f} s, {found['peak_mb']:,.0f} MB {found['words']}"
        )


def made(console: Console, folder: Path, rows: int) -> dict[str, str]:
    """Make a release; returns part of a name (without the number of shards) and hash of its Parquet files."""
    started = time.monotonic()
    configs = make_release(folder, rows)
    files = [file for config in configs for file in config.unique()]
    size = sum(file.bytes for file in files)
    console.print(
        f"made {rows:,} rows in {time.monotonic() - started:.0f} s: {len(files)} Parquet files, {size / 1e6:,.0f} MB"
    )
    return {file.path.rpartition("-of-")[0]: file.sha256 for file in files}


def cells(found: Mapping[str, Any], said: Mapping[str, Any]) -> list[str]:
    """One row of the table."""
    seconds = [f"{found[name]:.1f}" for name in ("look", "upload", "commit", "tag")]
    sizes = [f"{said['bytes_in'] / 1e6:,.1f}", f"{found['peak_mb']:,.0f}", f"{said['peak_mb']:,.0f}"]
    return [str(found["files"]), f"{found['bytes'] / 1e6:,.0f}", *seconds, *sizes]


def bound(source: Path, target: Path) -> tuple[float, float, float]:
    """Seconds to hash all files, to copy them, and to force the copies to disk."""
    files = [path for path in source.rglob("*") if path.is_file()]
    target.mkdir()
    times = [time.monotonic()]
    for path in files:
        hash_file(path)
    times.append(time.monotonic())
    for number, path in enumerate(files):
        shutil.copyfile(path, target / str(number))
    times.append(time.monotonic())
    for path in target.iterdir():
        with path.open("rb+") as handle:
            os.fsync(handle.fileno())
    times.append(time.monotonic())
    shutil.rmtree(target)
    return times[1] - times[0], times[2] - times[1], times[3] - times[2]


def child(argument: str, *folders: Path) -> dict[str, Any]:
    """One step of the command, in a process of its own."""
    command = [sys.executable, __file__, argument, *map(str, folders)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def scan(folder: Path) -> str:
    """Look for secrets as the gate does."""
    with (
        tempfile.TemporaryDirectory() as spill,
        open_session(memory_limit=MEMORY, threads=os.cpu_count() or 2, temp=Path(spill), folders=[folder]) as session,
    ):
        return f"(findings: {len(list(scan_folder(session, folder, [])))})"


def compared(old: Path, new: Path) -> str:
    """Compare rows as the plan of a release does, without a store."""
    found = compare(read_release(old), read_release(new), names=("first", "more"), store=None, memory_limit=MEMORY)
    return f"(rows added: {found.splits['train'].added:,}, removed: {found.splits['train'].removed:,})"


# -- the server's process --------------------------------------------------------------------------------------------


def serve(root: Path) -> None:
    """Run the stand-in until stdin ends; answer each line with what arrived since the last, and the peak memory."""
    from resources.hub.stand_in.server import StandIn, stand_in_environment

    with StandIn(root) as stand_in:
        sys.stdout.write(json.dumps(stand_in_environment(stand_in)) + "\n")
        sys.stdout.flush()
        seen = 0
        for _ in sys.stdin:
            calls = stand_in.calls[seen:]
            seen += len(calls)
            found = {"calls": len(calls), "bytes_in": sum(call.bytes_in for call in calls), "peak_mb": peak_mb()}
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


@contextmanager
def server(root: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The stand-in in a process of its own, and the environment of its clients."""
    root.mkdir()
    command = [sys.executable, __file__, "--serve", str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, {**os.environ, **json.loads(opened(process.stdout).readline())}
        finally:
            opened(process.stdin).close()


def ask(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What arrived at the server since the last question."""
    pipe = opened(process.stdin)
    pipe.write("\n")
    pipe.flush()
    return json.loads(opened(process.stdout).readline())


def opened(pipe: IO[str] | None) -> IO[str]:
    """A pipe that is there."""
    if pipe is None:
        raise SystemExit("the process has no pipe")
    return pipe


# -- the client's process --------------------------------------------------------------------------------------------


def publish(folder: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    """Publish ``folder`` in a process of its own."""
    command = [sys.executable, __file__, "--publish", str(folder)]
    done = subprocess.run(command, env=dict(environment), check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit("the client failed")
    return json.loads(done.stdout.splitlines()[-1])


def publish_folder(folder: Path) -> dict[str, Any]:
    """What `mathloom release` does after its gate: look, one commit, one tag. Seconds of each, and memory."""
    from resources.hub.opened import open_repository

    repository = open_repository(REPOSITORY)
    seconds = {"look": 0.0, "upload": 0.0, "commit": 0.0, "tag": 0.0}
    began = time.monotonic()
    with timed_uploads(seconds):
        state = read_state(repository)
        files = local_files(folder)
        card = (folder / CARD).read_text(encoding="utf-8")
        digest = release_digest({path: file.sha256 for path, file in files.items()})
        seconds["look"] = time.monotonic() - began
        is_there = state.stamp is not None and (state.stamp.digest, state.stamp.card) == (digest, card_hash(card))
        if not is_there:
            plan, number = planned(state, files, card, digest)
            started = time.monotonic()
            repository.create()
            done = repository.commit(plan.change, parent=state.head, message=f"Release {number.tag}")
            seconds["commit"] = time.monotonic() - started - seconds["upload"]
            started = time.monotonic()
            repository.tag(number.tag, done.commit, f"Release {number.tag}")
            seconds["tag"] = time.monotonic() - started
    size = sum(file.size for file in files.values())
    found = {"files": len(files), "bytes": size, "seconds": time.monotonic() - began, "peak_mb": peak_mb() or 0.0}
    return found | seconds


@contextmanager
def timed_uploads(seconds: dict[str, float]) -> Iterator[None]:
    """Count what the library takes to send large files, which is a part of a commit."""
    import huggingface_hub

    api = huggingface_hub.HfApi
    real = api.preupload_lfs_files

    def timed(*arguments: Any, **options: Any) -> Any:
        started = time.monotonic()
        try:
            return real(*arguments, **options)
        finally:
            seconds["upload"] += time.monotonic() - started

    api.preupload_lfs_files = timed
    try:
        yield
    finally:
        api.preupload_lfs_files = real


def local_files(folder: Path) -> dict[str, LocalFile]:
    """Files but the card. Hashes of Parquet are in BUILD.json, as a version's are in its manifest."""
    build = json.loads((folder / "BUILD.json").read_text(encoding="utf-8"))
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != CARD:
            known = build["files"].get(name)
            found[name] = LocalFile(path, path.stat().st_size, known["sha256"] if known else hash_file(path))
    return found


def planned(state: RepositoryState, files: Mapping[str, LocalFile], card: str, digest: str) -> tuple[FilePlan, Number]:
    """What the commit does, and the number of the release."""
    number = state.newest.after(Step.MINOR) if state.newest else FIRST
    whole = changelog.with_entry(state.changelog, changelog.entry(number, None, step=None))
    text = decorate(card, repository=REPOSITORY, number=number, digest=digest, changelog=whole, previous=state.card)
    wanted: dict[str, LocalFile | bytes] = {**files, CARD: text.encode(), CHANGELOG: whole.encode()}
    put = {path: file for path, file in wanted.items() if not is_there(file, state.files.get(path))}
    gone = {path: file.size for path, file in state.files.items() if path not in wanted and path != ".gitattributes"}
    return FilePlan(put, {}, gone), number


if __name__ == "__main__":
    main()
