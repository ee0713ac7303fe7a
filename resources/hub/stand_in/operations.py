"""The body of a commit: one JSON object a line, read as it arrives, and what it makes of the files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resources.hub.stand_in.cards import check_card
from resources.hub.stand_in.git import Entry, blob_oid, pointer
from resources.hub.stand_in.messages import Body, Refusal, json_object
from resources.hub.stand_in.objects import Objects
from resources.hub.stand_in.strictness import Limits, check_no_file_is_a_folder, check_path, check_regular

LINE_ROOM = 64 * 1024
"""Bytes of a line beside the content of its file."""
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class Header:
    """What a commit says of itself. ``parent`` may be the beginning of a commit's name."""

    title: str
    description: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class Put:
    """A file, with contents that are on disk already."""

    path: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class Delete:
    """A file or a folder that goes."""

    path: str
    is_folder: bool


def read_operations(body: Body, objects: Objects, limits: Limits) -> tuple[Header, list[Put | Delete]]:
    """Header and operations. Contents of small files are written to ``objects``. Raises Refusal 400, 404 or 413."""
    header: Header | None = None
    operations: list[Put | Delete] = []
    for line in _lines(body, 2 * limits.regular_bytes + LINE_ROOM):
        item = json_object(line)
        key, value = item.get("key"), item.get("value")
        if not isinstance(value, dict):
            raise Refusal(400, "Bad Request: a line of a commit needs 'key' and 'value'")
        if (key == "header") != (header is None):
            raise Refusal(400, "Bad Request: the header is the first line of a commit, and only that")
        if key == "header":
            header = _header(value)
        else:
            operations.append(_operation(key, value, objects, limits))
    if header is None:
        raise Refusal(400, "Bad Request: the commit is empty")
    return header, operations


def apply(files: Mapping[str, Entry], operations: list[Put | Delete], objects: Objects) -> dict[str, Entry]:
    """The files after the operations, in their order. Raises Refusal 400 or 404."""
    result = dict(files)
    for operation in operations:
        if isinstance(operation, Put):
            old = result.get(operation.path)
            result[operation.path] = old if old and operation.entry.is_same(old) else operation.entry
        else:
            _delete(result, operation)
    check_no_file_is_a_folder(set(result))
    card = result.get(CARD)
    if card and not card.sha256 and not card.is_same(files.get(CARD)):
        _check_card(objects, card)
    return result


def _check_card(objects: Objects, card: Entry) -> None:
    try:
        errors, _, _ = check_card(objects.small(card.oid).read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        errors = ["it is not UTF-8"]
    if errors:
        raise Refusal(400, f"Invalid metadata in README.md: {'; '.join(errors)}")


def _delete(files: dict[str, Entry], operation: Delete) -> None:
    if operation.is_folder:
        gone = [path for path in files if path.startswith(f"{operation.path}/")]
    else:
        gone = [operation.path] if operation.path in files else []
    if not gone:
        what = "folder" if operation.is_folder else "file"
        raise Refusal(
            404, f"A {what} with this name doesn't exist: {ascii(operation.path)[:200]}", code="EntryNotFound"
        )
    for path in gone:
        del files[path]


def _header(value: dict[str, Any]) -> Header:
    title, description, parent = value.get("summary"), value.get("description", ""), value.get("parentCommit")
    if not isinstance(title, str) or not title.strip() or not isinstance(description, str):
        raise Refusal(400, "Bad Request: a commit needs a summary")
    if parent is not None and not (isinstance(parent, str) and 5 <= len(parent) <= 40):
        raise Refusal(400, "Bad Request: parentCommit is not the name of a commit")
    return Header(title, description, parent.lower() if parent else None)


def _operation(key: Any, value: dict[str, Any], objects: Objects, limits: Limits) -> Put | Delete:
    path = value.get("path")
    if key == "deletedFolder":
        return Delete(check_path(path.rstrip("/") if isinstance(path, str) else path), True)
    if key == "deletedFile":
        return Delete(check_path(path), False)
    if key == "file":
        return _small_file(check_path(path), value, objects, limits)
    if key == "lfsFile":
        return _large_file(check_path(path), value, objects)
    raise Refusal(400, f"Bad Request: no operation {ascii(key)[:40]}")


def _small_file(path: str, value: dict[str, Any], objects: Objects, limits: Limits) -> Put:
    text, encoding = value.get("content"), value.get("encoding", "utf-8")
    if not isinstance(text, str) or encoding not in ("utf-8", "base64"):
        raise Refusal(400, f"Bad Request: the content of {ascii(path)} cannot be read")
    try:
        content = base64.b64decode(text, validate=True) if encoding == "base64" else text.encode()
    except (binascii.Error, UnicodeEncodeError):
        raise Refusal(400, f"Bad Request: the content of {ascii(path)} is not {encoding}") from None
    check_regular(path, content, limits)
    oid = blob_oid(content)
    objects.put_small(oid, content)
    return Put(path, Entry(oid, len(content), None, ""))


def _large_file(path: str, value: dict[str, Any], objects: Objects) -> Put:
    sha256, size = value.get("oid"), value.get("size")
    if not isinstance(sha256, str) or value.get("algo", "sha256") != "sha256":
        raise Refusal(400, f"Bad Request: {ascii(path)} needs its SHA-256 as oid")
    present = objects.large_size(sha256)
    if present is None:
        raise Refusal(
            400, f"Your push was rejected because an LFS pointer points to a file that does not exist: {ascii(path)}"
        )
    if size is not None and size != present:
        raise Refusal(400, f"The LFS object of {ascii(path)} has another size")
    return Put(path, Entry(blob_oid(pointer(sha256, present)), present, sha256, ""))


def _lines(body: Body, limit: int) -> Iterator[bytes]:
    rest = b""
    while piece := body.read():
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line for line in lines if line.strip())
        if len(rest) > limit:
            raise Refusal(413, f"Payload Too Large: a line of a commit has more than {limit} bytes")
    if rest.strip():
        yield rest
