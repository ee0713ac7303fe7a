"""What it takes to build a release again: versions of the code, sources, completions; and whether the bytes agree.

Works on a :class:`~dagster_project.releasing.checkout.Checkout`. The recipe is loaded here, and with it whatever Python
it brings: callers ask a person first.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.release.decoration import card_hash, read_stamp
from assets.release.folder_reading import read_release
from dagster_project.language.resolved import Recipe
from dagster_project.releasing.built import BUILD_FILE, CARD
from dagster_project.releasing.checkout import Checkout
from dagster_project.running.lineage import mathloom_version
from dagster_project.running.workspace import Workspace
from resources.errors import MathloomError, StoreError
from resources.identity import hash_file
from resources.requests.segments import Folders, list_seals
from resources.requests.store import RequestStore
from resources.store.layout import store_errors

REQUESTS = "requests"
"""Folder of the request store inside a store."""

ASKING_TRUST = ("api_key_env", "base_url", "launch")
"""Options of an engine by which somebody's recipe sends a key of this machine away, or starts a program on it."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """One source of the release, and whether its exact rows are at hand."""

    name: str
    place: str
    """Where it comes from, in words."""
    sha256: str | None
    is_at_hand: bool
    words: str
    """What to do about it, or why it is well."""


@dataclass(frozen=True, slots=True)
class Completions:
    """How many completions that released rows came from a request store has."""

    wanted: int
    stored: int


@dataclass(frozen=True, slots=True)
class Compared:
    """The files of a release beside those of a new build."""

    files: int
    differing: tuple[str, ...]
    """Files with other bytes, absent or new, in the order of their names."""
    stage: str
    """The first stage, upstream first, that the two builds say differently; empty if there is none."""

    @property
    def is_same(self) -> bool:
        """Whether all bytes agree."""
        return not self.differing


def lend_requests(checkout: Checkout, store: Path) -> None:
    """Give the checkout the completions of ``store``: nothing that is there is asked again.

    Their files never change, so that both stores can hold them as links to the same bytes; whatever the checkout then
    stores, compacts or prunes is its own. Versions stay apart: a build of the checkout makes every stage anew.

    Raises:
        StoreError: There is no request store, or it cannot be read or linked.
    """
    if not Folders(store / REQUESTS).segments.is_dir():
        raise StoreError("there is no request store", where=str(store), fix="Name the `.mathloom` of a project")
    with RequestStore(store) as lender, RequestStore(checkout.store) as borrower, store_errors(checkout.store):
        lender.seal()
        has = {seal.name for seal in list_seals(borrower.folders)}
        for seal in list_seals(lender.folders):
            if seal.name not in has:
                aside = borrower.folders.segments / f".{seal.name}"
                shutil.rmtree(aside, ignore_errors=True)
                shutil.copytree(seal.folder, aside, copy_function=_link)
                aside.rename(borrower.folders.segments / seal.name)


