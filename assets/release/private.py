"""What must not go out: shapes of tokens and keys, and absolute paths of a machine. Recognised in text, never shown.

The patterns are read by Python and by RE2 (DuckDB), and so use neither looking around nor back references.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

_SHAPES: tuple[tuple[str, str], ...] = (
    ("a token of the Hugging Face Hub", r"\bhf_[A-Za-z0-9]{30,}"),
    ("a key of Anthropic", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    ("a key that begins with sk-", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("a token of GitHub", r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{40,}"),
    ("a key of AWS", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("a token of Slack", r"\bxox[abeposr]-[0-9A-Za-z-]{20,}"),
    ("a token of GitLab", r"\bglpat-[0-9A-Za-z_-]{20,}"),
    ("a key of Google", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"),
    ("a password in an address", r"://[^\s/:@]{1,100}:[^\s/:@]{3,200}@[A-Za-z0-9.-]"),
)
"""(what it is, pattern). The first that fits names it."""

SECRET = "|".join(f"(?:{pattern})" for _, pattern in _SHAPES)
"""One pattern for all of them."""

PATH = (
    r"(?m:(?:^|[^\w.}~>*/-])(?:/(?:home|Users|root|tmp|var/folders)/+[\w.~-]|[A-Za-z]:[\\/]+Users[\\/]+[\w.~-])"
    r"|\bfile://[^\s])"
)
"""An absolute path that tells something of the machine it was written on."""

PATH_WORDS = "a path of a machine"
GIVEN_WORDS = "the value of a secret of this environment"

_NAMED = tuple((what, re.compile(pattern)) for what, pattern in _SHAPES)
_SECRET = re.compile(SECRET)
_PATH = re.compile(PATH)
_KEY_RUN = re.compile(r"[A-Za-z0-9]{16,}")
_PLACEHOLDER = re.compile(r"(?i)[$<{*%\[].*|pass(word)?|pwd|secret|token|x+|\.+|api_?key|user")


def secrets_in(text: str, given: Sequence[str] = ()) -> Iterator[tuple[str, int]]:
    """(what it is, where it begins) of each secret in ``text``: known shapes, and literal values in ``given``."""
    for value in given:
        at = text.find(value)
        while at >= 0:
            yield GIVEN_WORDS, at
            at = text.find(value, at + len(value))
    for match in _SECRET.finditer(text):
        what = next(what for what, pattern in _NAMED if pattern.fullmatch(match[0]))
        if _is_real(what, match[0]):
            yield what, match.start()


def paths_in(text: str) -> Iterator[tuple[str, int]]:
    """The same for paths of a machine."""
    for match in _PATH.finditer(text):
        yield PATH_WORDS, match.start()


def is_private(text: str) -> bool:
    """Whether ``text`` holds a path of a machine or a known shape of a secret: the card shows no such example."""
    return any(True for _ in paths_in(text)) or any(True for _ in secrets_in(text))


def _is_real(what: str, found: str) -> bool:
    """Words joined by hyphens are no key, and an example's password is none."""
    if found.startswith("sk-"):
        return any(re.search(r"\d", run) for run in _KEY_RUN.findall(found))
    if what == "a password in an address":
        return not _PLACEHOLDER.fullmatch(found[3:-2].partition(":")[2])
    return True
