"""Data tests: which rows they find, what they show of them, and what is wrong with their arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.data_test_kinds import TESTS
from dagster_project.data_tests import header_checks, needs, read_check, run_check, validate_arguments
from dagster_project.language.resolved import Check, Place, Ref
from dagster_project.sqlfiles.kind import load_sql_kind
from resources.errors import MathloomError, RecipeError, SqlFileError
from resources.sql import View, open_session

PLACE = Place(Path("recipe.yaml"), 7)
SCHEMA = pa.schema(
    [
        pa.field("n", pa.int32()),
        pa.field("word", pa.string()),
        pa.field("is_it", pa.bool_()),
        pa.field("end", pa.int64()),
    ]
)
ROWS = {"n": [1, 2, 2, None], "word": ["a", "b", "b", "\x1b[31mred" + "x" * 500], "is_it": [True] * 4, "end": [5] * 4}


@pytest.fixture
def session(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    path, other = tmp_path / "rows.parquet", tmp_path / "other.parquet"
    pq.write_table(pa.table(ROWS, schema=SCHEMA), path)
    partner = pa.schema([pa.field("n", pa.int32()), pa.field("m", pa.int32())])
    pq.write_table(pa.table({"n": [1, 2], "m": [2, 9]}, schema=partner), other)
    views = {"rows": View(SCHEMA, [path]), "other.rejects": View(partner, [other]), "other": View(partner, [other])}
    with open_session(memory_limit="200MB", threads=1, temp=tmp_path / "spill", views=views) as connection:
        yield connection


def check_of(words: Any) -> Check:
    return read_check(words, PLACE)


CASES: dict[str, tuple[Any, int]] = {
    "not_null holds": ({"not_null": "word"}, 0),
    "not_null breaks": ({"not_null": "n"}, 1),
    "unique breaks": ({"unique": "n"}, 1),
    "unique of two breaks": ({"unique": ["n", "word"]}, 1),
    "unique of a reserved word": ({"unique": ["end", "word", "n"]}, 1),
    "accepted holds": ({"accepted_values": {"column": "n", "values": [1, 2]}}, 0),
    "accepted breaks": ({"accepted_values": {"column": "word", "values": ["a", "it's"]}}, 2),
    "accepted booleans": ({"accepted_values": {"column": "is_it", "values": [True]}}, 0),
    "relationships hold": ({"relationships": {"column": "n", "to": "other"}}, 0),
    "relationships break": ({"relationships": {"column": "n", "to": "other.rejects", "to_column": "m"}}, 1),
    "row count holds": ({"row_count_between": {"min": 4, "max": 4}}, 0),
    "row count without maximum": ({"row_count_between": 1}, 0),
    "row count breaks below": ({"row_count_between": {"min": 5}}, 1),
    "row count breaks above": ({"row_count_between": {"max": 3}}, 1),
    "expression holds": ({"expression": "n < 3 and length(word) > 0"}, 0),
    "expression breaks": ({"expression": "n < 2"}, 2),
    "expression of an empty value": ({"expression": "n > 0"}, 0),
    "no_overlap holds": ({"no_overlap": {"column": "end", "with": "other", "with_column": "m"}}, 0),
    "no_overlap breaks": ({"no_overlap": {"column": "n", "with": "other.rejects"}}, 2),
    "max_share holds": ({"max_share": {"column": "word", "max": 0.5}}, 0),
    "max_share breaks": ({"max_share": {"column": "word", "max": 0.4}}, 1),
    "max_share of one value": ({"test": "max_share", "column": "word", "max": 0.2, "value": "a"}, 1),
    "max_share of another value": ({"test": "max_share", "column": "n", "max": 0.3, "value": 1}, 0),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_violations_are_counted(session: duckdb.DuckDBPyConnection, case: tuple[Any, int]) -> None:
    words, violations = case
    check = check_of(words)
    validate_arguments(check, SCHEMA)
    result = run_check(check, session, SCHEMA)
    assert (result.violations, result.passed) == (violations, violations == 0)
    assert len(result.sample) == violations
    assert result.description


def test_every_test_that_a_recipe_may_write_is_here() -> None:
    assert {next(iter(words)) for words, _ in CASES.values() if "test" not in words} | {"max_share"} == set(TESTS)


def test_shown_rows_are_few_short_and_plain(session: duckdb.DuckDBPyConnection) -> None:
    result = run_check(check_of({"expression": "length(word) < 1"}), session, SCHEMA)
    words = [row["word"] for row in result.sample]
    assert "a" in words
    hostile = next(word for word in words if "red" in word)
    assert "\x1b" not in hostile
    assert len(hostile) == 201


@pytest.mark.parametrize("rows", [0, 20])
def test_samples_are_bounded_and_empty_tables_pass(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"n": pa.array([None] * rows, pa.int32())}), path)
    schema = pa.schema([pa.field("n", pa.int32())])
    with open_session(
        memory_limit="200MB", threads=1, temp=tmp_path / "s", views={"rows": View(schema, [path])}
    ) as connection:
        result = run_check(check_of({"not_null": "n"}), connection, schema)
        share = run_check(check_of({"max_share": {"column": "n", "max": 1.0}}), connection, schema)
    assert (result.violations, len(result.sample)) == (rows, min(rows, 5))
    assert share.passed


def test_severity_and_name() -> None:
    check = check_of({"unique": {"columns": ["n", "word"], "severity": "warn"}})
    assert (check.name, check.blocking) == ("unique_n_word", False)
    assert check_of({"not_null": {"column": "n", "name": "mine"}}).name == "mine"
    assert check_of({"expression": "n < 2 -- x"}).name == "expression_n_2_x"


def test_needs_are_the_other_tables() -> None:
    assert needs(check_of({"relationships": {"column": "n", "to": "seeds"}})) == (Ref("seeds"),)
    assert needs(check_of({"no_overlap": {"column": "n", "with": "a.rejects"}})) == (Ref("a", "rejects"),)
    assert needs(check_of({"unique": "n"})) == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("uniqe", "unknown test 'uniqe'. Write 'unique'"),
        ({"uniqe": "n"}, "unknown test 'uniqe'. Write 'unique'"),
        (3, "3 is no check"),
        ({"unique": "n", "not_null": "n"}, "is no check"),
        ({"unique": {"columns": ["n"], "severity": "wrn"}}, "unknown severity 'wrn'. Write 'warn'"),
        ({"unique": "m"}, "names the column 'm', which the rows do not have"),
        ({"not_null": {"colum": "n"}}, "has no argument 'colum'. Write 'column'"),
        ("not_null", "needs the argument 'column'"),
        ({"unique": []}, "the argument 'columns'"),
        ({"accepted_values": {"column": "n", "values": ["one"]}}, "cannot run"),
        ({"max_share": {"column": "n", "max": 2}}, "the argument 'max'"),
        ({"max_share": {"column": "n", "max": 0.5, "value": "x"}}, "cannot run"),
        ({"expression": "n <"}, "is no SQL condition"),
        ({"expression": "m > 1"}, "names the column 'm'"),
        ({"expression": "word + n > 1 and nope(n)"}, "cannot run"),
        ({"expression": "n > 1) group by (n"}, "is not one condition"),
        ({"expression": "n in (select n from other)"}, "is not one condition"),
        ({"expression": "n > 1) union all (select 1"}, "is no"),
        ({"expression": "n > 1); drop table rows; --"}, "is no"),
        ({"expression": "n > $x"}, "is not one condition"),
        ({"expression": "sum(n) > 1"}, "is not one condition"),
    ],
)
def test_wrong_arguments_name_the_line(words: Any, message: str) -> None:
    with pytest.raises(MathloomError) as caught:
        validate_arguments(check_of(words), SCHEMA)
    assert isinstance(caught.value, RecipeError)
    assert str(caught.value).startswith("recipe.yaml:7: ")
    assert message in str(caught.value)


HEADER = """\
/* mathloom
description: Rows.
law: {{map: {{input: rows_in, id: id}}}}
inputs:
  rows_in: {{columns: {{id: uuid, n: integer}}}}
columns:
  id:
    type: uuid
    description: Id.
    tests:
      - not_null
      - unique
  n: {{type: integer, description: Number., tests: [{column_test}]}}
grain: [id]
tests:
  - {table_test}
*/
select id, n from rows_in
"""


def test_tests_of_a_header_become_checks(tmp_path: Path) -> None:
    path = tmp_path / "h.sql"
    path.write_text(HEADER.format(column_test="{accepted_values: [1, 2]}", table_test="unique: id"), encoding="utf-8")
    checks = header_checks(load_sql_kind(path))
    assert [(check.name, check.place.line) for check in checks] == [
        ("not_null_id", 11),
        ("unique_id", 12),
        ("accepted_values_n", 13),
        ("unique_id_2", 16),
    ]
    assert checks[2].arguments == {"values": [1, 2], "column": "n"}


@pytest.mark.parametrize(
    ("column_test", "table_test", "line", "words"),
    [
        ("not_nul", "unique: id", 13, "unknown test 'not_nul'. Write 'not_null'"),
        ("not_null", "unique: idd", 16, "'idd', which the rows do not have. Write 'id'"),
        ("not_null", "relationships: {column: id, to: seeds}", 16, "a SQL file knows none"),
    ],
)
def test_wrong_tests_of_a_header_name_their_line(
    tmp_path: Path, column_test: str, table_test: str, line: int, words: str
) -> None:
    path = tmp_path / "h.sql"
    path.write_text(HEADER.format(column_test=column_test, table_test=table_test), encoding="utf-8")
    with pytest.raises(SqlFileError) as caught:
        header_checks(load_sql_kind(path))
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert words in str(caught.value)
