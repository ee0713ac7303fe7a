"""Reading from the Hugging Face Hub: rows of a dataset as a stream, and what names its content.

``datasets`` and ``huggingface_hub`` are imported inside the functions, since a build from local files needs neither.
Their errors are wrapped here, once. Publishing does not live here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resources.errors import SeedError
from resources.hub.connection import load
from resources.identity import hash_json

RELEASED = ("*.parquet", "README.md", "BUILD.json", "CHANGELOG.md", "recipe/*")
"""What :func:`download` takes, as patterns whose ``*`` also crosses slashes. Nobody runs what lies there."""
COMMIT = re.compile(r"[0-9a-f]{40}")
"""A full git commit. Anything else (a branch, a tag, a short hash) can move or be ambiguous."""


def resolve_commit(repository: str, branch: str = "main", *, endpoint: str | None = None) -> str:
    """The commit that ``branch`` (or a tag) of a dataset repository names now. One request.

    Raises:
        SeedError: The repository or branch is not there, or the Hub cannot be reached.
        MissingExtraError: ``huggingface_hub`` is not installed.
    """
    hub = load("huggingface_hub", repository)
    try:
        return str(hub.HfApi(endpoint=endpoint).dataset_info(repository, revision=branch).sha)
    except Exception as error:
        raise _wrapped(error, repository, f"branch {branch!r}") from error


def content_hash(repository: str, commit: str, *, endpoint: str | None = None) -> str:
    """Hex SHA-256 over path and hash of every file of a commit: the same files elsewhere have the same hash.

    A mirror of a repository that was taken down (MATH, January 2025) has other commits and this same hash.
    """
    hub = load("huggingface_hub", repository)
    try:
        entries = hub.HfApi(endpoint=endpoint).list_repo_tree(
            repository, revision=commit, recursive=True, repo_type="dataset"
        )
        files = sorted((e.path, _file_hash(e)) for e in entries if hasattr(e, "blob_id"))
    except Exception as error:
        raise _wrapped(error, repository, f"commit {commit}") from error
    return hash_json(files)


def download(repository: str, revision: str = "main", *, endpoint: str | None = None) -> Path:
    """Folder with the Parquet files, card, records and recipe of a dataset at a branch, tag or commit.

    They lie in the client's own cache, by commit: what is there is not downloaded again.

    Raises:
        SeedError: The repository or revision is not there, or the Hub cannot be reached.
        MissingExtraError: ``huggingface_hub`` is not installed.
    """
    hub = load("huggingface_hub", repository)
    try:
        return Path(
            hub.snapshot_download(
                repository, repo_type="dataset", revision=revision, endpoint=endpoint, allow_patterns=list(RELEASED)
            )
        )
    except Exception as error:
        raise _wrapped(error, repository, f"revision {revision!r}") from error


def config_names(repository: str, revision: str | None = None) -> list[str]:
    """Config names of a dataset, sorted: the order in which ``config: "*"`` reads them."""
    datasets = load("datasets", repository)
    try:
        return sorted(datasets.get_dataset_config_names(repository, revision=revision))
    except Exception as error:
        raise _wrapped(error, repository, "its list of configs") from error


def stream_rows(repository: str, *, config: str | None, split: str, revision: str | None) -> Iterator[dict[str, Any]]:
    """Rows of one config and split in the repository's own order. Memory: one batch of the reader.

    ``repository`` may be a local folder, as for ``datasets.load_dataset``.
    """
    datasets = load("datasets", repository)
    what = f"config {config or 'default'!r}, split {split!r}"
    try:
        rows = datasets.load_dataset(repository, name=config, split=split, revision=revision, streaming=True)
        for row in rows:
            yield dict(row)
    except Exception as error:
        raise _wrapped(error, repository, what) from error


def _file_hash(entry: Any) -> str:
    """SHA-256 of a file in LFS or Xet, else its git blob id: both name its bytes."""
    lfs = getattr(entry, "lfs", None)
    return str(lfs.sha256 if lfs else entry.blob_id)


def _wrapped(error: Exception, repository: str, what: str) -> SeedError:
    """One line of a library's error; these libraries put whole pages (and request ids) into theirs."""
    line = " ".join(str(error).split())[:200] or type(error).__name__
    is_absent = type(error).__name__ in {"RepositoryNotFoundError", "RevisionNotFoundError", "DatasetNotFoundError"}
    fix = (
        "Check the name; a gated or private dataset needs HF_TOKEN in the environment"
        if is_absent
        else "Check the network and the names of config and split, or let a local file stand in (source: {path: ...})"
    )
    return SeedError(f"{what} cannot be read: {line}", where=f"hub:{repository}", fix=fix, retryable=not is_absent)
