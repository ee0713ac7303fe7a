"""Makes text fit to be published: no path of the machine that built it, and nothing that Markdown would act on.

Rule names, problem sources and model output are all treated as hostile. Dataset rows themselves are never changed here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_PATH = re.compile(r"(?<![\w.:/@-])(?:file://)?(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\\"'<>|]+[/\\])+([^\s/\\\"'<>|]*)")
"""An absolute path with at least one folder; URLs (`://`) and names like org/model are none."""

_WHOLE_PATH = re.compile(r"(?:~|[A-Za-z]:)?[/\\][^\s/\\]+")

_SAFE_NAME = re.compile(r"[\w.:/+ -]{1,200}")
_PUNCTUATION = re.compile(r"([\\`*_{}\[\]()#!|~$@:^])")


def scrub(value: Any) -> Any:
    """``value`` (JSON-like) with every absolute path cut down to its last part: `/home/me/m.gguf` becomes `m.gguf`."""
    if isinstance(value, str):
        if _WHOLE_PATH.fullmatch(value):
            return re.split(r"[/\\]", value)[-1]
        return _PATH.sub(lambda match: match[1], value)
    if isinstance(value, Mapping):
        return {str(scrub(str(key))): scrub(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(item) for item in value]
    return value


def inline(text: str, limit: int = 300) -> str:
    """Text on one line that Markdown shows as it is: no markup, link, mention, formula, HTML or table border."""
    clean = " ".join(_printable(text[:limit]).split())
    escaped = clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _PUNCTUATION.sub(r"\\\1", escaped)


def name(text: str) -> str:
    """A name as code, where that is safe; else as :func:`inline`."""
    return f"`{text}`" if _SAFE_NAME.fullmatch(text) and text.strip() == text else inline(text)


def fence(text: str, language: str = "", limit: int = 2000) -> str:
    """A code block that its content cannot leave: its fence is longer than any run of backticks inside."""
    shown = _printable(text[:limit]) + (" [...]" if len(text) > limit else "")
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    bar = "`" * max(3, longest + 1)
    return f"{bar}{language}\n{shown}\n{bar}"


def _printable(text: str) -> str:
    """Without control and direction characters, which can hide or reorder what a reader sees."""
    valid = text.encode("utf-8", "replace").decode().replace("\r\n", "\n")
    return "".join(c for c in valid if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp"))
