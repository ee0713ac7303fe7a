"""What a select names: tables, parameters and functions, held against the header without running anything.

Table names come from sqlglot, by scopes plus a walk over all table nodes: DuckDB's own ``get_table_names`` fails on
USING, PIVOT and parameters and opens files; scopes alone miss PIVOT and SUMMARIZE.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope
from sqlglot.tokenizer_core import Token, TokenType

from dagster_project.language.faults import suggest
from dagster_project.sqlfiles.header import Header
from dagster_project.sqlfiles.places import Places
from resources.errors import SqlFileError

DIALECT = "duckdb"

_TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})
"""Functions that may stand for a table: they make rows out of their arguments. All others read files or settings."""

_UNSTABLE = {
    **dict.fromkeys(("random", "uuid", "gen_random_uuid", "uuidv4", "uuidv7", "setseed"), "md5 of an id and $seed"),
    **dict.fromkeys(("now", "today", "get_current_timestamp", "current_date", "current_timestamp"), "a parameter"),
    **dict.fromkeys(("hash",), "md5: its value may differ in the next DuckDB"),
    **dict.fromkeys(("any_value", "arbitrary"), "min, or arg_min over an id"),
    **dict.fromkeys(("nextval", "currval"), "row_number() over (order by ...)"),
    **dict.fromkeys(("getvariable", "current_setting", "version"), "a parameter"),
}
"""Functions whose value is not decided by the rows, and what to write instead."""
_BARE = frozenset({"current_date", "current_timestamp"})
"""Those of them that need no parentheses."""
_ORDERED_WINDOWS = (exp.RowNumber, exp.Lag, exp.Lead, exp.FirstValue, exp.LastValue, exp.Ntile)


def parse_select(text: str, path: Path) -> exp.Expr:
    """The one select of ``text`` (a whole file, so that lines are the file's). Raises SqlFileError."""
    first_line = _line(text, len(text) - len(text.lstrip()))
    try:
        trees = [tree for tree in sqlglot.parse(text, dialect=DIALECT) if tree and not isinstance(tree, exp.Semicolon)]
    except SqlglotError as error:
        found = (getattr(error, "errors", None) or [{}])[0]
        line = found.get("line", first_line)
        what = f"this is no SQL: {str(found.get('description') or error).split(' but got')[0].splitlines()[0]}"
        raise SqlFileError(what, where=f"{path}:{line}", fix=f"Mend it near {found.get('highlight', '')!r}") from error
    if len(trees) != 1:
        what = f"a file holds one select, not {len(trees)} statements"
        raise SqlFileError(what, where=f"{path}:{first_line}", fix="Split it into files, or use a `with` clause")
    tree = trees[0]
    if not isinstance(tree, exp.Query | exp.Pivot | exp.Summarize):
        what = f"a file holds one select, not {tree.key.upper()}"
        raise SqlFileError(what, where=f"{path}:{first_line}", fix="Write only the select: mathloom stores its rows")
    return tree


def table_nodes(tree: exp.Expr) -> Iterator[exp.Table]:
    """Every table that is read and is not defined in the select itself."""
    seen: set[int] = set()
    try:
        for scope in traverse_scope(tree):
            for source in scope.sources.values():
                if isinstance(source, exp.Table) and id(source) not in seen:
                    seen.add(id(source))
                    yield source
    except SqlglotError:
        # The walk below finds the same tables, except one whose name a CTE shadows elsewhere.
        pass
    defined = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if id(table) not in seen and table.name.lower() not in defined:
            seen.add(id(table))
            yield table


def check_names(tree: exp.Expr, text: str, header: Header, places: Places) -> None:
    """Hold the names of a select against its header. Raises SqlFileError at the line of the first wrong one."""
    used = _check_tables(tree, text, header, places)
    for name in header.inputs:
        if name not in used:
            fix = "Remove it, or read it"
            raise places.error(f"the input {name!r} is declared and never read", "inputs", name, fix=fix)
    tokens = sqlglot.tokenize(text, dialect=DIALECT)
    _check_parameters(tokens, text, header, places)
    _check_functions(tokens, text, places)
    _check_stable_order(tree, text, places)


def _line(text: str, offset: int) -> int:
    """Line (from 1) of an offset. sqlglot's own lines run ahead after some keywords; its offsets are right."""
    return text.count("\n", 0, offset) + 1


def _line_of(node: exp.Expr, text: str) -> int:
    """Line of the first identifier below ``node``: expressions themselves have no place."""
    offsets = [part.meta["start"] for part in node.find_all(exp.Identifier, exp.Func) if "start" in part.meta]
    return _line(text, min(offsets, default=len(text) - len(text.lstrip())))


def _check_tables(tree: exp.Expr, text: str, header: Header, places: Places) -> set[str]:
    used = set()
    for table in table_nodes(tree):
        line = _line_of(table, text)
        if not isinstance(table.this, exp.Identifier):
            _check_table_function(table, line, places)
            continue
        name = table.name
        if table.db or table.catalog:
            what = f"the table {table.sql(DIALECT)!r} has a schema"
            raise places.error_at(line, what, fix=f"Write the input's bare name: {name}")
        if name.lower() not in header.inputs:
            fix = suggest(name, header.inputs, "inputs")
            raise places.error_at(line, f"the table {name!r} is no declared input", fix=fix)
        used.add(name.lower())
    return used


def _check_table_function(table: exp.Table, line: int, places: Places) -> None:
    function = table.this
    if isinstance(function, exp.GenerateSeries):
        return
    name = function.name if isinstance(function, exp.Anonymous) else function.key
    if name.lower() not in _TABLE_FUNCTIONS:
        fix = "Declare an input and bind it to a stage: a select reads nothing else"
        raise places.error_at(line, f"the table function {name.lower()!r} is not allowed", fix=fix)


def _check_parameters(tokens: list[Token], text: str, header: Header, places: Places) -> None:
    used: set[str] = set()
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.token_type == TokenType.PLACEHOLDER:
            raise places.error_at(
                _line(text, token.start), "a parameter without a name", fix="Write $name and declare it"
            )
        if token.token_type != TokenType.PARAMETER or token.text != "$" or following is None:
            continue
        if following.text not in header.params:
            what = f"the parameter ${following.text} is not declared"
            raise places.error_at(
                _line(text, following.start), what, fix=suggest(following.text, header.params, "parameters")
            )
        used.add(following.text)
    for name in header.params:
        if name not in used:
            fix = f"Remove it, or write ${name} in the select"
            raise places.error(f"the parameter {name!r} is declared and never used", "params", name, fix=fix)


def _check_functions(tokens: list[Token], text: str, places: Places) -> None:
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        name = token.text.lower()
        is_call = following is not None and following.token_type == TokenType.L_PAREN
        if name in _UNSTABLE and token.token_type != TokenType.STRING and (is_call or name in _BARE):
            what = f"{name} gives other rows in another build"
            raise places.error_at(_line(text, token.start), what, fix=f"Use {_UNSTABLE[name]}")


def _check_stable_order(tree: exp.Expr, text: str, places: Places) -> None:
    for sample in tree.find_all(exp.TableSample):
        what = "a sample gives other rows in another build"
        raise places.error_at(_line_of(sample.parent or sample, text), what, fix="Filter by md5 of an id and $seed")
    for limit in tree.find_all(exp.Limit, exp.Fetch):
        if limit.parent is not None and not limit.parent.args.get("order"):
            what = "a limit without order by gives other rows in another build"
            raise places.error_at(_line_of(limit.parent, text), what, fix="Add `order by` with a unique column")
    for window in tree.find_all(exp.Window):
        is_named = bool(window.args.get("alias"))  # over w: its order stands in the window clause
        if isinstance(window.this, _ORDERED_WINDOWS) and not is_named and not window.args.get("order"):
            what = f"{window.this.sql_name().lower()} without order by gives other rows in another build"
            raise places.error_at(_line_of(window, text), what, fix="Add `order by` with a unique column")
