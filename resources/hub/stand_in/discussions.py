"""Routes of pull requests and discussions: open, list, look, change the status, merge.

Comments are not kept. A pull request that a commit opened is open; one that was opened empty is a draft until somebody
says otherwise, as on the Hub.
"""

from __future__ import annotations

from typing import Any

from resources.hub.stand_in.git import Entry
from resources.hub.stand_in.hub import Hub, iso
from resources.hub.stand_in.messages import Answer, Refusal, Request, json_answer
from resources.hub.stand_in.storage import Commit, Repository, State, unknown_revision
from resources.hub.stand_in.strictness import check_no_file_is_a_folder

PAGE = 20
Talk = dict[str, Any]
"""A discussion in the state: num, title, author, created, status, events; pull requests have head, base."""


def open_pull_request(state: State, commit: Commit, base: Commit, author: str) -> int:
    """Note a pull request that a commit opens; its number."""
    talk = _new(state, commit.title, commit.description, author, float(commit.time))
    talk.update(status="open", head=commit.id, base=base.id)
    return talk["num"]


def push(state: State, revision: str, commit: Commit) -> None:
    """A commit onto ``refs/pr/N``."""
    talk = _find(state, revision.removeprefix("refs/pr/"))
    if talk["status"] not in ("open", "draft"):
        raise Refusal(400, "The pull request is closed")
    talk["head"] = commit.id


def create(hub: Hub, request: Request, namespace: str, name: str) -> Answer:
    """POST discussions: a discussion, or an empty pull request."""
    repository, account = hub.proposable(request, namespace, name)
    asked = request.json()
    title = asked.get("title")
    if not isinstance(title, str) or not title.strip():
        raise Refusal(400, "A discussion needs a title")
    with repository.change() as state:
        talk = _new(state, title.strip(), str(asked.get("description") or ""), account.name, hub.clock())
        if asked.get("pullRequest"):
            talk.update(status="draft", head=state.branches["main"], base=state.branches["main"])
    return json_answer({"num": talk["num"], "url": f"{hub.url(repository.name)}/discussions/{talk['num']}"})


def overview(hub: Hub, request: Request, namespace: str, name: str) -> Answer:
    """GET discussions, newest first, in pages."""
    repository, state = hub.readable(request, namespace, name)
    number = request.text("p", "0")
    start = PAGE * (int(number) if number.isdigit() and len(number) < 9 else 0)
    found = [talk for talk in reversed(state.discussions) if _is_asked(talk, request)]
    shown = [_head(repository, talk) for talk in found[start : start + PAGE]]
    return json_answer({"count": len(found), "start": start, "discussions": shown})


def details(hub: Hub, request: Request, namespace: str, name: str, number: str) -> Answer:
    """GET one discussion."""
    repository, state = hub.readable(request, namespace, name)
    talk = _find(state, number)
    answer = {**_head(repository, talk), "events": talk["events"]}
    if "head" in talk:
        main, base, head = (repository.commit(id) for id in (state.branches["main"], talk["base"], talk["head"]))
        is_waiting = talk["status"] in ("open", "draft")
        answer["filesWithConflicts"] = _conflicts(base, main, head) if is_waiting else []
        answer["changes"] = {"base": "refs/heads/main", "mergeCommitId": talk.get("merged")}
        answer["diff"] = ""
    return json_answer(answer)


def change_status(hub: Hub, request: Request, namespace: str, name: str, number: str) -> Answer:
    """POST status: open or closed."""
    repository, account = hub.writable(request, namespace, name)
    status = request.json().get("status")
    if status not in ("open", "closed"):
        raise Refusal(400, "status must be 'open' or 'closed'")
    with repository.change() as state:
        talk = _find(state, number)
        if talk["status"] == "merged":
            raise Refusal(400, "The pull request is merged")
        talk["status"] = status
        event = _event(talk, "status-change", account.name, hub.clock(), {"status": status})
    return json_answer({"newStatus": event})


