"""The repository that a name means: ``ORG/NAME`` is one of the Hub, and a path is a folder."""

from __future__ import annotations

import os
import re
from pathlib import Path

from resources.errors import HubError
from resources.hub.folder_repository import FolderRepository
from resources.hub.hub_repository import HubRepository
from resources.hub.repository import Repository

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?/[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
_PATH = ("/", ".", "~")


def open_repository(name: str, *, endpoint: str | None = None, token: str | None = None) -> Repository:
    """A repository of the Hub, or a local folder. Nothing is read, made or asked yet.

    Args:
        name: ``ORG/NAME``; or a path, which begins with ``/``, ``.`` or ``~``.
        endpoint: Address of the Hub; None is ``HF_ENDPOINT``, or huggingface.co.
        token: None is ``HF_TOKEN``, or a login of the client.

    Raises:
        HubError: The name is neither.
    """
    if name.startswith(_PATH):
        return open_folder(Path(name))
    if not _NAME.fullmatch(name) or "--" in name or ".." in name:
        raise HubError(
            f"{name[:200]!r} is no repository",
            where="repository",
            fix="Write ORG/NAME for one of the Hub, or a path that begins with / . or ~ for a folder",
        )
    return HubRepository(name, endpoint=endpoint or os.environ.get("HF_ENDPOINT"), token=token)


def open_folder(path: Path) -> Repository:
    """A folder of versions."""
    return FolderRepository(path)
