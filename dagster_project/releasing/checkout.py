"""A release as a project that can be built: its recipe, verified and laid out in a new folder.

A release is somebody else's. Every path and hash of it is checked before a byte is written, nothing leads out of the
folder, and nothing of it is executed here; a recipe with a ``kinds.py`` is not even loaded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assets.release.folder_reading import is_release, lies_in
from assets.release.numbering import Number, latest
from dagster_project.running.recipe_files import ROOT as RECIPE_FOLDER
from resources.errors import FileError, ReleaseError
from resources.hub.repository import MAIN, Repository
from resources.identity import hash_file
from resources.paths import expanded
from resources.store.layout import store_errors

BUILD_FILE = "BUILD.json"
PROJECT_FILE = "mathloom.toml"
STORE = ".mathloom"

MAX_FILES = 2_000
MAX_BYTES = 256 << 20
"""Of one file of the recipe: bundled rows are the largest."""
_MAX_BUILD_BYTES = 64 << 20
_MAX_REASONS = 10

_HUB = re.compile(r"(?:hf://datasets/)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
_FOLDER = re.compile(r"(.+?)(?:@([\w.-]+))?", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_][\w-]{0,63}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"[^\x00-\x1f\x7f\\:*?\"<>|]{1,200}")
_SPECIAL = {"", ".", ".."}


@dataclass(frozen=True, slots=True)
class Released:
    """One release, wherever it lies."""

    name: str
    """What a person calls it: ``ORG/NAME@v1.0.0``, or a folder."""
    label: str
    """Name of the folder that it is checked out into: ``NAME-v1.0.0``."""
    sizes: Mapping[str, int]
    """Every file -> bytes."""
    sha256: Callable[[str], str]
    """Of one file, as its place knows it, else of its bytes."""
    read: Callable[[str], bytes]
    folder: Callable[[], Path]
    """All of it in a local folder; downloads what is not here."""
    is_local: bool = True
    """Whether :attr:`folder` costs nothing."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A release that was laid out as a project."""

    released: Released
    folder: Path
    recipe: str
    profile: str
    build: Mapping[str, Any]
    """BUILD.json."""
    code: Sequence[str]
    """Files of Python that the recipe brings; they run when it is loaded."""

    @property
    def project_file(self) -> Path:
        """Its ``mathloom.toml``."""
        return self.folder / PROJECT_FILE

    @property
    def store(self) -> Path:
        """Where it is built."""
        return self.folder / STORE


def find_released(what: str, open_repository: Callable[[str], Repository]) -> Released:
    """The release that a person named.

    Args:
        what: ``hf://datasets/ORG/NAME@TAG``, ``ORG/NAME@TAG``, a released folder, or ``FOLDER@TAG`` of a local
            repository. Without a tag the newest release counts.
        open_repository: Opens a repository by its name.

    Raises:
        FileError: There is no such folder, or the words name nothing.
        HubError: The repository cannot be read.
    """
    folder = expanded(what)
    if is_release(folder):
        return _of_folder(what, folder.resolve())
    is_path = what.startswith(("/", ".", "~"))
    match = _FOLDER.fullmatch(what) if is_path else _HUB.fullmatch(what)
    if match is None or (is_path and not expanded(match[1]).is_dir()):
        fix = "Name hf://datasets/ORG/NAME@TAG, ORG/NAME@TAG, or a released folder (it has BUILD.json and data/)"
        raise FileError("no release is here", where=what, fix=fix)
    repository = open_repository(match[1])
    revision = match[2] or _newest(repository)
    return _of_repository(repository, revision, local=is_path)


def _newest(repository: Repository) -> str:
    number: Number | None = latest(repository.tags())
    return number.tag if number else MAIN


def _of_folder(what: str, folder: Path) -> Released:
    paths = [path for path in folder.rglob("*") if path.is_file() and lies_in(path, folder)]
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    return Released(
        name=what,
        label=_label(folder.name, ""),
        sizes={name: path.stat().st_size for name, path in files.items()},
        sha256=lambda name: hash_file(files[name]),
        read=lambda name: files[name].read_bytes(),
        folder=lambda: folder,
    )


def _of_repository(repository: Repository, revision: str, *, local: bool) -> Released:
    files = repository.files(revision)
    name = f"{repository.name}@{revision}"

    def read(path: str) -> bytes:
        content = repository.read(revision, path)
        if content is None:
            raise FileError(f"the release has no file {path!r}", where=name, fix="Name a release of mathloom")
        return content

    def sha256(path: str) -> str:
        return files[path].sha256 or hashlib.sha256(read(path)).hexdigest()

    return Released(
        name=name,
        label=_label(repository.name.rpartition("/")[2], revision),
        sizes={path: file.size for path, file in files.items()},
        sha256=sha256,
        read=read,
        folder=lambda: repository.download(revision),
        is_local=local,
    )


def _label(name: str, revision: str) -> str:
    words = [re.sub(r"[^\w.-]+", "-", word, flags=re.ASCII).strip("-.") for word in (name, revision)]
    return "-".join(word for word in words if word) or "release"


# -- checks ----------------------------------------------------------------------------------------------------------


