"""What the Hub and its client say, as one line with a remedy. No token and no signed address gets into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from resources.errors import HubError
from resources.hub.connection import Interrupted

_TOKEN = re.compile(r"hf_[A-Za-z0-9]{8,}")
_ADDRESS = re.compile(r"(https?://[^\s?#'\"]{0,200})[?#][^\s'\"]*")
"""An address with a query: those of uploads are signed."""
_QUOTA = re.compile(r"\b(quota|storage limit|storage patterns|payment|upgrade your plan|billing)\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_MOST_TEXT = 240


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that failed. ``asked_s``: how long the Hub asks to wait."""

    error: HubError
    status: int | None = None
    asked_s: float | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether what was asked for may have been done all the same, or may be done by asking again."""
        return self.error.retryable


def explain(error: Exception, doing: str, repository: str, token: str | None) -> Failure:
    """The failure behind an error of the client.

    Args:
        error: What was raised; the client wraps some errors of uploads into others.
        doing: What was tried, as a clause ("main cannot be read").
        repository: ``ORG/NAME``.
        token: What must not be shown.
    """
    where = f"hub:{repository}"
    is_ours = isinstance(error, ValueError | TypeError | NotImplementedError | FileNotFoundError)
    is_said = is_ours and getattr(error, "response", None) is None  # the client read the answer, and says it better
    for found in () if is_said else _causes(error):
        if isinstance(found, Interrupted):
            said = clean(str(found), token)
            return Failure(_passing(found, doing, said, where), found.status, found.asked_s)
        status = getattr(getattr(found, "response", None), "status_code", None)
        if isinstance(status, int):
            return Failure(_refused(status, found, doing, clean(_said(found), token), repository), status)
    said = clean(str(error), token)
    if type(error).__name__ == "OfflineModeIsEnabled":
        return Failure(HubError(f"{doing}: HF_HUB_OFFLINE is set", where=where, fix="Unset it, and try again"))
    fix = (
        "Mend what the message names" if is_ours else "Check the network and try again: what arrived is not sent again"
    )
    return Failure(HubError(f"{doing}: {type(error).__name__}: {said}", where=where, fix=fix, retryable=not is_ours))


def clean(text: str, token: str | None) -> str:
    """Text of others on one line: bounded, without control characters, tokens and queries of addresses."""
    if token:
        text = text.replace(token, "***")
    text = _ADDRESS.sub(r"\1", _TOKEN.sub("***", text))
    return " ".join(_CONTROL.sub(" ", text).split())[:_MOST_TEXT]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _said(error: BaseException) -> str:
    """The Hub's own words: the client's text around them holds addresses and ids of requests."""
    response: Any = getattr(error, "response", None)
    return str(getattr(error, "server_message", None) or response.headers.get("X-Error-Message") or "")


def _passing(error: Interrupted, doing: str, said: str, where: str) -> HubError:
    if error.status == 429:
        wait = f" It asks to wait {error.asked_s:.0f} s." if error.asked_s else ""
        return HubError(
            f"{doing}: the Hub takes no more requests for now (429: {said})",
            where=where,
            fix=f"Try again later: what arrived is not sent again.{wait}",
            retryable=True,
        )
    code = f"status {error.status}: " if error.status else ""
    return HubError(
        f"{doing}: {code}{said}",
        where=where,
        fix="Check the network and run the same command again: it looks first at what is done",
        retryable=True,
    )


def _refused(status: int, error: BaseException, doing: str, said: str, repository: str) -> HubError:
    where = f"hub:{repository}"
    kind = type(error).__name__
    organisation = repository.partition("/")[0]
    told = f" ({said})" if said else ""
    if status in (402, 403, 413) and _QUOTA.search(said) or status == 402:
        fix = f"Free space of {organisation} or enlarge its quota; nothing of this commit is visible"
        return HubError(f"{doing}: the quota of {organisation} is used up{told}", where=where, fix=fix)
    if kind == "RevisionNotFoundError":
        return HubError(f"{doing}: there is no such revision", where=where, fix="Name main, a tag or a full commit")
    if kind == "GatedRepoError":
        fix = "Ask for access on its page, with the account of the token in HF_TOKEN"
        return HubError(f"{doing}: the repository is gated", where=where, fix=fix)
    if kind == "RepositoryNotFoundError" or status == 404 and "Entry" not in kind:
        fix = "Check the name; a private repository needs HF_TOKEN, with a token that may read it"
        return HubError(f"{doing}: the repository is not there, or not for this token", where=where, fix=fix)
    if status == 401:
        fix = f"Set HF_TOKEN to a valid token with write access to datasets of {organisation}"
        return HubError(f"{doing}: the Hub does not accept the token{told}", where=where, fix=fix)
    if status == 403:
        fix = f"Set HF_TOKEN to a token whose scope has write access to datasets of {organisation}"
        return HubError(f"{doing}: the token may not do this{told}", where=where, fix=fix)
    if status == 412:
        fix = "Run the same command again: it plans anew"
        return HubError(f"{doing}: the branch has moved{told}", where=where, fix=fix, retryable=True)
    return HubError(f"{doing}: the Hub answered {status}{told}", where=where, fix="Mend what the answer names")
