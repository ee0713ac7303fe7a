"""Where a release goes: as the profile says, or as a command says instead. Tokens are looked for before any work."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

from dagster_project.language.resolved import Publishing, Recipe
from resources.errors import HubError, ReleaseError
from resources.hub.repository import Repository

_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_PATH_STARTS = ("/", ".", "~")
TOKEN = "HF_TOKEN"  # noqa: S105 - the name of a variable


def with_destination(recipe: Recipe, to: str | None, *, is_pull_request: bool = False) -> tuple[Recipe, Publishing]:
    """``recipe`` with the place of its releases: ``to``, else what its profile says.

    Raises:
        ReleaseError: Nobody says where, ``to`` is neither a repository nor a folder, or a folder gets a pull request.
    """
    publishing = recipe.publishing if to is None else _said(recipe, to)
    if publishing is None:
        raise ReleaseError(
            f"nobody says where releases of {recipe.name} go",
            where=f"{recipe.name} ({recipe.profile})",
            fix=(
                f"Write `publish: {{repository: ORG/NAME}}` into the profile, or give `--to ORG/NAME`; without an "
                f"account, see the whole way with: mathloom release {recipe.name} --rehearse-hub"
            ),
        )
    if is_pull_request and publishing.folder is not None:
        where = str(publishing.folder)
        raise ReleaseError("a folder has no pull requests", where=where, fix="Leave out --pull-request")
    asked = publishing.is_pull_request or is_pull_request
    chosen = replace(publishing, is_pull_request=asked)
    return replace(recipe, publishing=chosen), chosen


def _said(recipe: Recipe, to: str) -> Publishing:
    if to.startswith(_PATH_STARTS):
        return Publishing(recipe.place, folder=_folder(to))
    if not _REPOSITORY.fullmatch(to):
        fix = "Write a repository as ORG/NAME, and a folder with / . or ~ at its beginning"
        raise ReleaseError(f"{to!r} is neither a repository nor a folder", where="--to", fix=fix)
    return Publishing(recipe.place, repository=to)


def _folder(path: str) -> Path:
    """A folder as its records name it: absolute, without ``..``. Raises ReleaseError for no path at all."""
    try:
        path.encode()
        return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - Path.resolve would follow links
    except (RuntimeError, UnicodeEncodeError) as error:
        why = "it is no text" if isinstance(error, UnicodeEncodeError) else "nobody has this home"
        raise ReleaseError(f"{path!r} is no folder: {why}", where="--to", fix="Write the path of a folder") from error


def open_destination(publishing: Publishing) -> Repository:
    """The repository. Raises HubError if the Hub needs a token and there is none, before anything is asked of it."""
    from resources.hub.opened import open_folder, open_repository

    if publishing.folder is not None:
        return open_folder(publishing.folder)
    name = str(publishing.repository)
    if not _has_token():
        raise HubError(
            "there is no token, and the Hub takes releases only from somebody that it knows",
            where=name,
            fix=f"Set {TOKEN} in the environment, or log in with `hf auth login`; the token must be allowed to write",
        )
    return open_repository(name)


def _has_token() -> bool:
    if os.environ.get(TOKEN):
        return True
    try:
        from huggingface_hub import get_token
    except ImportError:
        return True  # opening says which extra is missing
    return get_token() is not None
