"""Routes that read: what a dataset is, its files, its history, and their bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode

from resources.hub.stand_in.cards import check_card
from resources.hub.stand_in.git import Entry, pointer, tree_oids
from resources.hub.stand_in.hub import Hub, iso
from resources.hub.stand_in.messages import Answer, FileSlice, Refusal, Request, json_answer
from resources.hub.stand_in.storage import Commit, Repository

RANGE = re.compile(r"bytes=(\d*)-(\d*)")
COMMITS_PAGE = 50


def info(hub: Hub, request: Request, namespace: str, name: str, revision: str = "main") -> Answer:
    """GET a dataset, at a revision."""
    repository, state = hub.readable(request, namespace, name)
    commit = repository.resolve(revision, state)
    large = [entry.size for entry in commit.files.values()]
    return json_answer(
        {
            "_id": commit.id[:24],
            "id": repository.name,
            "author": namespace,
            "sha": commit.id,
            "createdAt": iso(state.created),
            "lastModified": iso(state.modified),
            "private": state.private,
            "gated": False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "usedStorage": sum(large),
            "cardData": _card(repository, commit),
            "siblings": [_sibling(path, entry, request.flag("blobs")) for path, entry in commit.files.items()],
        }
    )


def tree(hub: Hub, request: Request, namespace: str, name: str, revision: str, path: str = "") -> Answer:
    """GET the entries of a folder, by path, in pages."""
    repository, state = hub.readable(request, namespace, name)
    commit = repository.resolve(revision, state)
    items = [item for item in _items(commit) if _is_inside(item, path.strip("/"), request.flag("recursive"))]
    if path.strip("/") and not items:
        raise _no_entry(path, commit)
    after = request.text("cursor")
    items = [item for item in items if item["path"] > after]
    limit = request.text("limit")
    size = min(int(limit), hub.limits.page) if limit.isdigit() and int(limit) else hub.limits.page
    page, headers = items[:size], {}
    if len(items) > size:
        query = {**{key: values[0] for key, values in request.query.items()}, "cursor": page[-1]["path"]}
        headers["Link"] = f'<{hub.endpoint}{request.path}?{urlencode(query)}>; rel="next"'
    return json_answer([_with_commit(repository, item, request.flag("expand")) for item in page], headers=headers)


def paths_info(hub: Hub, request: Request, namespace: str, name: str, revision: str) -> Answer:
    """POST paths: what stands there; a path with nothing is left out."""
    repository, state = hub.readable(request, namespace, name)
    asked = _form(request)
    if len(asked.get("paths", [])) > hub.limits.paths_info:
        raise Refusal(413, "Payload Too Large: too many parameters")
    items = {item["path"]: item for item in _items(repository.resolve(revision, state))}
    expand = str(asked.get("expand", ["false"])[0]).lower() in {"1", "true"}
    found = (items[path] for path in (str(path).strip("/") for path in asked.get("paths", [])) if path in items)
    return json_answer([_with_commit(repository, item, expand) for item in found])


def refs(hub: Hub, request: Request, namespace: str, name: str) -> Answer:
    """GET branches, tags and, if asked, pull requests."""
    _, state = hub.readable(request, namespace, name)
    answer: dict[str, list[dict[str, str]]] = {
        "branches": [_ref(name, f"refs/heads/{name}", commit) for name, commit in state.branches.items()],
        "converts": [],
        "tags": [_ref(name, f"refs/tags/{name}", tag["commit"]) for name, tag in state.tags.items()],
    }
    if request.flag("include_prs"):
        heads = [(f"refs/pr/{talk['num']}", talk["head"]) for talk in state.discussions if talk.get("head")]
        answer["pullRequests"] = [_ref(ref, ref, head) for ref, head in heads]
    return json_answer(answer)


def commits(hub: Hub, request: Request, namespace: str, name: str, revision: str) -> Answer:
    """GET the history of a revision, newest first, in pages."""
    repository, state = hub.readable(request, namespace, name)
    history = list(repository.history(repository.resolve(revision, state)))
    number = request.text("p", "0")
    page = int(number) if number.isdigit() and len(number) < 9 else 0
    shown = history[page * COMMITS_PAGE : (page + 1) * COMMITS_PAGE]
    headers = {"X-Total-Count": str(len(history))}
    if (page + 1) * COMMITS_PAGE < len(history):
        headers["Link"] = f'<{hub.endpoint}{request.path}?p={page + 1}>; rel="next"'
    return json_answer([_commit_json(commit) for commit in shown], headers=headers)


def resolve(hub: Hub, request: Request, namespace: str, name: str, revision: str, path: str) -> Answer:
    """GET or HEAD the bytes of a file; GET knows one range."""
    repository, state = hub.readable(request, namespace, name)
    commit = repository.resolve(revision, state)
    entry = commit.files.get(path)
    if entry is None:
        raise _no_entry(path, commit)
    headers = {
        "ETag": f'"{entry.sha256 or entry.oid}"',
        "X-Repo-Commit": commit.id,
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        "X-Content-Type-Options": "nosniff",
    }
    if entry.sha256:
        headers |= {"X-Linked-Etag": f'"{entry.sha256}"', "X-Linked-Size": str(entry.size)}
    if request.method == "HEAD":
        return Answer(200, headers, length=entry.size)
    file = repository.objects.large(entry.sha256) if entry.sha256 else repository.objects.small(entry.oid)
    return _part(request.headers.get("Range"), FileSlice(file, 0, entry.size), headers)


def _part(asked: str | None, whole: FileSlice, headers: dict[str, str]) -> Answer:
    match = RANGE.fullmatch(asked or "")
    if match is None or not (match[1] or match[2]):
        return Answer(200, headers, whole)
    size = whole.length
    start = int(match[1]) if match[1] else max(0, size - int(match[2]))
    end = min(int(match[2]), size - 1) if match[1] and match[2] else size - 1
    if start > end:
        raise Refusal(416, "Requested Range Not Satisfiable", headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {start}-{end}/{size}"
    return Answer(206, headers, FileSlice(whole.path, start, end - start + 1))


def _card(repository: Repository, commit: Commit) -> dict[str, Any]:
    entry = commit.files.get("README.md")
    if entry is None or entry.sha256:
        return {}
    content = repository.objects.small(entry.oid).read_text(encoding="utf-8", errors="replace")
    # Dates and the like have no JSON of their own: the Hub shows them as text.
    return {str(key): _plain(value) for key, value in check_card(content)[2].items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _sibling(path: str, entry: Entry, with_blobs: bool) -> dict[str, Any]:
    if not with_blobs:
        return {"rfilename": path}
    item: dict[str, Any] = {"rfilename": path, "size": entry.size, "blobId": entry.oid}
    if entry.sha256:
        item["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": _pointer_size(entry)}
    return item


def _items(commit: Commit) -> list[dict[str, Any]]:
    """Files and folders of a commit, by path."""
    folders = [{"type": "directory", "oid": oid, "size": 0, "path": path} for path, oid in _folders(commit)]
    return sorted([*folders, *(_file_item(*item) for item in commit.files.items())], key=lambda item: item["path"])


def _folders(commit: Commit) -> Iterator[tuple[str, str]]:
    return ((path, oid) for path, oid in tree_oids(commit.files).items() if path)


def _file_item(path: str, entry: Entry) -> dict[str, Any]:
    item: dict[str, Any] = {"type": "file", "oid": entry.oid, "size": entry.size, "path": path, "commit": entry.commit}
    if entry.sha256:
        item["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": _pointer_size(entry)}
    return item


def _pointer_size(entry: Entry) -> int:
    return len(pointer(entry.sha256 or "", entry.size))


def _is_inside(item: dict[str, Any], folder: str, is_recursive: bool) -> bool:
    above, _, _ = item["path"].rpartition("/")
    return above == folder or (is_recursive and (not folder or above.startswith(f"{folder}/")))


def _with_commit(repository: Repository, item: dict[str, Any], expand: bool) -> dict[str, Any]:
    """``item`` for the wire, with the last commit of a file if asked."""
    shown = {key: value for key, value in item.items() if key != "commit"}
    if expand and "commit" in item:
        commit = repository.commit(item["commit"])
        shown["lastCommit"] = {"id": commit.id, "title": commit.title, "date": iso(commit.time)}
        shown["securityFileStatus"] = None
    return shown


def _ref(name: str, ref: str, commit: str) -> dict[str, str]:
    return {"name": name, "ref": ref, "targetCommit": commit}


def _commit_json(commit: Commit) -> dict[str, Any]:
    return {
        "id": commit.id,
        "title": commit.title,
        "message": commit.description,
        "authors": [{"user": commit.author}],
        "date": iso(commit.time),
    }


def _form(request: Request) -> dict[str, list[Any]]:
    """Paths as a form or as JSON: clients send either."""
    if "json" in (request.headers.get("Content-Type") or ""):
        return {key: value if isinstance(value, list) else [value] for key, value in request.json().items()}
    raw = request.body.read_all()
    return dict(parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=100_000))


def _no_entry(path: str, commit: Commit) -> Refusal:
    return Refusal(
        404, f"Entry not found: {ascii(path)[:200]}", code="EntryNotFound", headers={"X-Repo-Commit": commit.id}
    )
