r"""The canonical key of an answer: a pure function, so that "same answer" is an equivalence by construction.

``canonical_key`` never runs or imports what an answer says; it reads a bounded number of tokens with a parser of its
own (:mod:`assets.answers.reading`), evaluates the tree in bounded numbers (``values``) and looks at what surrounds it
(``forms``). What that does not settle gets the status ``undecided`` and its normalised text as key: two such answers
are the same only when they are spelled the same, or when the symbolic step says so.

Keys begin with their type: ``q:`` rational, ``n:`` irrational or complex number, ``e:`` expression with variables,
``eq:`` equation, ``in`` inequality, ``l:`` list or set, ``s:`` named values, ``t:`` tuple or interval, ``u:`` union of
intervals, ``m:`` matrix, ``r:`` ratio, ``b:`` number in a base, ``c:`` choice, ``d:`` date, ``h:`` time,
``v:`` measures, ``p:`` pattern, ``w:`` words, ``raw:`` undecided.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from math import gcd
from threading import Lock
from typing import Literal

from flint import ctx

from assets.answers.forms.read import ShapeReader
from assets.answers.policy import DEFAULT, Policy
from assets.answers.reading.tokens import plain_text, tokenize
from assets.answers.reading.undecided import Undecided
from assets.answers.values.number import BITS, spent

MAX_CHARACTERS = 2_000

_one_at_a_time = Lock()
"""The precision of balls is a setting of the whole process."""

Status = Literal["decided", "undecided"]

_INTEGER = re.compile(r"-?[0-9]{1,300}")
_SIMPLE = re.compile(
    r"(-?)(?:([0-9]{1,30})/([0-9]{1,30})|\\[dt]?frac\{([0-9]{1,30})\}\{([0-9]{1,30})\}|([0-9]{1,30})\.([0-9]{1,30}))"
)


@dataclass(frozen=True, slots=True)
class Key:
    """Equal ``text`` means equal answers. ``undecided``: different texts may still be the same answer."""

    text: str
    status: Status


def canonical_key(answer: str, policy: Policy = DEFAULT) -> Key:
    """The key of one answer, as it stood in its box. Never raises; time and memory are bounded by budgets."""
    text = answer.strip()
    if _INTEGER.fullmatch(text):
        return Key(f"q:{int(text)}", "decided")
    if found := _SIMPLE.fullmatch(text):
        return _simple(text, found)
    if len(text) > MAX_CHARACTERS:
        return _undecided(text)
    with _one_at_a_time:
        try:
            return Key(read_key(text, policy), "decided")
        except Undecided:
            return _undecided(plain_text(text))
        except Exception:  # a text that nobody thought of must not end the pass over all others
            return _undecided(text)


def read_key(text: str, policy: Policy = DEFAULT) -> str:
    """The text of the key of ``text``. Undecided, and nothing else, when no reader knows it. For tests."""
    spent.bits, ctx.prec = 0, BITS
    return ShapeReader(policy).key(_cleaned(text))


def _undecided(text: str) -> Key:
    if len(text) > MAX_CHARACTERS:
        return Key(f"raw:#{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}", "undecided")
    return Key("raw:" + text, "undecided")


def _simple(text: str, found: re.Match[str]) -> Key:
    r"""``3/4``, ``\frac{3}{4}`` and ``0.75``: nine of ten answers that are no integer."""
    sign, a, b, c, d, whole, part = found.groups()
    top, bottom = (int(whole + part), 10 ** len(part)) if whole else (int(a or c), int(b or d))
    if not bottom:
        return Key("raw:" + plain_text(text), "undecided")
    shared = gcd(top, bottom)
    top, bottom = top // shared, bottom // shared
    minus = sign if top else ""
    return Key(f"q:{minus}{top}" if bottom == 1 else f"q:{minus}{top}/{bottom}", "decided")


def _cleaned(text: str) -> list[str]:
    tokens = tokenize(text)
    while tokens and tokens[-1] in {".", ",", ";", "\\\\", ":"}:
        tokens.pop()
    while tokens and tokens[0] in {"\\\\", ":"}:
        tokens.pop(0)
    return tokens
