"""What publishing adds to a card: number, digest, changes, and what the published card has of its author.

The card of the release folder follows from data alone. The published one is that card and: a block ``mathloom`` in its
YAML (the only thing in a repository that programs of ours read), the repository's name, the newest changes, YAML keys
of others (``viewer``, ``extra_gated_prompt``) and the author's own words from the card that was published before.
The published card is text from the network: its size, its nesting and its aliases are bounded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from assets.release.changelog import newest
from assets.release.numbering import Number
from assets.release.regions import CHANGELOG, OWN_WORDS, find_region, read_region, region, unmarked
from resources.errors import ReleaseError
from resources.identity import hash_json

STAMP = "mathloom"
"""The YAML key of ours."""

BESIDE = frozenset({"README.md", "CHANGELOG.md", ".gitattributes"})
"""Files of a repository that are no part of a release's digest."""

NEWEST = 5
"""Entries of the changelog that the card shows."""

MAX_CARD = 20_000_000
MAX_HEAD = 500_000
MAX_OWN_WORDS = 200_000
"""Bounds of a published card, in characters: the whole, its YAML, the author's own words."""

_MAX_DEPTH = 30
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast where PyYAML has it
_LONG_NUMBER = re.compile(r"[-+\w:.]{200,}", re.ASCII)
"""A plain word that YAML could take for a number which takes minutes to read, or which Python does not write."""

