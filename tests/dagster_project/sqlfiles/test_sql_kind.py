"""A SQL file as a kind: settings, outputs, the streamed run, rejects; and the unit tests of a file."""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from assets.kinds import Job
from assets.schemas import REJECT
from dagster_project.sqlfiles.kind import SqlKind, load_sql_kind
from dagster_project.sqlfiles.unit_tests import run_unit_tests
from resources.errors import SqlFileError
from resources.sql import View, open_session

TEXT = """\
/* mathloom
description: Even numbers stay.
law: {filter: {input: numbers, id: id}}
inputs:
  numbers:
    columns: {id: uuid, n: integer}
params:
  word: {type: varchar, default: odd, choices: [odd, uneven], description: Name of the rule.}
  labels: {type: "varchar[]", default: [], description: A list.}
  batch: {type: integer, default: 8, operational: true, description: Changes nothing.}
  limit_n: {type: integer, default: null, at_least: 1, description: Optional.}
columns:
  id: {type: uuid, description: Id.}
  n: {type: integer, description: Number.}
  is_big: {type: boolean, description: More than five.}
grain: [id]
order_by: [n desc]
histograms: [n]
unit_tests:
  - name: passes
    given: {numbers: [{id: 1, n: 3}, {id: 2, n: 4}]}
    expect:
      - {id: 2, n: 4, kept: true, is_big: false}
      - {id: 1, kept: false, rule: odd}
*/
select
    id,
    n,
    n > 5 as is_big,
    n % 2 = 0 as kept,
    if(kept, null, $word) as rule,
    if(kept, null, 'not even') as reason,
    repeat(n::varchar, 400) as detail,
from numbers
where len($labels) >= 0 and $batch > 0 and ($limit_n::integer is null or true)
-- a last comment
;
"""
SCHEMA = pa.schema([pa.field("id", pa.uuid()), pa.field("n", pa.int32())])


class Collect:
    def __init__(self) -> None:
        self.tables: list[pa.Table] = []

    def write(self, rows: pa.Table | pa.RecordBatch) -> None:
        self.tables.append(rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows]))

    @property
    def table(self) -> pa.Table:
        return pa.concat_tables(self.tables)


def save(tmp_path: Path, *edits: tuple[str, str]) -> SqlKind:
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "even.sql"
    path.write_text(text, encoding="utf-8")
    return load_sql_kind(path)


def run(kind: SqlKind, tmp_path: Path, numbers: list[int], **settings: object) -> dict[str, Collect]:
    raw = pa.array([uuid.UUID(int=i).bytes for i in range(len(numbers))], pa.binary(16))
    ids = pa.ExtensionArray.from_storage(pa.uuid(), raw)
    path = tmp_path / "numbers.parquet"
    pq.write_table(pa.table([ids, pa.array(numbers, pa.int32())], schema=SCHEMA), path)
    writers = {"rows": Collect(), "rejects": Collect()}
    with open_session(
        memory_limit="200MB", threads=2, temp=tmp_path / "spill", views={"numbers": View(SCHEMA, [path])}
    ) as session:
        kind.run(
            Job(
                recipe="r",
                stage="s",
                settings=kind.settings_type(**settings),
                inputs={},
                session=session,
                writers=writers,
                folder=tmp_path,
            )
        )
    return writers


def test_kept_rows_and_rejects_are_split_in_order(tmp_path: Path) -> None:
    kind = save(tmp_path)
    written = run(kind, tmp_path, [3, 8, 5, 2], word="uneven")
    rows, rejects = written["rows"].table, written["rejects"].table
    assert rows.schema == kind.outputs(None)["rows"]
    assert rows.select(["n", "is_big"]).to_pylist() == [{"n": 8, "is_big": True}, {"n": 2, "is_big": False}]
    assert rejects.schema == REJECT
    assert rejects.column("rule").to_pylist() == ["uneven", "uneven"]
    assert rejects.column("reason").to_pylist() == ["not even", "not even"]
    assert rejects.column("detail").to_pylist() == ["5" * 300, "3" * 300]
    assert [found.int for found in rejects.column("id").to_pylist()] == [2, 0]