def read_build(released: Released) -> dict[str, Any]:
    """BUILD.json. Raises ReleaseError if it is absent, broken, or of a format that has no recipe."""
    fix = "Name a dataset that mathloom released, of BUILD.json format 2 or later"
    if BUILD_FILE not in released.sizes or released.sizes[BUILD_FILE] > _MAX_BUILD_BYTES:
        raise ReleaseError(f"there is no readable {BUILD_FILE}", where=released.name, fix=fix)
    try:
        build = json.loads(released.read(BUILD_FILE))
    except (ValueError, RecursionError) as error:
        raise ReleaseError(f"{BUILD_FILE} is no JSON", where=released.name, fix=fix) from error
    recipe = build.get("recipe") if isinstance(build, dict) else None
    if not isinstance(recipe, dict) or not isinstance(recipe.get("files"), dict):
        raise ReleaseError(f"{BUILD_FILE} lists no recipe", where=released.name, fix=fix)
    for key in ("name", "profile"):
        if not isinstance(recipe.get(key), str) or not _NAME.fullmatch(recipe[key]):
            raise ReleaseError(f"{BUILD_FILE} names no {key} of a recipe", where=released.name, fix=fix)
    return build


def verify(released: Released, build: Mapping[str, Any]) -> None:
    """Hold every file against BUILD.json. Raises ReleaseError with what is hostile, absent or changed, all at once."""
    found = _wrong_paths(build) or [*_wrong_recipe(released, build["recipe"]["files"]), *_wrong_data(released, build)]
    if found:
        more = f"; and {len(found) - _MAX_REASONS} more" if len(found) > _MAX_REASONS else ""
        raise ReleaseError(
            "the release is not what its BUILD.json says: " + "; ".join(found[:_MAX_REASONS]) + more,
            where=released.name,
            fix="Do not use it; ask whoever published it, or name another tag",
        )


def is_safe(path: str) -> bool:
    """Whether ``path`` stays in its folder, on every system, under a name that a person can see."""
    parts = path.split("/")
    return all(_PART.fullmatch(part) and part not in _SPECIAL and part == part.strip() for part in parts)


def _wrong_paths(build: Mapping[str, Any]) -> list[str]:
    files = build["recipe"]["files"]
    if len(files) > MAX_FILES:
        return [f"{len(files):,} files are too many for a recipe"]
    inside = f"{RECIPE_FOLDER}/"
    found = [f"the path {p[:80]!r} is not allowed" for p in files if not (is_safe(p) and p.startswith(inside))]
    folded = Counter(path.casefold() for path in files)
    return found + [f"the path {path[:80]!r} stands there twice" for path in files if folded[path.casefold()] > 1]


def _wrong_recipe(released: Released, files: Mapping[str, Any]) -> list[str]:
    there = {path for path in released.sizes if path.startswith(f"{RECIPE_FOLDER}/")}
    found = [f"{path[:80]!r} is not listed" for path in sorted(there - files.keys())]
    found += [f"{path!r} is larger than {MAX_BYTES:,} bytes" for path in there if released.sizes[path] > MAX_BYTES]
    return found or _differing(released, files)


def _wrong_data(released: Released, build: Mapping[str, Any]) -> list[str]:
    files = build.get("files")
    if not isinstance(files, dict):
        return ["BUILD.json lists no files"]
    return _differing(released, {p: f.get("sha256") if isinstance(f, dict) else None for p, f in files.items()})


def _differing(released: Released, listed: Mapping[str, Any]) -> list[str]:
    found = []
    for path, sha256 in listed.items():
        if path not in released.sizes:
            found.append(f"{path[:80]!r} is absent")
        elif not isinstance(sha256, str) or not _SHA256.fullmatch(sha256) or released.sha256(path) != sha256:
            found.append(f"{path!r} has other bytes")
    return found


# -- the project -----------------------------------------------------------------------------------------------------


def check_out(released: Released, folder: Path | None = None) -> Checkout:
    """Verify the release and write its recipe as a project.

    Args:
        released: What :func:`find_released` gave.
        folder: A new or empty folder, or one that holds this checkout already (default: the release's label, here).

    Raises:
        FileError: The folder holds something else.
        ReleaseError: The release is not whole, or says paths that no recipe has. Nothing is written.
    """
    target = folder or Path(released.label)
    build = read_build(released)
    verify(released, build)
    name, profile = build["recipe"]["name"], build["recipe"]["profile"]
    files = {path.removeprefix(f"{RECIPE_FOLDER}/"): path for path in build["recipe"]["files"]}
    project = _project(name, profile)
    is_there = target.is_dir() and _is_checkout(target, project, build["recipe"]["files"], files)
    if not is_there:
        if target.is_symlink() or (target.exists() and (not target.is_dir() or any(target.iterdir()))):
            raise FileError("the folder is not empty", where=str(target), fix="Name a new folder, or empty this one")
        with store_errors(target):
            _write(target, {own: released.read(path) for own, path in files.items()} | {PROJECT_FILE: project})
    return Checkout(
        released, target.resolve(), name, profile, build, [own for own in files if own.endswith((".py", ".pyc", ".so"))]
    )


def _is_checkout(target: Path, project: bytes, listed: Mapping[str, str], files: Mapping[str, str]) -> bool:
    """Whether the folder holds exactly this recipe. Beside it may lie a store, and sources that a person supplied."""
    file = target / PROJECT_FILE
    if not file.is_file() or file.read_bytes() != project:
        return False
    folders = {own.partition("/")[0] for own in files} - {PROJECT_FILE}
    there = {path for folder in folders for path in (target / folder).rglob("*") if path.is_file() or path.is_symlink()}
    names = {path.relative_to(target).as_posix() for path in there if "__pycache__" not in path.parts}
    if names != files.keys() - {PROJECT_FILE} or any(path.is_symlink() for path in there):
        return False
    return all(own == PROJECT_FILE or hash_file(target / own) == listed[path] for own, path in files.items())


def _write(target: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        file = target / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _project(name: str, profile: str) -> bytes:
    """Not the project file of the release: that one could name any folder as recipe or as store."""
    return f'[recipes.{name}]\nfolder = "{name}"\nprofile = "{profile}"\n'.encode()
