"""Routes of repositories as a whole: who am I, create, delete, settings, and the check of a card."""

from __future__ import annotations

from typing import Any

from resources.hub.stand_in import access
from resources.hub.stand_in.cards import check_card
from resources.hub.stand_in.hub import Hub
from resources.hub.stand_in.messages import Answer, Refusal, Request, json_answer
from resources.hub.stand_in.storage import State
from resources.hub.stand_in.strictness import check_name

ATTRIBUTES = "".join(
    f"*.{ending} filter=lfs diff=lfs merge=lfs -text\n"
    for ending in (
        *("7z", "arrow", "avro", "bin", "bz2", "ckpt", "ftz", "gz", "h5", "joblib", "lz4", "mds", "mlmodel", "model"),
        *("msgpack", "npy", "npz", "onnx", "ot", "parquet", "pb", "pickle", "pkl", "pt", "pth", "rar", "safetensors"),
        *("tar", "tflite", "tgz", "wasm", "xz", "zip", "zst", "pcm", "sam", "raw", "aac", "flac", "mp3", "ogg", "wav"),
        *("bmp", "gif", "png", "tiff", "jpg", "jpeg", "webp", "mp4", "webm"),
    )
)
""".gitattributes of a new dataset repository: these files are large objects, whatever their size."""


def whoami(hub: Hub, request: Request) -> Answer:
    """GET whoami-v2."""
    account = hub.account(request)
    if account is None:
        raise Refusal(401, "Invalid username or password.")
    role = "write" if account.may_write else "read"
    orgs = [{"type": "org", "name": org, "roleInOrg": role} for org in sorted(account.namespaces - {"*"})]
    token = {"displayName": "stand-in", "role": role}
    return json_answer(
        {
            "type": "user",
            "id": account.name,
            "name": account.name,
            "fullname": account.name,
            "orgs": orgs,
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


def create(hub: Hub, request: Request) -> Answer:
    """POST repos/create. 409 with the address if it is there."""
    asked = request.json()
    account, namespace, name = _named(hub, request, asked)
    now = hub.clock()
    state = State(private=_is_private(asked), author=account.name, created=now, modified=now)
    url = hub.url(f"{namespace}/{name}")
    answer = {"url": url, "name": f"{namespace}/{name}", "id": f"{namespace}/{name}"}
    try:
        hub.storage.create(namespace, name, state, {".gitattributes": ATTRIBUTES.encode()})
    except Refusal as refusal:
        if refusal.status != 409:
            raise
        return json_answer({"error": refusal.message, **answer}, 409, headers={"X-Error-Message": refusal.message})
    return json_answer(answer)


def delete(hub: Hub, request: Request) -> Answer:
    """DELETE repos/delete."""
    _, namespace, name = _named(hub, request, request.json())
    repository, _ = hub.readable(request, namespace, name)
    hub.storage.delete(repository)
    return json_answer({"success": True})


def settings(hub: Hub, request: Request, namespace: str, name: str) -> Answer:
    """PUT settings: only who may read it."""
    repository, _ = hub.writable(request, namespace, name)
    asked = request.json()
    unknown = set(asked) - {"private", "visibility"}
    if unknown or not asked:
        raise Refusal(400, f"The stand-in keeps only the visibility of a repository, not {sorted(unknown)!r}")
    with repository.change() as state:
        state.private = _is_private(asked)
        return json_answer({"private": state.private})


def validate_yaml(hub: Hub, request: Request) -> Answer:
    """POST validate-yaml: the same check that a commit makes."""
    content = request.json().get("content")
    if not isinstance(content, str):
        raise Refusal(400, "Bad Request: content is not a string")
    errors, warnings, _ = check_card(content)
    answer = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return json_answer(answer, 400 if errors else 200)


def _named(hub: Hub, request: Request, asked: dict[str, Any]) -> tuple[access.Account, str, str]:
    account = hub.account(request)
    if account is None:
        raise Refusal(401, "Invalid username or password.")
    if asked.get("type", "model") != "dataset":
        raise Refusal(400, "The stand-in has dataset repositories only")
    namespace = check_name(asked.get("organization") or account.name)
    name = check_name(asked.get("name", ""))
    return access.require_writer(account, namespace), namespace, name


def _is_private(asked: dict[str, Any]) -> bool:
    if "visibility" in asked:
        if asked["visibility"] not in ("private", "public"):
            raise Refusal(400, "visibility must be 'private' or 'public'")
        return asked["visibility"] == "private"
    private = asked.get("private", False)
    if not isinstance(private, bool):
        raise Refusal(400, "private must be true or false")
    return private
