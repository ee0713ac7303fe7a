"""Where something stands in a SQL file: the YAML of its header with its lines, and the errors that name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagster_project.language.files import Document, Loc, parse_yaml
from dagster_project.language.resolved import Place
from resources.errors import RecipeError, SqlFileError


@dataclass(frozen=True, slots=True)
class Places:
    """Line of every key and item of one header. An unknown path has the line of its nearest known parent."""

    path: Path
    document: Document
    first_line: int

    def place(self, *loc: str | int) -> Place:
        """The line of ``loc`` in the file."""
        place = self.document.place(*loc)
        return Place(self.path, max(place.line, self.first_line))

    def error(self, what: str, *loc: str | int, fix: str) -> SqlFileError:
        """An error at ``loc``."""
        return SqlFileError(what, where=str(self.place(*loc)), fix=fix)

    def error_at(self, line: int, what: str, *, fix: str) -> SqlFileError:
        """An error at a line of the select."""
        return SqlFileError(what, where=f"{self.path}:{line}", fix=fix)


def read_header_yaml(text: str, path: Path, first_line: int) -> tuple[Any, Places]:
    """The value of ``text`` and its places; line 1 of ``text`` is line ``first_line`` of ``path``."""
    try:
        document = parse_yaml("\n" * (first_line - 1) + text, path)
    except RecipeError as error:
        raise SqlFileError(error.what, where=error.where, fix=error.fix) from error
    return document.value, Places(path, document, first_line)


__all__ = ["Loc", "Places", "read_header_yaml"]