def merge(hub: Hub, request: Request, namespace: str, name: str, number: str) -> Answer:
    """POST merge: what the pull request changed, onto main as it is now. 409 if both changed the same file."""
    repository, account = hub.writable(request, namespace, name)
    with repository.change() as state:
        talk = _find(state, number)
        if talk["status"] != "open" or "head" not in talk:
            raise Refusal(400, f"Only an open pull request can be merged; this one is {talk['status']}")
        main, base, head = (repository.commit(id) for id in (state.branches["main"], talk["base"], talk["head"]))
        if conflicts := _conflicts(base, main, head):
            raise Refusal(409, f"Merge conflict in {len(conflicts)} files: {ascii(conflicts[0])}")
        hub.count_commit(state)
        new = repository.write_commit(
            _merged(base, main, head),
            parents=[main.id, head.id],
            author=account.name,
            time=int(hub.clock()),
            title=f"{talk['title']} (#{talk['num']})",
        )
        state.branches["main"] = new.id
        talk.update(status="merged", merged=new.id)
        _event(talk, "status-change", account.name, hub.clock(), {"status": "merged"})
    return json_answer({"success": True, "commitOid": new.id})


def _changes(base: Commit, head: Commit) -> dict[str, Entry | None]:
    """Path -> what stands there afterwards, for every file that differs."""
    paths = base.files.keys() | head.files.keys()
    oids = {
        path: tuple(files[path].oid if path in files else None for files in (base.files, head.files)) for path in paths
    }
    return {path: head.files.get(path) for path, (old, new) in oids.items() if old != new}


def _conflicts(base: Commit, main: Commit, head: Commit) -> list[str]:
    ours, theirs = _changes(base, main), _changes(base, head)
    both = ours.keys() & theirs.keys()
    return sorted(path for path in both if _oid(ours[path]) != _oid(theirs[path]))


def _merged(base: Commit, main: Commit, head: Commit) -> dict[str, Entry]:
    files = dict(main.files)
    for path, entry in _changes(base, head).items():
        if entry is None:
            files.pop(path, None)
        else:
            files[path] = entry
    check_no_file_is_a_folder(set(files))
    return files


def _oid(entry: Entry | None) -> str | None:
    return entry.oid if entry else None


def _new(state: State, title: str, description: str, author: str, time: float) -> Talk:
    talk: Talk = {"num": len(state.discussions) + 1, "title": title, "author": author, "created": time}
    talk.update(status="open", events=[])
    state.discussions.append(talk)
    content = {"edited": False, "hidden": False, "latest": {"raw": description}}
    _event(talk, "comment", author, time, content)
    return talk


def _event(talk: Talk, kind: str, author: str, time: float, data: dict[str, Any]) -> dict[str, Any]:
    event = {
        "id": f"{talk['num']}-{len(talk['events'])}",
        "type": kind,
        "createdAt": iso(time),
        "author": {"name": author},
        "data": data,
    }
    talk["events"].append(event)
    return event


def _find(state: State, number: str) -> Talk:
    index = int(number) - 1 if number.isascii() and number.isdigit() and len(number) < 9 else -1
    if not 0 <= index < len(state.discussions):
        raise unknown_revision(f"refs/pr/{number}")
    return state.discussions[index]


def _head(repository: Repository, talk: Talk) -> dict[str, Any]:
    return {
        "num": talk["num"],
        "title": talk["title"],
        "author": {"name": talk["author"]},
        "createdAt": iso(talk["created"]),
        "status": talk["status"],
        "isPullRequest": "head" in talk,
        "repo": {"name": repository.name, "type": "dataset"},
    }


def _is_asked(talk: Talk, request: Request) -> bool:
    kind, status, author = (request.text(name) for name in ("type", "status", "author"))
    is_kind = kind in ("", "all") or (kind == "pull_request") == ("head" in talk)
    is_status = status in ("", "all") or (status == "open") == (talk["status"] in ("open", "draft"))
    return is_kind and is_status and author in ("", talk["author"])
