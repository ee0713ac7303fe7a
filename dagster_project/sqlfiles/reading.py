"""From a path to a checked SQL file: header, select, canonical text. Imports nothing of the recipe.

Reading costs a few milliseconds a file; contracts and lineage, which cost more, have their own modules.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.tokenizer_core import TokenType

from dagster_project.sqlfiles.header import Header, read_header
from dagster_project.sqlfiles.names import DIALECT, check_names, parse_select
from dagster_project.sqlfiles.places import Places, read_header_yaml
from resources.errors import SqlFileError

_OPENING = re.compile(r"\A\s*/\*[ \t]*mathloom[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class SqlFile:
    """A SQL file that agrees with its own header."""

    path: Path
    text: str
    """The whole file."""
    select: str
    """The file with its header blanked out and no final semicolon: the lines are still those of the file."""
    tree: exp.Expr
    canonical: str
    """The select as sqlglot writes it: white space, case of keywords and comments are gone."""
    header: Header
    places: Places

    @property
    def stem(self) -> str:
        """The file's name without its ending: the kind is ``sql/<stem>``."""
        return self.path.stem


def read_sql_file(path: Path) -> SqlFile:
    """Read and check one file. Raises SqlFileError with file and line."""
    text = _read(path)
    opening = _OPENING.match(text)
    if opening is None:
        raise SqlFileError(
            "the file does not begin with a header",
            where=f"{path}:1",
            fix="Begin with a block comment: /* mathloom, then YAML, then */ (see docs/sql.md)",
        )
    end = text.find("*/", opening.end())
    first_line = text.count("\n", 0, opening.end()) + 1
    inside = text[opening.end() : end]
    if end < 0 or "/*" in inside:
        fix = "Close it with */ before the select, and write no /* inside"
        raise SqlFileError("the header is not closed", where=f"{path}:{first_line - 1}", fix=fix)
    value, places = read_header_yaml(inside, path, first_line)
    header = read_header(value, places)
    blank = "\n" * text.count("\n", 0, end + 2)
    select = blank + text[end + 2 :]
    tree = parse_select(select, path)
    check_names(tree, select, header, places)
    return SqlFile(
        path=path,
        text=text,
        select=_without_semicolon(select),
        tree=tree,
        canonical=tree.sql(dialect=DIALECT, comments=False),
        header=header,
        places=places,
    )


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SqlFileError("there is no such file", where=str(path), fix="Write it, or mend the kind's name") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SqlFileError(f"cannot be read: {error}", where=str(path), fix="Save it as UTF-8 text") from error


def _without_semicolon(select: str) -> str:
    """The select can then stand inside parentheses. A semicolon before a final comment is found too."""
    tokens = sqlglot.tokenize(select, dialect=DIALECT)
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        last = tokens.pop()
        select = select[: last.start] + select[last.end + 1 :]
    return select
