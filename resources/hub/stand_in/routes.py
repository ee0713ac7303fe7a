"""The table of routes: which method and path is which call, and who answers it. Names are those that faults use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from resources.hub.stand_in import discussions, large_files, reading, repositories, writing
from resources.hub.stand_in.messages import Answer

Handler = Callable[..., Answer]
UNKNOWN = "unknown"
"""The name of every call that no route answers."""


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. ``{x}`` in the path is one quoted part, ``{x+}`` the rest."""

    name: str
    methods: str
    path: str
    handler: Handler


API = "/api/datasets/{namespace}/{name}"
GIT = "/datasets/{namespace}/{name}.git/info/lfs/objects"
ROUTES = (
    Route("whoami", "GET", "/api/whoami-v2", repositories.whoami),
    Route("create", "POST", "/api/repos/create", repositories.create),
    Route("delete", "DELETE", "/api/repos/delete", repositories.delete),
    Route("validate-yaml", "POST", "/api/validate-yaml", repositories.validate_yaml),
    Route("settings", "PUT", f"{API}/settings", repositories.settings),
    Route("info", "GET", API, reading.info),
    Route("revision", "GET", f"{API}/revision/{{revision}}", reading.info),
    Route("tree", "GET", f"{API}/tree/{{revision}}", reading.tree),
    Route("tree", "GET", f"{API}/tree/{{revision}}/{{path+}}", reading.tree),
    Route("refs", "GET", f"{API}/refs", reading.refs),
    Route("commits", "GET", f"{API}/commits/{{revision}}", reading.commits),
    Route("paths-info", "POST", f"{API}/paths-info/{{revision}}", reading.paths_info),
    Route("preupload", "POST", f"{API}/preupload/{{revision}}", writing.preupload),
    Route("commit", "POST", f"{API}/commit/{{revision}}", writing.commit),
    Route("tag", "POST", f"{API}/tag/{{revision}}", writing.create_tag),
    Route("delete-tag", "DELETE", f"{API}/tag/{{tag}}", writing.delete_tag),
    Route("branch", "POST", f"{API}/branch/{{branch}}", writing.create_branch),
    Route("delete-branch", "DELETE", f"{API}/branch/{{branch}}", writing.delete_branch),
    Route("discussions", "GET", f"{API}/discussions", discussions.overview),
    Route("discuss", "POST", f"{API}/discussions", discussions.create),
    Route("discussion", "GET", f"{API}/discussions/{{number}}", discussions.details),
    Route("discussion-status", "POST", f"{API}/discussions/{{number}}/status", discussions.change_status),
    Route("merge", "POST", f"{API}/discussions/{{number}}/merge", discussions.merge),
    Route("lfs-batch", "POST", f"{GIT}/batch", large_files.batch),
    Route("lfs-verify", "POST", f"{GIT}/verify", large_files.verify),
    Route("lfs-upload", "PUT", "/lfs/{namespace}/{name}/{sha256}", large_files.upload),
    Route("resolve", "GET HEAD", "/datasets/{namespace}/{name}/resolve/{revision}/{path+}", reading.resolve),
)


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\+?\})", path)
    known = {
        part: f"(?P<{part[1:-2]}>.+)" if part.endswith("+}") else f"(?P<{part[1:-1]}>[^/]+?)" for part in parts[1::2]
    }
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts))


PATTERNS = tuple((route, _pattern(route.path)) for route in ROUTES)


def find_route(method: str, path: str) -> tuple[Route | None, Mapping[str, str]]:
    """The route of a call and the unquoted parts of its path."""
    for route, pattern in PATTERNS:
        if method in route.methods.split() and (match := pattern.fullmatch(path)):
            return route, {name: unquote(part, errors="strict") for name, part in match.groupdict().items()}
    return None, {}
