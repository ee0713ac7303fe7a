"""What the Hub refuses: names of repositories, branches and tags, paths of files, and small files that are too large.

Each function raises :class:`Refusal` with status 400 and a sentence that names what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from resources.hub.stand_in.messages import Refusal

MAX_NAME = 96
"""Characters of a namespace, and of a repository's name."""
MAX_PATH = 1024
MAX_PART = 255
"""Bytes of a path, and of one name in it."""
FORBIDDEN_FOLDERS = (".git", ".cache")
"""Folders that the clients refuse too: one is git's own, the other is the cache of downloads."""
NAME = re.compile(r"[A-Za-z0-9_.-]{1,96}")
BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(/|$)")
"""What git allows in no reference."""
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits that a test may lower to meet them."""

    commits_per_hour: int = 128
    """Of one repository; observed on the Hub."""
    regular_bytes: int = 10 * 1024 * 1024
    """A larger file must be uploaded as a large object."""
    page: int = 1000
    """Entries of one page of a tree."""
    paths_info: int = 1000
    """Paths of one question."""


def check_name(name: str) -> str:
    """One half of ORG/NAME."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refusal(400, f"Invalid name {_short(name)}: use up to {MAX_NAME} letters, digits, '-', '_', '.'")
    if name[0] in "-." or name[-1] in "-." or "--" in name or ".." in name or name.endswith((".git", ".ipynb")):
        raise Refusal(
            400, f"Invalid name {_short(name)}: no '--', no '..', no '-' or '.' at its ends, no '.git' at its end"
        )
    return name


def check_ref(name: object, what: str) -> str:
    """The name of a branch or a tag."""
    if not isinstance(name, str) or not name or len(name.encode("utf-8", "replace")) > MAX_PART:
        raise Refusal(400, f"Invalid {what}: a name is needed")
    is_bad = BAD_REF.search(name) or name[0] in "-./" or name[-1] in "./" or name == "@" or name == "HEAD"
    if is_bad or not _is_text(name) or name.startswith("refs/") or COMMIT.fullmatch(name):
        raise Refusal(400, f"Invalid {what} {_short(name)}: git does not take this name")
    return name


def check_path(path: object) -> str:
    """The path of a file inside a repository."""
    if not isinstance(path, str) or not path:
        raise Refusal(400, "Invalid path: it is empty")
    if not _is_text(path) or any(ord(char) < 32 or ord(char) == 127 for char in path):
        raise Refusal(400, f"Invalid path {_short(path)}: it has a character that no file name may have")
    if len(path.encode()) > MAX_PATH or any(len(part.encode()) > MAX_PART for part in path.split("/")):
        raise Refusal(400, f"Invalid path {_short(path)}: it is too long")
    parts = path.split("/")
    if path[0] == "/" or "\\" in path or any(part in ("", ".", "..") for part in parts):
        raise Refusal(400, f"Invalid path {_short(path)}: it must be relative, with slashes, without '.' and '..'")
    if any(part.lower() in FORBIDDEN_FOLDERS for part in parts):
        raise Refusal(400, f"Invalid path {_short(path)}: {' and '.join(FORBIDDEN_FOLDERS)} are not for files")
    return path


def check_no_file_is_a_folder(paths: set[str]) -> None:
    """A path cannot name a file and be a folder of others."""
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder:
            if folder in paths:
                raise Refusal(400, f"Invalid path {_short(path)}: {_short(folder)} is a file")
            folder = folder.rpartition("/")[0]


def check_regular(path: str, content: bytes, limits: Limits) -> None:
    """A file that is sent inside a commit."""
    if len(content) > limits.regular_bytes:
        raise Refusal(
            400,
            f"Your push was rejected because {_short(path)} is larger than {limits.regular_bytes} bytes. "
            "Upload it as a large object (LFS)",
        )
    if is_binary(content):
        raise Refusal(
            400, f"Your push was rejected because {_short(path)} is binary. Upload it as a large object (LFS)"
        )


def is_binary(sample: bytes) -> bool:
    """Whether git would call these first bytes binary."""
    return b"\0" in sample[:8000]


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(value: object) -> str:
    return ascii(value if isinstance(value, str) else str(value))[:120]