def test_an_empty_input_writes_no_row(tmp_path: Path) -> None:
    written = run(save(tmp_path), tmp_path, [])
    assert sum(table.num_rows for collect in written.values() for table in collect.tables) == 0


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("n % 2 = 0 as kept", "if(n = 3, null, n % 2 = 0) as kept"), "a row whose `kept` is null"),
        (("if(kept, null, $word) as rule", "if($word = '', $word, null) as rule"), "gives no `rule`"),
        (("if(kept, null, 'not even') as reason", "null as reason"), "gives no `reason`"),
    ],
)
def test_a_decision_without_reason_is_an_error(tmp_path: Path, edit: tuple[str, str], words: str) -> None:
    kind = save(tmp_path, edit)
    with pytest.raises(SqlFileError, match=f"even.sql:3: .*{words}"):
        run(kind, tmp_path, [3, 4])


def test_settings_come_from_parameters(tmp_path: Path) -> None:
    settings_type = save(tmp_path).settings_type
    assert settings_type().model_dump() == {"word": "odd", "labels": [], "batch": 8, "limit_n": None}
    assert "batch" not in settings_type().identity()
    assert settings_type(**{"labels": ["a"], "limit_n": 3}).identity() == {"word": "odd", "labels": ["a"], "limit_n": 3}


@pytest.mark.parametrize("wrong", [{"word": "old"}, {"limit_n": 0}, {"batch": "many"}, {"unknown": 1}, {"word": None}])
def test_wrong_settings_are_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        save(tmp_path).settings_type(**wrong)


def test_a_parameter_without_default_must_be_set(tmp_path: Path) -> None:
    kind = save(tmp_path, ("{type: varchar, default: odd, ", "{type: varchar, "))
    with pytest.raises(ValidationError, match="word"):
        kind.settings_type()


def test_histograms_are_declared(tmp_path: Path) -> None:
    assert save(tmp_path).histograms == ("n",)


def test_unit_tests_pass_and_fail_readably(tmp_path: Path) -> None:
    kind = save(tmp_path)
    assert [(result.name, result.passed, result.diff) for result in run_unit_tests(kind)] == [("passes", True, "")]
    broken = save(tmp_path, ("- {id: 1, kept: false, rule: odd}", "- {id: 1, kept: false, rule: other, detail: null}"))
    result = run_unit_tests(broken)[0]
    assert not result.passed
    assert str(result.place).endswith("even.sql:20")
    assert result.diff.splitlines()[:2] == ["row 2 {id: 1, kept: false}:", "    rule: expected other, found odd"]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (("      - {id: 1, kept: false, rule: odd}\n", ""), "row 2: expected no row, found {id: 1"),
        (("rule: odd}\n", "rule: odd}\n      - {id: 3}\n"), "row 3: expected {id: 3}, found no row"),
    ],
)
def test_row_counts_are_compared(tmp_path: Path, edit: tuple[str, str], words: str) -> None:
    assert words in run_unit_tests(save(tmp_path, edit))[0].diff


def test_a_result_that_follows_the_order_of_its_input_fails(tmp_path: Path) -> None:
    kind = save(tmp_path, ("    n > 5 as is_big", "    n = (select first(n) from numbers) as is_big"))
    assert "follows the order of the given rows" in run_unit_tests(kind)[0].diff


@pytest.mark.parametrize(
    ("edit", "line", "words"),
    [
        (("given: {numbers:", "given: {numbes:"), 21, "'numbes' is no input. Write 'numbers'"),
        (("[{id: 1, n: 3}", "[{id: 1, m: 3}"), 21, "'m' is no column here. The columns are: id, n"),
        (("[{id: 1, n: 3}", "[{id: 1, n: three}"), 21, "'three' is no int32"),
        (("rule: odd}", "rul: odd}"), 24, "'rul' is no column here. Write 'rule'"),
        (("    given: {num", "    params: {wrd: odd}\n    given: {num"), 21, "parameter 'wrd'"),
    ],
)
def test_wrong_unit_tests_name_their_line(tmp_path: Path, edit: tuple[str, str], line: int, words: str) -> None:
    kind = save(tmp_path, edit)
    with pytest.raises(SqlFileError) as caught:
        run_unit_tests(kind)
    assert str(caught.value).startswith(f"{kind.file.path}:{line}: ")
    assert words in str(caught.value)
