"""Routes of large objects (git LFS): which are needed, their upload by a signed address, and the check afterwards.

Only the transfer ``basic`` is offered: one PUT for each object.
"""

from __future__ import annotations

import hmac
from typing import Any

from resources.hub.stand_in.hub import Hub
from resources.hub.stand_in.messages import Answer, Refusal, Request, json_answer
from resources.hub.stand_in.objects import SHA256
from resources.hub.stand_in.storage import Repository, absent

MAX_OBJECTS = 1000
"""Objects of one question."""
LFS_JSON = {"Content-Type": "application/vnd.git-lfs+json"}


def batch(hub: Hub, request: Request, namespace: str, name: str) -> Answer:
    """POST objects/batch: an address for each object that is not here yet."""
    repository, _ = hub.proposable(request, namespace, name)
    asked = request.json()
    if asked.get("operation") != "upload" or asked.get("hash_algo", "sha256") != "sha256":
        raise Refusal(422, "The stand-in takes the operation 'upload' with SHA-256 only")
    if "basic" not in asked.get("transfers", ["basic"]):
        raise Refusal(422, "The stand-in has the transfer 'basic' only; set HF_HUB_DISABLE_XET=1")
    objects = asked.get("objects")
    if not isinstance(objects, list) or len(objects) > MAX_OBJECTS:
        raise Refusal(422, f"objects must be a list of at most {MAX_OBJECTS}")
    answers = [_action(hub, repository, item) for item in objects]
    return json_answer({"transfer": "basic", "objects": answers}, headers=LFS_JSON)


def upload(hub: Hub, request: Request, namespace: str, name: str, sha256: str) -> Answer:
    """PUT one object. The address is signed for this object and size: no token is asked for."""
    size = request.text("size")
    if not (size.isascii() and size.isdigit() and len(size) < 16):
        raise Refusal(403, "Invalid signature")
    signature = hub.signature(f"{namespace}/{name}", sha256, int(size))
    if not hmac.compare_digest(signature.encode(), request.text("signature").encode()):
        raise Refusal(403, "Invalid signature")
    repository = hub.storage.find(namespace, name)
    if repository is None:
        raise absent()
    repository.objects.put_large(sha256, int(size), request.body)
    return Answer(200, {"ETag": f'"{sha256}"'})


def verify(hub: Hub, request: Request, namespace: str, name: str) -> Answer:
    """POST objects/verify: whether an upload arrived whole."""
    repository, _ = hub.proposable(request, namespace, name)
    sha256, size = _object(request.json())
    if repository.objects.large_size(sha256) != size:
        raise Refusal(404, "The object was not uploaded, or has another size")
    return json_answer({"message": "ok"}, headers=LFS_JSON)


def _action(hub: Hub, repository: Repository, item: Any) -> dict[str, Any]:
    sha256, size = _object(item)
    answer: dict[str, Any] = {"oid": sha256, "size": size}
    present = repository.objects.large_size(sha256)
    if present is not None and present != size:
        return {**answer, "error": {"code": 422, "message": "The object is here with another size"}}
    if present is None:
        query = f"size={size}&signature={hub.signature(repository.name, sha256, size)}"
        answer["authenticated"] = True
        answer["actions"] = {
            "upload": {"href": f"{hub.endpoint}/lfs/{repository.name}/{sha256}?{query}"},
            "verify": {"href": f"{hub.url(repository.name)}.git/info/lfs/objects/verify"},
        }
    return answer


def _object(item: Any) -> tuple[str, int]:
    sha256, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise Refusal(422, "An object needs its SHA-256 as oid")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise Refusal(422, "An object needs its size")
    return sha256, size
