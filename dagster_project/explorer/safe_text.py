r"""Hostile text as HTML: everything is shown as it is written, and formulas that are known to be harmless are marked.

A formula becomes ``<span class="tex">...</span>`` with its source as text; the page's script hands that text to KaTeX.
No other markup can come out of a text, whatever it holds: Markdown, HTML, links and images stay signs. Characters that
cannot be seen or that change the direction of reading are shown by their number. Braces, dollars and backticks are
written as entities, because Gradio reads the value of an HTML component as a template.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from dagster_project.explorer.latex import as_katex, is_safe

MAX_SHOWN = 30_000
"""Characters of one text on the page."""

MAX_FORMULAS = 400
"""Typeset in one text; later ones stay as they are written. Bounds the work of the browser."""

_ENTITIES = {
    ord(sign): f"&#{ord(sign)};" for sign in "&<>\"'`{}$=\\@"
}  # more than HTML needs: templates (${}, {{}}) and attributes without quotes see none of their signs

_BEGIN = re.compile(r"\$\$|\$|\\\(|\\\[|\\begin\{([A-Za-z]{1,12}\*?)\}")
_CLOSES = {"$$": "$$", "$": "$", "\\(": "\\)", "\\[": "\\]"}
_DISPLAY = frozenset({"$$", "\\["})
_MAX_SPAN = 4000
"""A closing sign is looked for so far: text with many opening signs must not take quadratic time."""


def escape(value: Any, limit: int = MAX_SHOWN) -> str:
    """``value`` as text of HTML: nothing in it is markup, and nothing in it is invisible. White space is kept."""
    text = str(value if value is not None else "")
    cut = text[:limit]
    return _visible(cut).translate(_ENTITIES) + (
        f'<span class="cut">… {len(text) - limit:,} more characters</span>' if len(text) > limit else ""
    )


def rich(value: Any, limit: int = MAX_SHOWN) -> str:
    """As :func:`escape`, with formulas marked for typesetting. Newlines are kept (the page shows them as they are)."""
    text = str(value if value is not None else "")
    pieces = list(_pieces(text[:limit]))
    shown = "".join(_formula(piece, kind) if kind else escape(piece) for piece, kind in pieces)
    return shown + (escape(text, limit)[len(escape(text[:limit])) :] if len(text) > limit else "")


def one_line(value: Any, limit: int = 200) -> str:
    """Text on one line, without formulas: names, rules, reasons."""
    return escape(" ".join(str(value if value is not None else "").split()), limit)


def _formula(source: str, kind: str) -> str:
    return f'<span class="tex" data-mode="{kind}">{escape(source)}</span>'


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """(text, "") and (formula, inline|display) in order."""
    start = position = count = 0
    while count < MAX_FORMULAS and (match := _BEGIN.search(text, position)):
        found = _formula_at(text, match)
        if found is None:
            position = match.end()
            continue
        formula, kind, end = found
        yield text[start : match.start()], ""
        yield formula, kind
        start = position = end
        count += 1
    yield text[start:], ""


def _formula_at(text: str, match: re.Match[str]) -> tuple[str, str, int] | None:
    """The formula that begins at ``match``: (source, kind, end). None if it does not end, or may not be typeset."""
    opening = match[0]
    if match.start() and text[match.start() - 1] == "\\":
        return None
    closing = _CLOSES.get(opening) or f"\\end{{{match[1]}}}"
    stop = text.find(closing, match.end(), match.end() + _MAX_SPAN)
    if stop < 0:
        return None
    end = stop + len(closing)
    formula = text[match.start() : end] if match[1] else text[match.end() : stop]
    if opening == "$" and not _is_inline(formula, text[end : end + 1]):
        return None
    if not is_safe(formula):
        return None
    is_display = bool(match[1]) or opening in _DISPLAY
    return as_katex(formula), "display" if is_display else "inline", end


def _is_inline(formula: str, after: str) -> bool:
    """Whether text between two dollars is a formula and not two prices: `$5 and $6` is none (the rule of pandoc)."""
    return bool(formula) and not formula[0].isspace() and not formula[-1].isspace() and not after.isdigit()


def _visible(text: str) -> str:
    """Control, direction and unassigned characters by their number; lone surrogates too."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c in "\n\t" or not _is_hidden(c) else f"⟨U+{ord(c):04X}⟩" for c in text.replace("\r\n", "\n"))


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