def _link(source: str, target: str) -> str:
    """A second name of the same file; a copy where the file system has none."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target


def differences(checkout: Checkout, recipe: Recipe) -> Iterator[str]:
    """How this installation differs from the one that made the release, in words."""
    then, now = str(checkout.build.get("mathloom")), mathloom_version()
    if then != now:
        yield f"mathloom: the release was made by {then}, this is {now}"
    stages = checkout.build.get("stages")
    made: Mapping[str, Any] = stages if isinstance(stages, dict) else {}
    for name in sorted(made.keys() | recipe.stages.keys()):
        said = made.get(name)
        stage = recipe.stages.get(name)
        if said is None and stage is not None and stage.kind.law.name == "release":
            continue  # a release cannot list itself
        if not isinstance(said, dict) or stage is None:
            yield f"stage {name}: only {'this recipe' if stage else 'the release'} has it"
        elif str(said.get("code")) != stage.kind.code_version:
            yield f"stage {name}: code of {stage.kind.name} was {said.get('code')}, here {stage.kind.code_version}"


def dangers(recipe: Recipe) -> list[str]:
    """Options of engines that send keys away, call addresses or start programs, in words."""
    return [
        f"role {role.name}: engine {role.engine}, {name} {_value(role.options[name])}"
        for role in recipe.roles.values()
        for name in ASKING_TRUST
        if role.options.get(name)
    ]


def _value(value: Any) -> str:
    return json.dumps(value, default=str)[:160]


def sources(checkout: Checkout, workspace: Workspace) -> list[SourceState]:
    """Every source and benchmark of the release; local files are hashed, nothing is downloaded."""
    found = []
    for section in ("sources", "benchmarks"):
        said = checkout.build.get(section)
        for name, facts in (said if isinstance(said, dict) else {}).items():
            if name in workspace.recipe.sources:
                found.append(_source(workspace, name, facts if isinstance(facts, dict) else {}))
    return found


def _source(workspace: Workspace, name: str, facts: Mapping[str, Any]) -> SourceState:
    source = workspace.recipe.sources[name]
    sha256 = str(facts["sha256"]) if facts.get("sha256") else None
    if source.hub:
        place = f"{source.hub}@{facts.get('revision')} of the Hub"
        return SourceState(name, place, sha256, True, "downloaded when it is read")
    place = f"bundled file {source.bundled}" if source.bundled else f"file {source.path}"
    try:
        found = workspace.pin(name).sha256
    except MathloomError:
        return SourceState(name, place, sha256, False, "absent: put the file there")
    if found != sha256:
        return SourceState(name, place, sha256, False, "another file: put the one with this sha256 there")
    return SourceState(name, place, sha256, True, "the same bytes")


def completions(folder: Path, store: Path) -> Completions | None:
    """Look the completions of all released rows up in the request store of ``store``; None without a provenance.

    Reads one column, batch by batch. Raises StoreError if the store cannot be read.
    """
    release = read_release(folder)
    files = {path: None for paths in release.provenance.values() for path in paths}
    if not files:
        return None
    wanted = stored = 0
    with RequestStore(store) as requests:
        for path in files:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(columns=["request_key"]):
                    keys = _keys(batch.column("request_key"))
                    wanted += len(keys)
                    stored += int(requests.known(keys).sum()) if keys else 0
    return Completions(wanted, stored)


def _keys(column: pa.Array) -> list[bytes]:
    """UUIDs as their 16 bytes; what is none is left out."""
    texts = (str(text).replace("-", "") for text in column.to_pylist() if text is not None)
    return [bytes.fromhex(text) for text in texts if len(text) == 32 and not set(text) - set("0123456789abcdef")]


def compare(checkout: Checkout) -> Compared:
    """Hold the folder that the checkout built against the release, file by file.

    The changelog is no part of a build, and of the card the part that publishing adds is left out.

    Raises:
        StoreError: Nothing is built.
    """
    built = checkout.store / "releases" / checkout.recipe / checkout.profile
    if not built.is_dir():
        raise StoreError("nothing is built", where=str(built), fix="Build the checkout first")
    ours = {p.relative_to(built.resolve()).as_posix(): p for p in built.resolve().rglob("*") if p.is_file()}
    theirs = _released_files(checkout)
    differing = [
        path
        for path in sorted(ours.keys() | theirs.keys())
        if path not in ours or path not in theirs or _hash(path, ours[path]) != theirs[path]
    ]
    stage = _first_stage(checkout.build, json.loads(ours[BUILD_FILE].read_text(encoding="utf-8"))) if differing else ""
    return Compared(len(theirs), tuple(differing), stage)


def _released_files(checkout: Checkout) -> dict[str, str]:
    """Files that a build must give again -> SHA-256; of the card, of what was built."""
    released = checkout.released
    names = {*checkout.build["files"], *checkout.build["recipe"]["files"], BUILD_FILE}
    found = {path: released.sha256(path) for path in names if path in released.sizes}
    if CARD in released.sizes:
        card = released.read(CARD).decode("utf-8", errors="replace")
        stamp = read_stamp(card)
        found[CARD] = stamp.card if stamp else card_hash(card)
    return found


def _hash(path: str, file: Path) -> str:
    return card_hash(file.read_text(encoding="utf-8")) if path == CARD else hash_file(file)


def _first_stage(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    before, after = then.get("stages"), now.get("stages")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return ""
    order = [line.get("stage") for line in now.get("funnel") or [] if isinstance(line, dict)]
    names = [name for name in order if isinstance(name, str)] or sorted(after)
    return next((name for name in names if before.get(name) != after.get(name)), "")