_HEAD = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_PYTHON = re.compile(r"^```python\n.*?^```$", re.DOTALL | re.MULTILINE)
_LOADED = re.compile(r"^((?:data|origin|matches) = load_dataset\()'[^'\n]*'", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a published card says of its release. ``digest`` and ``card`` are hex SHA-256."""

    version: Number
    digest: str
    """Of all files but those of :data:`BESIDE`: :func:`release_digest`."""
    card: str
    """Of the card before it was decorated."""
    reverts: Number | None = None
    restores: Number | None = None


def release_digest(files: Mapping[str, str]) -> str:
    """One hash of a release: of path -> SHA-256 of all its files but the card."""
    return hash_json([[path, digest] for path, digest in sorted(files.items()) if path not in BESIDE])


def decorate(
    card: str,
    *,
    repository: str,
    number: Number,
    digest: str,
    changelog: str,
    previous: str | None,
    reverts: Number | None = None,
    restores: Number | None = None,
) -> str:
    """The card to publish. Decorating twice with the same arguments is decorating once.

    Args:
        card: README.md of the release folder, or one that was published (a revert).
        repository: ``ORG/NAME`` for the lines that load it; a folder stays the placeholder.
        number: Of this release.
        digest: Of its files.
        changelog: CHANGELOG.md with the entry of this release.
        previous: The card of the branch that is published to; None if there is none.
        reverts: The release that this one takes back.
        restores: The release whose content this one has.

    Raises:
        ReleaseError: ``card`` or ``previous`` is too large, has YAML that cannot be read, or has broken markers.
    """
    head, body = _split(_text(card, "the card"), "README.md of the release")
    known = _stamp(head, "README.md of the release")
    stamp = Stamp(number, digest, known.card if known else card_hash(card), reverts, restores)
    own = read_region(body, OWN_WORDS, "README.md of the release")
    if previous is not None:
        where = f"README.md of {repository}" if _NAME.fullmatch(repository) else "README.md of the repository"
        before, text = _split(_text(previous, "the published card"), where)
        head |= {key: value for key, value in before.items() if key not in head}
        own = _own_words(text, where) or own
    head.pop(STAMP, None)
    body = _with_name(body, repository)
    body = _with_region(body, CHANGELOG, _changes(stamp, changelog), title="## Changelog")
    body = _with_region(body, OWN_WORDS, own or "", title="")
    written = yaml.safe_dump(head | {STAMP: _block(stamp)}, sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{written}---\n{body}"


def read_stamp(card: str) -> Stamp | None:
    """What a published card says of its release; None if it is no card of ours.

    Raises:
        ReleaseError: Its YAML, or our block in it, cannot be read.
    """
    head, _ = _split(_text(card, "the published card"), "README.md of the repository")
    return _stamp(head, "README.md of the repository")


def card_hash(card: str) -> str:
    """What a stamp says of the card before it was decorated."""
    return hashlib.sha256(card.encode("utf-8", "surrogatepass")).hexdigest()


# -- YAML ------------------------------------------------------------------------------------------------------------


def _text(card: str, what: str) -> str:
    if len(card) > MAX_CARD:
        raise ReleaseError(
            f"{what} has {len(card):,} characters, and no more than {MAX_CARD:,} are read",
            where="README.md",
            fix="Shorten README.md in the repository",
        )
    return card.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _split(text: str, where: str) -> tuple[dict[str, Any], str]:
    """The YAML of a card and the text after it; no YAML is an empty mapping."""
    if not text.startswith("---"):
        return {}, text
    # A head that is not closed within its bound is not searched for in the whole text.
    found = _HEAD.match(text, 0, min(len(text), MAX_HEAD + 8))
    if found is None:
        return _open_head(text, where)
    return _head(found[1], where), text[found.end() :]


def _open_head(text: str, where: str) -> tuple[dict[str, Any], str]:
    if not re.match(r"---[ \t]*\n", text):
        return {}, text  # a line of dashes, and no head
    what = f"the YAML at its beginning does not end within {MAX_HEAD:,} characters"
    raise ReleaseError(what, where=where, fix="End it with a line `---`")


def _head(text: str, where: str) -> dict[str, Any]:
    try:
        _check_bounds(text, where)
        head = yaml.load(text, Loader=_LOADER)  # a safe loader
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:  # ValueError: a wrong date
        raise ReleaseError(
            f"the YAML at its beginning cannot be read: {_first_line(error)}",
            where=where,
            fix="Mend README.md in the repository, so that no word of it is lost",
        ) from None
    if head is None:
        return {}
    if not isinstance(head, dict) or not all(isinstance(key, str) for key in head):
        what = "the YAML at its beginning is no mapping of names"
        raise ReleaseError(what, where=where, fix="Write `name: value` lines, or remove it")
    return head


def _check_bounds(text: str, where: str) -> None:
    """Aliases can unfold to more than memory holds, and deep nesting to more than the stack holds."""
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise ReleaseError("its YAML uses aliases (*)", where=where, fix="Write the values out")
        if isinstance(event, yaml.ScalarEvent) and not event.style and _LONG_NUMBER.fullmatch(event.value):
            what = f"its YAML has a word of {len(event.value):,} characters"
            raise ReleaseError(what, where=where, fix="Write it in quotes")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:
            what = "its YAML is nested too deep"
            raise ReleaseError(what, where=where, fix=f"Nest at most {_MAX_DEPTH} levels")


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or str(error).split("\n")[0] or type(error).__name__
    return f"{said[:120]}, line {mark.line + 2}" if mark else said[:120]


def _block(stamp: Stamp) -> dict[str, str]:
    block = {"version": str(stamp.version), "digest": stamp.digest, "card": stamp.card}
    others = {"reverts": stamp.reverts, "restores": stamp.restores}
    return block | {name: number.tag for name, number in others.items() if number}


def _stamp(head: Mapping[str, Any], where: str) -> Stamp | None:
    block = head.get(STAMP)
    if block is None:
        return None
    said = block if isinstance(block, dict) else {}
    number = Number.of_tag(f"v{said.get('version')}")
    hashes = [said.get("digest"), said.get("card")]
    others = {name: Number.of_tag(str(said[name])) for name in ("reverts", "restores") if name in said}
    if number is None or None in others.values() or not all(isinstance(h, str) and _HASH.fullmatch(h) for h in hashes):
        raise ReleaseError(
            f"the block `{STAMP}` of its YAML is not what a release writes",
            where=where,
            fix="Restore README.md as the last tag has it",
        )
    return Stamp(number, str(hashes[0]), str(hashes[1]), others.get("reverts"), others.get("restores"))


# -- text ------------------------------------------------------------------------------------------------------------


def _own_words(body: str, where: str) -> str | None:
    own = read_region(body, OWN_WORDS, where)
    if own is not None and len(own) > MAX_OWN_WORDS:
        what = f"the author's own words have {len(own):,} characters, and {MAX_OWN_WORDS:,} are kept at most"
        raise ReleaseError(what, where=where, fix="Shorten them in README.md of the repository")
    return own


def _with_region(body: str, name: str, text: str, *, title: str) -> str:
    """``body`` with the region filled; a card without it gets it at its end."""
    place = find_region(body, name, "README.md of the release")
    if place is None:
        head = f"{title}\n\n" if title else ""
        return f"{body.rstrip()}\n\n{head}{region(name, text)}\n"
    inner = f"{text.strip()}\n" if text.strip() else ""
    return body[: place[0]] + inner + body[place[1] :]


def _with_name(body: str, repository: str) -> str:
    """The repository's name in the lines that load the data; own words stay as they are."""
    if not _NAME.fullmatch(repository):
        return body
    own = find_region(body, OWN_WORDS, "README.md of the release") or (0, 0)

    def renamed(text: str) -> str:
        return _PYTHON.sub(lambda code: _LOADED.sub(rf"\g<1>'{repository}'", code[0]), text)

    return renamed(body[: own[0]]) + body[slice(*own)] + renamed(body[own[1] :])


def _changes(stamp: Stamp, changelog: str) -> str:
    tag = stamp.version.tag
    lines = [f'This is release `{tag}`. With `revision="{tag}"`, `load_dataset` reads exactly this one.']
    if stamp.reverts:
        again = f" It has the content of `{stamp.restores.tag}` again." if stamp.restores else ""
        lines.append(f"It takes back release `{stamp.reverts.tag}`.{again}")
    entries = newest(changelog, NEWEST)
    lines += [unmarked(entry) for entry in entries]
    lines.append("All changes: [CHANGELOG.md](CHANGELOG.md).")
    return "\n\n".join(lines)
