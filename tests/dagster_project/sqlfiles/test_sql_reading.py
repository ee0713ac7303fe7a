"""Headers and names: every wrong word is an error with its file, its line and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.sqlfiles.contract import check
from dagster_project.sqlfiles.kind import load_sql_kind
from dagster_project.sqlfiles.names import parse_select, table_nodes
from resources.errors import SqlFileError

GOOD = """\
/* mathloom
description: Rows with a positive number.
law: {map: {input: rows_in, id: id}}
inputs:
  rows_in:
    columns: {id: uuid, n: integer}
params:
  least:
    type: integer
    default: 1
    at_least: 0
    description: Smallest number.
columns:
  id: {type: uuid, description: Id., tests: [not_null]}
  n: {type: integer, description: Number.}
grain: [id]
order_by: [n desc]
*/
select
    id,
    n,
from rows_in
where n >= $least
"""


def save(tmp_path: Path, *edits: tuple[str, str], text: str = GOOD) -> Path:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "positive.sql"
    path.write_text(text, encoding="utf-8")
    return path


def load_and_check(path: Path) -> None:
    """What loading a recipe does: only the contract can see that a column of the law is not returned."""
    kind = load_sql_kind(path)
    check(kind, kind.settings_type(), {})


def test_a_good_file_is_a_kind(tmp_path: Path) -> None:
    kind = load_sql_kind(save(tmp_path))
    assert (kind.name, kind.version, kind.description) == ("sql/positive", 1, "Rows with a positive number.")
    assert kind.law.row_id == "id"
    assert kind.settings_type().model_dump() == {"least": 1}
    assert kind.file.header.order == (("n", True), ("id", False))
    assert kind.sql.startswith("select")


CASES: dict[str, tuple[tuple[str, str], int, str]] = {
    "unknown key": (("order_by", "ordr_by"), 17, "unknown key 'ordr_by'. Write 'order_by'"),
    "unknown key below": (("    default: 1", "    defalt: 1"), 10, "unknown key 'defalt'. Write 'default'"),
    "unknown key of a column": (("description: Number.", "descripton: Number."), 15, "Write 'description'"),
    "missing key": (("grain: [id]\n", ""), 2, "the key 'grain' is missing"),
    "wrong value": (("grain: [id]", "grain: id"), 16, "grain: "),
    "key twice": (("grain: [id]", "grain: [id]\ngrain: [id]"), 17, "stands twice"),
    "no YAML": (("grain: [id]", "grain: [id"), 17, "YAML"),
    "unknown type": (("n: integer}", "n: integr}"), 6, "unknown type 'integr'. Write 'integer'"),
    "unknown output type": (("{type: integer, desc", "{type: numeric, desc"), 15, "unknown type 'numeric'"),
    "parameter type": (("    type: integer", "    type: uuid"), 9, "unknown type 'uuid'"),
    "default outside": (("default: 1", "default: -1"), 10, "the default -1 of 'least'"),
    "upper-case name": (("  n: {type", "  N: {type"), 15, "'N' is no name"),
    "taken parameter": (("  least:", "  identity:"), 8, "'identity' is taken"),
    "two laws": (("law: {map: {input: rows_in, id: id}}", "law: {}"), 3, "exactly one law"),
    "law input": (
        ("input: rows_in, id: id", "input: row_in, id: id"),
        3,
        "'row_in', which is no input. Write 'rows_in'",
    ),
    "law id": (("input: rows_in, id: id", "input: rows_in, id: idd"), 3, "'idd', which the input 'rows_in'"),
    "law needs": (("{map: {", "{group: {"), 3, "the law group needs `members`"),
    "decision column": (("law: {map", "law: {filter"), 3, "law filter needs"),
    "grain": (("grain: [id]", "grain: [ids]"), 16, "`grain` names 'ids', which is no output column. Write 'id'"),
    "order": (("[n desc]", "[n down]"), 17, "cannot order by 'n down'"),
    "no columns": (("grain: [id]", "grain: []"), 16, "the grain is empty"),
    "unknown table": (("from rows_in", "from row_in"), 22, "the table 'row_in' is no declared input. Write 'rows_in'"),
    "unused input": (("from rows_in", "from (select 1 as n, null as id)"), 5, "'rows_in' is declared and never read"),
    "file": (("from rows_in", "from rows_in, '/etc/passwd'"), 22, "no declared input"),
    "file function": (("from rows_in", "from rows_in, read_csv('a')"), 22, "not allowed"),
    "hidden table": (("from rows_in", "from rows_in, query_table('b')"), 22, "'query_table' is not allowed"),
    "schema": (("from rows_in", "from main.rows_in"), 22, "has a schema"),
    "undeclared parameter": (("$least", "$lest"), 23, "$lest is not declared. Write 'least'"),
    "nameless parameter": (("$least", "?"), 23, "a parameter without a name"),
    "unused parameter": (("n >= $least", "true"), 8, "'least' is declared and never used"),
    "random": (("    n,\nfrom", "    random() as n,\nfrom"), 21, "random gives other rows"),
    "clock": (("n >= $least", "n >= $least and current_date > '2020-01-01'"), 23, "current_date gives other"),
    "hash": (("    n,\nfrom", "    hash(n) as n,\nfrom"), 21, "Use md5"),
    "limit": (("n >= $least", "n >= $least limit 3"), 20, "a limit without order by"),
    "row_number": (("    n,\nfrom", "    row_number() over () as n,\nfrom"), 21, "row_number without order by"),
    "sample": (("from rows_in", "from rows_in tablesample 10%"), 22, "a sample gives other rows"),
    "two statements": (("where n >= $least", "where n >= $least; select 2"), 19, "not 2 statements"),
    "other statement": (("select\n    id,", "insert into x select\n    id,"), 19, "not INSERT"),
    "no SQL": (("from rows_in\nwhere", "from where"), 22, "this is no SQL"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_wrong_files_name_line_and_remedy(tmp_path: Path, case: tuple[tuple[str, str], int, str]) -> None:
    edit, line, words = case
    path = save(tmp_path, edit)
    with pytest.raises(SqlFileError) as caught:
        load_and_check(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("select 1", "does not begin with a header"),
        ("", "does not begin with a header"),
        ("/* mathloom\ndescription: x\nselect 1", "the header is not closed"),
        ("/* mathloom\na: /* b */\nselect 1", "the header is not closed"),
        ("/* mathloom\n*/\nselect 1", "the header is empty"),
    ],
)
def test_files_without_a_header(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SqlFileError, match=words):
        load_sql_kind(save(tmp_path, text=text))


def test_an_absent_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(SqlFileError, match="there is no such file"):
        load_sql_kind(tmp_path / "gone.sql")
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SqlFileError, match="cannot be read"):
        load_sql_kind(tmp_path / "binary.sql")


@pytest.mark.parametrize(
    ("select", "names"),
    [
        ("with a as (select * from one) select * from a join two using (id) where x > $p", {"one", "two"}),
        ("pivot sales on year using sum(amount) group by name", {"sales"}),
        ("unpivot sales on a, b into name n value v", {"sales"}),
        ("summarize sales", {"sales"}),
        ("from one", {"one"}),
        ("select * from one asof join two using (k, ts)", {"one", "two"}),
        ("select * from one positional join two", {"one", "two"}),
        ("with one as (select * from one) select * from one", {"one"}),
        ("with recursive r as (select 1 as n union all select n + 1 from r) select * from r, one", {"one"}),
        (
            "select * from one where id in (select id from two) and exists (select 1 from three)",
            {"one", "two", "three"},
        ),
        ("(select * from one) union all (select * from two)", {"one", "two"}),
        ("select unnest([1, 2]) as x from one", {"one"}),
        ("select * from one, range(3) as t(i)", {"one", ""}),
    ],
)
def test_table_names(select: str, names: set[str]) -> None:
    assert {table.name for table in table_nodes(parse_select(select, Path("x.sql")))} == names


@pytest.mark.parametrize(
    ("edit", "is_same"),
    [
        (("description: Number.", "description: Another word."), True),
        (("tests: [not_null]", "tests: [not_null, unique]"), True),
        (("default: 1", "default: 2"), True),
        (("select\n    id,", "-- a note\nSELECT id, /* here */"), True),
        (("n >= $least", "n > $least"), False),
        (("[n desc]", "[n]"), False),
        (("n: {type: integer", "n: {type: bigint"), False),
    ],
)
def test_code_version_follows_what_changes_rows(tmp_path: Path, edit: tuple[str, str], is_same: bool) -> None:
    first = load_sql_kind(save(tmp_path)).code_version
    (tmp_path / "b").mkdir()
    assert (load_sql_kind(save(tmp_path / "b", edit)).code_version == first) is is_same


def test_a_saved_file_is_read_again(tmp_path: Path) -> None:
    path = save(tmp_path)
    first = load_sql_kind(path)
    assert load_sql_kind(path) is first
    save(tmp_path, ("Rows with a positive number.", "Other words, other length."))
    assert load_sql_kind(path).description == "Other words, other length."
