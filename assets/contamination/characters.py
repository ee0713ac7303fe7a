"""What one character of a problem stands for when problems are compared: plain text, without a look at its neighbours.

Unicode writes ``2``, ``x2`` and ``<=`` in many ways. Compatibility forms (NFKD), case and accents fold away; operators
and Greek letters become the LaTeX that means them. Because no character depends on the next one, a whole column is done
with one table, and texts that Unicode calls equivalent (NFKC, case folded) become the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import lru_cache

_GREEK = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lamda", "mu", "nu"),
    *("xi", "omicron", "pi", "rho", "final sigma", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
"""Names of U+03B1 to U+03C9 in order, as Unicode says them; LaTeX spells two of them otherwise."""

_LATEX_GREEK = {"lamda": "lambda", "final sigma": "sigma"}

_COMMANDS = {
    "circ": "∘",
    "sqrt": "√",
    "infty": "∞",
    "sum": "∑",
    "prod": "∏",
    "int": "∫",
    "in": "∈",
    "notin": "∉",
    "cup": "∪",
    "cap": "∩",
    "subset": "⊂",
    "subseteq": "⊆",
    "emptyset": "∅",
    "approx": "≈",
    "equiv": "≡",
    "cong": "≅",
    "sim": "∼",
    "neq": "≠",
    "pm": "±",
    "mp": "∓",
    "angle": "∠",
    "triangle": "△▵∆",
    "to": "→",
    "perp": "⊥⟂",
    "parallel": "∥",
    "lfloor": "⌊",
    "rfloor": "⌋",
    "lceil": "⌈",
    "rceil": "⌉",
    "partial": "∂",
    "setminus": "∖",
    "oplus": "⊕",
    "otimes": "⊗",
}
"""LaTeX command -> characters that it writes."""

_PLAIN = {
    "-": "−–‐‑‒﹣－",
    "*": "×·⋅∙∗",
    "/": "÷∕⁄",
    "<=": "≤⩽≦",
    ">=": "≥⩾≧",
    "|": "∣",
    "'": "’‘ʼ′ʹ",
    "''": "″",
    "^\\circ ": "°",
    " ": "—…‥",
}
"""ASCII -> characters that mean it. A long dash parts sentences, a short one is a minus or a hyphen."""

_SPECIAL: Mapping[str, str] = {
    **{character: ascii_text for ascii_text, characters in _PLAIN.items() for character in characters},
    **{character: f"\\{command} " for command, characters in _COMMANDS.items() for character in characters},
    **{chr(0x3B1 + i): f"\\{_LATEX_GREEK.get(name, name)} " for i, name in enumerate(_GREEK)},
    **{character: f"^{digit}" for digit, character in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
}

_OWN_WORDS = ((0x2E80, 0xA4CF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Blocks of scripts without spaces between words (Chinese, Japanese, Yi): each letter counts as a word."""


@lru_cache(maxsize=1 << 16)
def plain_character(character: str) -> str:
    """The plain text of one character: lower-case ASCII, letters and numbers of other scripts, or a space.

    Marks and characters that cannot be seen (zero width) vanish; all other signs part words.
    """
    if character < "\x80":
        return character.lower()
    if character in _SPECIAL:
        return _SPECIAL[character]
    for other in (unicodedata.normalize("NFKD", character), character.casefold()):
        if other != character:
            return "".join(map(plain_character, other))
    category = unicodedata.category(character)
    if unicodedata.combining(character) or category == "Cf":
        return ""
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category[0] not in "LNM":
        return " "
    is_word = any(first <= ord(character) <= last for first, last in _OWN_WORDS)
    return f" {character} " if is_word else character
