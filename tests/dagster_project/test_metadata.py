"""What the UI gets of a stage: numbers that it plots, charts that it shows at once, and text as table cells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from dagster_project.metadata import (
    after_build,
    answers_of_version,
    contamination_of_version,
    funnel_markdown,
    measured_of_build,
)
from dagster_project.pictures import INLINE
from dagster_project.running.outcome import Outcome, RequestCounts
from dagster_project.running.throughput import Point
from resources.store import Store, Version

HOSTILE = "<script>alert(1)</script>\x1b[2J\n# heading ![x](http://example.org)" + "long " * 100
SCHEMA = pa.schema([("problem", pa.string()), ("n", pa.int64())])
TOKENS = {"prompt tokens": [["96", 40], ["112", 280]], "completion tokens": [["64", 320]]}


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Version]:
    store = Store(tmp_path_factory.mktemp("store"))
    facts = {"table": {}, "generation": {"requests": {"completed": 320}, "histograms": TOKENS}}
    made = {}
    for name, said in facts.items():
        with store.stage(f"test.{name}", {"rows": SCHEMA}, where="test") as staging:
            staging.writers["rows"].write(pa.table({"problem": [HOSTILE, "2 + 2"], "n": [1, 2]}, SCHEMA))
            staging.close()
            made[name] = staging.commit(said)
    return made


def outcome(version: Version, **others: Any) -> Outcome:
    fields: dict[str, Any] = {
        "stage": "solutions",
        "kind": "generation.sample",
        "state": "built",
        "version": version,
        "fingerprint": "f" * 64,
        "funnel": {"rows_in": {"problems": 8}, "rejected": {"unfinished": 3}, "rows_out": 2},
        "checks": [],
        "seconds": 25.4861,
        "peak_mb": 315.2,
    }
    return Outcome(**{**fields, **others})


def counts(**others: float | str) -> RequestCounts:
    made = RequestCounts(
        total=400,
        reused=75,
        given_up=2,
        to_do=323,
        asked=323,
        completed=320,
        failed=3,
        retried=5,
        restarts=1,
        prompt_tokens=31_880,
        completion_tokens=21_263,
        engine_seconds=25.0,
        answering_seconds=20.0,
        gpu_hours=0.0139,
        cost=0.0486,
        currency="USD",
    )
    for name, value in others.items():
        setattr(made, name, value)
    return made


def test_a_table_stage_has_no_requests(versions: dict[str, Version]) -> None:
    shown = after_build(outcome(versions["table"]))
    assert list(shown) == [
        "dagster/row_count",
        "dagster/column_schema",
        "funnel",
        "sample",
        "seconds",
        "peak memory (MB)",
        "mathloom/state",
        "mathloom/version",
        "mathloom/fingerprint",
        "mathloom/folder",
    ]
    assert shown["dagster/row_count"] == 2
    assert shown["seconds"] == 25.486
    assert shown["peak memory (MB)"] == 315


def test_a_generation_stage_has_numbers_that_the_ui_plots(versions: dict[str, Version]) -> None:
    shown = after_build(outcome(versions["generation"], requests=counts()))
    numbers = {name: value for name, value in shown.items() if isinstance(value, int | float)}
    assert numbers == {
        "dagster/row_count": 2,
        "requests asked": 323,
        "requests completed": 320,
        "requests reused": 75,
        "requests failed": 3,
        "requests given up": 2,
        "requests retried": 5,
        "tokens in": 31_880,
        "tokens out": 21_263,
        "requests per second": 16.15,
        "tokens out per second": 1_063.15,
        "engine seconds": 25.0,
        "engine restarts": 1,
        "GPU-hours": 0.0139,
        "cost (USD)": 0.0486,
        "seconds": 25.486,
        "peak memory (MB)": 315,
    }
    normal = dg.MaterializeResult(metadata=shown).metadata
    assert normal is not None
    assert set(normal) == set(shown)


def test_a_build_that_asked_nothing_has_rates_of_nought(versions: dict[str, Version]) -> None:
    shown = after_build(outcome(versions["generation"], requests=RequestCounts(total=400, reused=400)))
    assert shown["requests per second"] == shown["tokens out per second"] == 0.0
    assert shown["requests reused"] == 400
    assert "GPU-hours" not in shown
    assert not any(name.startswith("cost") for name in shown)


def test_a_version_that_was_found_says_nothing_of_a_build(versions: dict[str, Version]) -> None:
    shown = after_build(outcome(versions["generation"], state="reused"))
    assert "requests asked" not in shown
    assert shown["completions of this version"].value == {"completed": 320}
    assert "histogram: prompt tokens" in shown


def test_charts_are_small_images(versions: dict[str, Version]) -> None:
    points = [Point(float(i), 10.0, 1_000.0 + i) for i in range(1, 121)]
    shown = after_build(outcome(versions["generation"], requests=counts(), throughput=points))
    names = ["throughput", "histogram: prompt tokens", "histogram: completion tokens"]
    for name in names:
        text = shown[name].value
        assert text.startswith("![")
        assert len(text) < INLINE
    order = list(shown)
    assert order.index("cost (USD)") < order.index("throughput") < order.index("sample")


def test_requests_are_charted_where_an_engine_counts_no_tokens(versions: dict[str, Version]) -> None:
    points = [Point(1.0, 10.0, 0.0), Point(2.0, 12.0, 0.0)]
    shown = after_build(outcome(versions["generation"], throughput=points))
    assert "requests" in shown["throughput"].value.partition("]")[0]


def test_text_of_a_model_is_a_cut_cell_of_a_table(versions: dict[str, Version]) -> None:
    shown = after_build(outcome(versions["table"]))
    first = shown["sample"].records[0].data["problem"]
    assert first.startswith("<script>alert(1)</script>\\x1b[2J\\n# heading")
    assert first.endswith("…")
    assert len(first) < 180
    markdown = [value.value for value in shown.values() if isinstance(value, dg.MarkdownMetadataValue)]
    assert not any("script" in text for text in markdown)


def test_ids_come_last_in_a_sample(tmp_path: Path) -> None:
    schema = pa.schema([("problem_id", pa.uuid()), ("problem", pa.string()), ("n", pa.int64())])
    with Store(tmp_path).stage("test.ids", {"rows": schema}, where="test") as staging:
        ids = pa.array([b"0123456789abcdef"], pa.uuid())
        staging.writers["rows"].write(pa.Table.from_arrays([ids, pa.array(["2 + 2"]), pa.array([1])], schema=schema))
        staging.close()
        sample = after_build(outcome(staging.commit({})))["sample"]
    assert [column.name for column in sample.schema.columns] == ["problem", "n", "problem_id"]
    assert sample.records[0].data["problem_id"] == "30313233-3435-3637-3839-616263646566"


def test_metadata_are_small(versions: dict[str, Version]) -> None:
    """They lie in the event log, one copy a build."""
    points = [Point(float(i), 10.0, 1_000.0 + i) for i in range(1, 121)]
    shown = after_build(outcome(versions["generation"], requests=counts(), throughput=points))
    entries = dg.AssetMaterialization(asset_key="a", metadata=shown).metadata
    assert sum(len(str(value.value)) for value in entries.values()) < 8_000


def test_the_funnel_is_a_table() -> None:
    funnel = {"rows_in": {"problems": 8_000}, "rejected": {"no answer": 2}, "rows_out": 7_998}
    assert funnel_markdown(funnel).splitlines()[2:] == [
        "| in: problems | 8,000 |",
        "| rejected: no answer | 2 |",
        "| out | 7,998 |",
    ]


def test_the_folder_is_a_path(versions: dict[str, Version]) -> None:
    assert Path(after_build(outcome(versions["table"]))["mathloom/folder"].value).is_dir()


def test_answers_are_numbers_that_can_be_plotted() -> None:
    facts = {"keys": 12, "votes": 8, "votes_like_raw_texts": 6, "by_status": {"decided": 5, "no box": 1}}
    assert answers_of_version(facts) == {
        "answers: keys": 12,
        "answers: votes": 8,
        "answers: votes like raw texts": 6,
        "answers: by status, decided": 5,
        "answers: by status, no box": 1,
        "answers: votes like raw texts (share)": 0.75,
    }
    assert answers_of_version({}) == {}


def test_what_was_measured_is_numbers_and_escaped_texts() -> None:
    shown = measured_of_build({"seconds: keys": 1.5, "slowest answers": [(7.1234, HOSTILE)], "slowest pairs": []})
    assert list(shown) == ["seconds: keys", "slowest answers"]
    [record] = shown["slowest answers"].records
    assert record.data["ms"] == 7.123
    assert "\x1b" not in record.data["text"]
    assert len(record.data["text"]) <= 170


def test_counts_of_a_comparison_are_numbers_and_their_names_are_made_safe() -> None:
    found = contamination_of_version({"problems removed": 3, "removed, in \x1b[31mx\ny": 2})
    assert list(found.values()) == [3, 2]
    assert all(name.isprintable() for name in found)
