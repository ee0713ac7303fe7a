"""Paths of the store, its format number, and small durable writes.

Everything that a reader may find is either complete or absent: files are written aside, fsynced, and renamed.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resources.errors import StoreError

FORMAT = 1
"""Format of the store. A reader refuses a newer one; an older one is migrated here."""


def folder_of_kind(kind: str) -> str:
    """A kind's name as one folder: ``sql/fair_order`` -> ``sql.fair_order``."""
    return kind.replace("/", ".")


@contextlib.contextmanager
def store_errors(where: Path | str) -> Iterator[None]:
    """Wraps what the operating system says into a StoreError with the remedy."""
    try:
        yield
    except OSError as error:
        raise explain_os_error(error, str(where)) from error


def explain_os_error(error: OSError, where: str) -> StoreError:
    """What the operating system says, with the remedy."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StoreError(
            "the disk is full; what was finished before is safe and nothing half-written is visible",
            where=where,
            fix="Free space (`mathloom clean` removes old versions) and run the same command again",
            retryable=True,
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(
            "no permission to write",
            where=where,
            fix="Give the user write permission there, or set another [project] store in mathloom.toml",
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return StoreError(
            "a file stands where a folder of the store must be",
            where=where,
            fix="Move the file away, or set another [project] store in mathloom.toml",
        )
    return StoreError(f"{error.strerror or error}", where=where, fix="Mend the file system and run again")


def sync_folder(folder: Path) -> None:
    """Makes a rename inside ``folder`` durable. A file system without folder fsync is left as it is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Forces the bytes of a finished file to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Any) -> None:
    """Replaces ``path`` with ``value`` atomically and durably."""
    with store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with aside.open("w", encoding="utf-8") as handle:
                json.dump(value, handle, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
                handle.write("\n")
                handle.flush()
                os.fsync(handle.fileno())
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(path.parent)


def read_json(path: Path) -> Any:
    """The content of a JSON file of the store, or None if there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain_os_error(error, str(path)) from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise StoreError(
            f"not valid JSON ({error.msg} at line {error.lineno})",
            where=str(path),
            fix="Delete the file: what it named is built again from the request store",
        ) from error


def check_format(root: Path) -> None:
    """Creates the store's folder on first use; refuses one that a newer mathloom wrote."""
    marker = root / "FORMAT"
    found = read_json(marker)
    if found is None:
        write_json(marker, {"format": FORMAT})
    elif found.get("format") != FORMAT:
        raise StoreError(
            f"the store has format {found.get('format')!r}; this mathloom reads {FORMAT}",
            where=str(marker),
            fix="Install the mathloom that wrote it, or set another [project] store in mathloom.toml",
        )
