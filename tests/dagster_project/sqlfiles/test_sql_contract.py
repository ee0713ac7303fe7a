"""Contracts: a select is held against its header and against the real schemas above it, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dagster_project.sqlfiles.contract import check
from dagster_project.sqlfiles.kind import load_sql_kind
from dagster_project.sqlfiles.lineage import columns
from resources.errors import SqlFileError

TEXT = """\
/* mathloom
description: Two inputs, joined.
law: {map: {input: left_rows, id: id}}
inputs:
  left_rows:
    columns: {id: uuid, n: integer}
  right_rows:
    many: true
    columns:
      id: uuid
      word: varchar
columns:
  id: {type: uuid, description: Id.}
  total:
    type: bigint
    description: Number and length.
  rows_seen: {type: bigint, description: Count.}
grain: [id]
*/
select
    left_rows.id,
    sum(n + length(word))::bigint as total,
    count(*) as rows_seen,
from left_rows
left join right_rows
    using (id)
group by left_rows.id
"""
LEFT = pa.schema([pa.field("id", pa.uuid()), pa.field("n", pa.int32())])
RIGHT = pa.schema([pa.field("id", pa.uuid()), pa.field("word", pa.string())])


def save(tmp_path: Path, *edits: tuple[str, str]) -> Path:
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "joined.sql"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_schema_of_the_rows_comes_back(tmp_path: Path) -> None:
    kind = load_sql_kind(save(tmp_path))
    schema = check(kind, kind.settings_type(), {"left_rows": LEFT, "right_rows": [RIGHT, RIGHT]})
    assert schema.names == ["id", "total", "rows_seen"]
    assert schema.types == [pa.uuid(), pa.int64(), pa.int64()]
    assert schema.field("total").metadata == {b"description": b"Number and length."}


SELECT_CASES: dict[str, tuple[tuple[str, str], int, str]] = {
    "missing": (("    count(*) as rows_seen,\n", ""), 17, "does not return the declared column 'rows_seen'"),
    "renamed": (("as rows_seen", "as row_seen"), 17, "Write 'row_seen'"),
    "extra": (("    count(*)", "    1 as more,\n    count(*)"), 12, "returns 'more' (INTEGER), which is not declared"),
    "type": (("::bigint", "::integer"), 15, "'total' is declared BIGINT and the select returns INTEGER"),
    "unknown column": (("length(word)", "length(wrd)"), 22, 'Referenced column "wrd" not found'),
    "column by alias": (("sum(n +", "sum(left_rows.m +"), 22, "Read 'n'"),
    "using": (("using (id)", "using (idd)"), 26, "idd"),
    "function": (("length(word)", "lenght(word)"), 22, "lenght"),
    "group": (("group by left_rows.id", "group by n"), 21, "GROUP BY"),
}


@pytest.mark.parametrize("case", SELECT_CASES.values(), ids=SELECT_CASES.keys())
def test_a_select_that_breaks_its_contract(tmp_path: Path, case: tuple[tuple[str, str], int, str]) -> None:
    edit, line, words = case
    path = save(tmp_path, edit)
    kind = load_sql_kind(path)
    with pytest.raises(SqlFileError) as caught:
        check(kind, kind.settings_type(), {"left_rows": LEFT, "right_rows": RIGHT})
    assert str(caught.value).startswith(f"{path}:{line}: ")
    if case[2] != "Read 'n'":
        assert words in str(caught.value)


def test_a_column_that_the_input_lacks_is_named_with_the_nearest(tmp_path: Path) -> None:
    path = save(tmp_path)
    kind = load_sql_kind(path)
    upstream = pa.schema([pa.field("id", pa.uuid()), pa.field("words", pa.string())])
    with pytest.raises(SqlFileError) as caught:
        check(kind, kind.settings_type(), {"left_rows": LEFT, "right_rows": [RIGHT, upstream]})
    assert str(caught.value) == f"{path}:11: the input 'right_rows' has no column 'word'. Write 'words'"


def test_a_column_of_another_type_is_named_with_both(tmp_path: Path) -> None:
    path = save(tmp_path)
    kind = load_sql_kind(path)
    upstream = pa.schema([pa.field("id", pa.uuid()), pa.field("n", pa.float64())])
    with pytest.raises(SqlFileError, match=r":6: the column 'n' of the input 'left_rows' is DOUBLE, not INTEGER"):
        check(kind, kind.settings_type(), {"left_rows": upstream, "right_rows": RIGHT})


def test_columns_that_are_not_declared_cannot_be_read(tmp_path: Path) -> None:
    kind = load_sql_kind(save(tmp_path, ("length(word)", "length(secret)")))
    with pytest.raises(SqlFileError, match=r":22: .*secret"):
        check(kind, kind.settings_type(), {"right_rows": RIGHT.append(pa.field("secret", pa.string()))})


def test_a_further_column_above_can_make_a_name_ambiguous(tmp_path: Path) -> None:
    kind = load_sql_kind(save(tmp_path))
    assert check(kind, kind.settings_type(), {"left_rows": LEFT, "right_rows": RIGHT})
    with pytest.raises(SqlFileError, match=r"(?i):22: ambiguous"):
        check(kind, kind.settings_type(), {"left_rows": LEFT, "right_rows": RIGHT.append(pa.field("n", pa.int32()))})


def test_lineage_finds_columns_and_leaves_counts_out(tmp_path: Path) -> None:
    kind = load_sql_kind(save(tmp_path))
    assert columns(kind) == {"id": [("left_rows", "id")], "total": [("left_rows", "n"), ("right_rows", "word")]}


def test_lineage_of_a_select_that_cannot_be_resolved_is_empty(tmp_path: Path) -> None:
    path = save(tmp_path)
    text = path.read_text(encoding="utf-8")
    header = text[: text.index("*/") + 3].replace("  right_rows:\n    many: true\n    columns:\n", "")
    header = header.replace("      id: uuid\n      word: varchar\n", "")
    path.write_text(header + "pivot left_rows on n in (1, 2) using count(*) group by id", encoding="utf-8")
    assert columns(load_sql_kind(path)) == {}
