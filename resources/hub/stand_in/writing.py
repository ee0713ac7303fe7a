"""Routes that write history: how to send a file, commits, tags and branches.

A commit becomes visible with one rename (:mod:`resources.hub.stand_in.storage`), under a lock: of two commits on the
same parent exactly one wins.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
from typing import Any

from resources.hub.stand_in import discussions
from resources.hub.stand_in.git import Entry
from resources.hub.stand_in.hub import Hub
from resources.hub.stand_in.messages import Answer, Refusal, Request, json_answer
from resources.hub.stand_in.operations import Delete, Header, Put, apply, read_operations
from resources.hub.stand_in.storage import Commit, Repository, State, unknown_revision
from resources.hub.stand_in.strictness import check_path, check_ref, is_binary

MOVED = "A commit has happened since. Please refresh and try again."


def preupload(hub: Hub, request: Request, namespace: str, name: str, revision: str) -> Answer:
    """POST preupload: for each file whether it is a large object, and what the revision has in its place."""
    may = hub.proposable if request.flag("create_pr") else hub.writable
    repository, _ = may(request, namespace, name)
    commit = repository.resolve(revision)
    patterns = _large_patterns(repository, commit)
    files = request.json().get("files")
    if not isinstance(files, list):
        raise Refusal(400, "Bad Request: files is not a list")
    return json_answer({"files": [_mode(hub, commit, patterns, item) for item in files]})


def _mode(hub: Hub, commit: Commit, patterns: list[str], item: Any) -> dict[str, Any]:
    if not isinstance(item, dict) or not isinstance(item.get("size"), int):
        raise Refusal(400, "Bad Request: a file needs path, size and sample")
    path = check_path(item.get("path"))
    try:
        sample = base64.b64decode(str(item.get("sample", "")), validate=True)
    except binascii.Error:
        raise Refusal(400, "Bad Request: a sample is not base64") from None
    is_large = item["size"] > hub.limits.regular_bytes or is_binary(sample) or _matches(path, patterns)
    entry = commit.files.get(path)
    oid = (entry.sha256 or entry.oid) if entry else None
    return {"path": path, "uploadMode": "lfs" if is_large else "regular", "shouldIgnore": False, "oid": oid}


def _large_patterns(repository: Repository, commit: Commit) -> list[str]:
    entry = commit.files.get(".gitattributes")
    if entry is None or entry.sha256:
        return []
    text = repository.objects.small(entry.oid).read_text(encoding="utf-8", errors="replace")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return [words[0] for words in lines if "filter=lfs" in words[1:]]


def _matches(path: str, patterns: list[str]) -> bool:
    base = path.rpartition("/")[2]
    return any(fnmatch.fnmatchcase(path if "/" in pattern else base, pattern.lstrip("/")) for pattern in patterns)


def commit(hub: Hub, request: Request, namespace: str, name: str, revision: str) -> Answer:
    """POST commit, on a branch or an open pull request, or as a new pull request."""
    is_proposal = request.flag("create_pr")
    repository, account = (hub.proposable if is_proposal else hub.writable)(request, namespace, name)
    header, operations = read_operations(request.body, repository.objects, hub.limits)
    with repository.change() as state:
        parent = _parent(repository, state, revision, header, is_proposal)
        hub.count_commit(state)
        new = _write(hub, repository, parent, account.name, header, operations)
        number = discussions.open_pull_request(state, new, parent, account.name) if is_proposal else None
        if number is None:
            _move(state, revision, new)
    url = hub.url(repository.name)
    answer: dict[str, Any] = {"success": True, "commitOid": new.id, "commitUrl": f"{url}/commit/{new.id}"}
    if number is not None:
        answer["pullRequestUrl"] = f"{url}/discussions/{number}"
    return json_answer(answer)


def _parent(repository: Repository, state: State, revision: str, header: Header, is_proposal: bool) -> Commit:
    branch = revision.removeprefix("refs/heads/")
    if branch not in state.branches and not revision.startswith("refs/pr/"):
        raise unknown_revision(revision)
    head = repository.resolve(revision, state)
    if header.parent is None or head.id.startswith(header.parent):
        return head
    if is_proposal:
        for older in repository.history(head):
            if older.id.startswith(header.parent):
                return older
    raise Refusal(412, MOVED)


def _write(
    hub: Hub, repository: Repository, parent: Commit, author: str, header: Header, operations: list[Put | Delete]
) -> Commit:
    files: dict[str, Entry] = apply(parent.files, operations, repository.objects)
    return repository.write_commit(
        files,
        parents=[parent.id],
        author=author,
        time=int(hub.clock()),
        title=header.title,
        description=header.description,
    )


def _move(state: State, revision: str, new: Commit) -> None:
    if revision.startswith("refs/pr/"):
        discussions.push(state, revision, new)
    else:
        state.branches[revision.removeprefix("refs/heads/")] = new.id


def create_tag(hub: Hub, request: Request, namespace: str, name: str, revision: str) -> Answer:
    """POST tag. 409 if it is there, whatever it names: a tag never moves."""
    repository, _ = hub.writable(request, namespace, name)
    asked = request.json()
    tag = check_ref(asked.get("tag"), "tag")
    with repository.change() as state:
        if tag in state.tags or tag in state.branches:
            raise Refusal(409, f"Reference already exists: {tag}")
        state.tags[tag] = {"commit": repository.resolve(revision, state).id, "message": str(asked.get("message") or "")}
    return json_answer({"success": True})


def delete_tag(hub: Hub, request: Request, namespace: str, name: str, tag: str) -> Answer:
    """DELETE tag."""
    repository, _ = hub.writable(request, namespace, name)
    with repository.change() as state:
        if state.tags.pop(tag, None) is None:
            raise unknown_revision(tag)
    return json_answer({"success": True})


def create_branch(hub: Hub, request: Request, namespace: str, name: str, branch: str) -> Answer:
    """POST branch, from a starting point or main."""
    repository, _ = hub.writable(request, namespace, name)
    start = request.json().get("startingPoint") or "main"
    check_ref(branch, "branch")
    with repository.change() as state:
        if branch in state.branches or branch in state.tags:
            raise Refusal(409, f"Reference already exists: {branch}")
        state.branches[branch] = repository.resolve(str(start), state).id
    return json_answer({"success": True})


def delete_branch(hub: Hub, request: Request, namespace: str, name: str, branch: str) -> Answer:
    """DELETE branch; main stays."""
    repository, _ = hub.writable(request, namespace, name)
    with repository.change() as state:
        if branch == "main":
            raise Refusal(403, "The branch main cannot be deleted")
        if state.branches.pop(branch, None) is None:
            raise unknown_revision(branch)
    return json_answer({"success": True})
