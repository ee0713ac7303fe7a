"""The engine files: which row answers which sample, what is missing, and what a file must not hold."""

import gzip
import json
import os
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.engines.catalog import make_engine
from resources.engines.files.engine import FilesEngine
from resources.engines.files.index import AnswerIndex
from resources.engines.protocol import EngineRequest, EngineResult, Prompt, Sampling, answers
from resources.errors import EngineError, RecipeError
from resources.identity import digest128

SAMPLING = Sampling(0.7, 0.95, max_tokens=100)
Row = Mapping[str, Any]


def write(path: Path, rows: Iterable[Row]) -> Path:
    """``rows`` as the ending of ``path`` says."""
    if path.suffix == ".parquet":
        # Small row groups, so that there are several.
        pq.write_table(pa.Table.from_pylist([dict(row) for row in rows]), path, row_group_size=3)
        return path
    data = "".join(json.dumps(dict(row)) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


MADE: list[FilesEngine] = []


@pytest.fixture(autouse=True)
def _stopped() -> Iterator[None]:
    yield
    while MADE:
        MADE.pop().stop()


def engine_of(*paths: Path | str, **options: Any) -> FilesEngine:
    """Stopped when the test ends."""
    cache = Path(paths[0]).parent / "cache"
    engine = make_engine("files", {"paths": [str(path) for path in paths], **options}, "p.yaml:4", cache)
    assert isinstance(engine, FilesEngine)
    MADE.append(engine)
    return engine


def ask(prompt: Prompt | str, count: int = 1, first: int = 0, sampling: Sampling = SAMPLING) -> EngineRequest:
    return EngineRequest(5, Prompt("raw", prompt) if isinstance(prompt, str) else prompt, sampling, 9, first, count)


def texts(engine: FilesEngine, *requests: EngineRequest) -> list[str]:
    return [result.text for result in answers(engine.stream(requests))]


FORMATS = ["a.jsonl", "a.jsonl.gz", "a.parquet"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_value_of_a_row_comes_back(tmp_path: Path, name: str) -> None:
    rows: list[Row] = [
        {
            "prompt": "What?\nNow.",
            "sample_index": 1,
            "text": "first\nsecond é \u2028",
            "reasoning": "because",
            "finish_reason": "length",
            "prompt_tokens": 3,
            "completion_tokens": 0,
        },
        {"prompt": "What?\nNow.", "sample_index": 0, "text": "", "finish_reason": None},
        *({"prompt": f"other {number}", "sample_index": 0, "text": str(number)} for number in range(20)),
    ]
    engine = engine_of(write(tmp_path / name, rows))
    engine.check()
    found = list(answers(engine.stream([ask("What?\nNow.", 2), ask("other 7")])))
    assert found == [
        EngineResult(5, 0, text=""),
        EngineResult(5, 1, "first\nsecond é \u2028", "because", "length", 3, 0),
        EngineResult(5, 0, text="7"),
    ]
    engine.stop()
    assert [path.name for path in (tmp_path / "cache").glob("*")] in ([], ["hashes.json"])


def test_rows_without_an_index_count_up_over_files_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """The layout of NeMo-Skills: line i of every file is problem i."""
    for seed in (10, 2, 0):
        write(tmp_path / f"output-rs{seed}.jsonl", [{"prompt": p, "generation": f"{p}{seed}"} for p in "abc"])
    engine = engine_of(tmp_path / "output-rs*.jsonl", columns={"text": "generation"})
    assert texts(engine, ask("b", 3), ask("a", 1, first=2)) == ["b0", "b2", "b10", "a10"]


def test_the_first_of_two_rows_for_a_sample_wins(tmp_path: Path) -> None:
    one = write(tmp_path / "b.jsonl", [{"prompt": "q", "sample_index": 0, "text": "one"}])
    two = write(
        tmp_path / "a.parquet",
        [{"prompt": "q", "sample_index": 0, "text": "two"}, {"prompt": "q", "sample_index": 1, "text": "three"}],
    )
    assert texts(engine_of(one, two), ask("q", 2)) == ["one", "three"]
    assert texts(engine_of(two, one, one), ask("q", 2)) == ["two", "three"]


CHATS: list[tuple[Row, Prompt]] = [
    ({"messages": [{"role": "user", "content": "hi"}]}, Prompt("chat", messages=(("user", "hi"),))),
    ({"messages": '[["system","s"],["user","hi"]]'}, Prompt("chat", messages=(("system", "s"), ("user", "hi")))),
    ({"mode": "pre_query", "messages": "[]"}, Prompt("pre_query")),
    ({"mode": "raw", "messages": "[]", "prompt": "hi"}, Prompt("raw", "hi")),
    ({"mode": "chat", "prompt": "", "messages": '[["user","hi"]]'}, Prompt("chat", messages=(("user", "hi"),))),
]


@pytest.mark.parametrize(("row", "prompt"), CHATS)
@pytest.mark.parametrize("name", FORMATS)
def test_prompts_of_each_mode(tmp_path: Path, name: str, row: Row, prompt: Prompt) -> None:
    engine = engine_of(write(tmp_path / name, [{**row, "text": "yes"}]))
    assert texts(engine, ask(prompt)) == ["yes"]
    other = Prompt("chat" if prompt.mode == "raw" else "raw", prompt.text, prompt.messages)
    with pytest.raises(EngineError, match="no answer for sample 0"):
        texts(engine, ask(other))


@pytest.mark.parametrize("name", FORMATS)
def test_rows_that_say_their_sampling_answer_no_other(tmp_path: Path, name: str) -> None:
    warm = {**asdict(SAMPLING), "temperature": 1, "top_k": -1, "stop": ["x", "x"], "grammar": ""}
    rows = [
        {"prompt": "q", "text": "cool", "sampling": json.dumps(asdict(SAMPLING))},
        {"prompt": "q", "text": "warm", "sampling": json.dumps(warm)},
        {"prompt": "q", "text": "any", "sampling": None},
    ]
    engine = engine_of(write(tmp_path / name, rows))
    assert texts(engine, ask("q"), ask("q", sampling=Sampling(1.0, 0.95, max_tokens=100, stop=("x",)))) == [
        "cool",
        "warm",
    ]
    assert texts(engine, ask("q", sampling=Sampling(0.1))) == ["any"]


def test_hostile_texts_come_back_as_they_are(tmp_path: Path) -> None:
    odd = ["", "\x00", "half \ud800", "\udfff", "a\r\nb", "x" * 100_000]
    for name in ("a.jsonl", "a.jsonl.gz"):
        engine = engine_of(write(tmp_path / name, [{"prompt": text, "text": text} for text in odd]))
        assert texts(engine, *(ask(text) for text in odd)) == odd


def test_a_missing_sample_is_an_error_that_names_it(tmp_path: Path) -> None:
    rows = [{"prompt": "shots " * 500 + "Two\tand\x00 two?\n", "sample_index": i, "text": "4"} for i in (0, 1, 2, 5)]
    for number in range(5):
        write(tmp_path / f"part{number}.jsonl", rows)
    engine = engine_of(tmp_path / "*.jsonl")
    found = []
    with pytest.raises(EngineError) as caught:
        found += engine.stream([ask(str(rows[0]["prompt"]), 5)])
    error = caught.value
    assert not error.retryable
    assert error.where == "p.yaml:4"
    assert "sample 3 of the prompt '...hots shots" in error.what
    assert "Two and two?': of its samples 0, 1, 2, 5 are there (20 rows in part0.jsonl, " in error.what
    assert "part1.jsonl, part2.jsonl and 2 more)" in error.what
    assert len(error.what.split("'")[1]) == 80
    stream = engine.stream([ask(str(rows[0]["prompt"]), 2), ask("unknown")])
    results = [next(stream), next(stream)]
    with pytest.raises(EngineError, match="none of its samples is there"):
        next(stream)
    assert len(results) == 2, "what was found before is given"


BAD: list[tuple[str, str]] = [
    ('{"prompt": "q"', "a.jsonl:2: the line is no JSON"),
    ("[1]", "a.jsonl:2: the line is no JSON object"),
    ('{"prompt": "q"}', "a.jsonl:2: the text is None, not a text"),
    ('{"prompt": "q", "text": 5}', "a.jsonl:2: the text is 5"),
    ('{"text": "t"}', "a.jsonl:2: the prompt is None"),
    ('{"prompt": ["q"], "text": "t"}', r"a.jsonl:2: the prompt is \['q'\]"),
    ('{"messages": {"role": "user"}, "text": "t"}', "a.jsonl:2: the messages are"),
    ('{"messages": [{"role": "user"}], "text": "t"}', "a.jsonl:2: the message .* has no role and content"),
    ('{"messages": "[", "text": "t"}', "a.jsonl:2: the messages are a text that is no JSON"),
    ('{"prompt": "q", "mode": "talk", "text": "t"}', "a.jsonl:2: the mode is 'talk'"),
    ('{"prompt": "q", "text": "t", "sample_index": -1}', "a.jsonl:2: the sample index is -1"),
    ('{"prompt": "q", "text": "t", "sample_index": 1.5}', "a.jsonl:2: the sample index is 1.5"),
    ('{"prompt": "q", "text": "t", "sample_index": true}', "a.jsonl:2: the sample index is True"),
    ('{"prompt": "q", "text": "t", "sample_index": 1e999}', "a.jsonl:2: the sample index is inf"),
    ('{"prompt": "q", "text": "t", "prompt_tokens": -3}', "a.jsonl:2: prompt_tokens is -3"),
    ('{"prompt": "q", "text": "t", "sampling": "{"}', "a.jsonl:2: the sampling is '{', which is no JSON"),
    ('{"prompt": "q", "text": "t", "sampling": {"temperature": 1, "beam": 3}}', "a.jsonl:2: the sampling says 'beam'"),
    ('{"prompt": "q", "text": "t", "sampling": {"temperature": "hot"}}', "a.jsonl:2: .*wrong type"),
    ('{"prompt": "q", "text": "t", "sampling": {"top_p": 1}}', "a.jsonl:2: .*does not say the temperature"),
    ("[" * 100_000, "a.jsonl:2: the line is no JSON"),
    ('{"prompt": "q", "text": "\\xff"}', "a.jsonl:2: the line is no JSON"),
]


@pytest.mark.parametrize(("line", "says"), BAD, ids=[says for _, says in BAD])
def test_a_bad_row_is_an_error_with_file_and_line(tmp_path: Path, line: str, says: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "q", "text": "t"}\n' + line + "\n", encoding="utf-8")
    engine = engine_of(path)
    engine.check()
    with pytest.raises(EngineError, match=says):
        engine.start()
    engine.stop()


def test_bytes_that_are_no_utf8_and_lines_that_are_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "q", "text": "t"}\n\n{"prompt": "\xff", "text": "t"}')
    with pytest.raises(EngineError, match="a.jsonl:3: the line is no JSON"):
        engine_of(path).start()
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "q", "text": "t"}\n\n  \n{"prompt": "r", "text": "s"}')
    assert texts(engine_of(path), ask("q"), ask("r")) == ["t", "s"]
    monkeypatch.setattr("resources.engines.files.reading.MAX_ROW_BYTES", 1 << 20)
    write(path, [{"prompt": "q", "text": "t" * (1 << 20)}])
    with pytest.raises(EngineError, match="a.jsonl:1: the line is longer than 1 MiB"):
        engine_of(path).start()


def test_bad_rows_of_parquet_have_their_number(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [{"prompt": "q", "text": "t"}, {"prompt": "r", "text": None}])
    with pytest.raises(EngineError, match="a.parquet:2: the text is None"):
        engine_of(path).start()
    pq.write_table(pa.table({"prompt": ["q"], "text": [b"bytes"]}), path)
    with pytest.raises(EngineError, match="a.parquet:1: the text is b'bytes'"):
        engine_of(path).start()


def test_check_sees_files_endings_columns_and_damage(tmp_path: Path) -> None:
    good = write(tmp_path / "good.jsonl", [{"prompt": "q", "text": "t"}])
    other = write(tmp_path / "other.parquet", [{"prompt": "q", "answer": "t"}])
    chat = write(tmp_path / "chat.jsonl", [{"question": "q", "text": "t"}])
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "broken.jsonl.gz").write_bytes(b"\x1f\x8b no gzip")
    (tmp_path / "notes.txt").touch()
    engine_of(good, other, columns={}).weights_id()
    for paths, says in (
        ([tmp_path / "nothing.jsonl"], "no file is there for .*nothing.jsonl"),
        ([good, tmp_path / "nothing*.jsonl"], r"no file is there for .*nothing\*"),
        ([tmp_path / "notes.txt"], "'notes.txt' is none that completions are read from"),
        ([good, other], r"other.parquet: it has no column 'text' \(columns there: answer, prompt\)"),
        ([chat], "chat.jsonl: it has no column 'prompt'"),
        ([tmp_path / "empty.jsonl"], "empty.jsonl: it holds no row"),
        ([tmp_path / "broken.parquet"], "broken.parquet: the file is damaged"),
        ([tmp_path / "broken.jsonl.gz"], "broken.jsonl.gz: the file is damaged|broken.jsonl.gz: it cannot be read"),
    ):
        with pytest.raises(EngineError, match=says) as caught:
            engine_of(*paths).check()
        assert caught.value.where == "p.yaml:4"
    engine_of(other, columns={"text": "answer"}).check()
    with pytest.raises(RecipeError, match="'txt' is none of prompt, messages"):
        engine_of(good, columns={"txt": "answer"})
    with pytest.raises(RecipeError, match="paths"):
        make_engine("files", {"paths": []}, "p.yaml:4", tmp_path)


def test_weights_are_declared_or_the_hash_of_the_contents(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "text": "t"}]
    one = engine_of(write(tmp_path / "a.jsonl", rows)).weights_id()
    assert one.startswith("files:sha256:")
    assert engine_of(write(tmp_path / "renamed.jsonl", rows)).weights_id() == one
    assert engine_of(write(tmp_path / "b.jsonl", [*rows, *rows])).weights_id() != one
    assert engine_of(tmp_path / "a.jsonl", columns={"reasoning": "thought"}).weights_id() != one
    named = engine_of(tmp_path / "a.jsonl", weights="hf:org/name@0123")
    assert named.weights_id() == "hf:org/name@0123"
    shown = named.describe()
    assert shown == {"engine": "files", "weights": "hf:org/name@0123", "paths": "a.jsonl"}
    assert str(tmp_path) not in str(shown)


def test_rows_of_other_weights_are_left_out(tmp_path: Path) -> None:
    rows = [{"prompt": "q", "text": name, "weights": name} for name in ("old", "new")]
    path = write(tmp_path / "a.jsonl", rows)
    assert texts(engine_of(path, weights="new"), ask("q")) == ["new"]
    with pytest.raises(EngineError, match="answers of several weights: new, old.*Say in `weights`"):
        engine_of(path).start()
    assert texts(engine_of(write(tmp_path / "b.jsonl", rows[:1])), ask("q")) == ["old"]


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"prompt": f"q{n}", "text": "t"} for n in range(9)])
    engine = engine_of(path)
    engine.start()
    write(path, [{"prompt": f"r{n}", "text": "other"} for n in range(9)])
    with pytest.raises(EngineError, match="a.jsonl was changed while it was read"):
        texts(engine, ask("q4"))
    os.truncate(path, 5)
    with pytest.raises(EngineError, match="a.jsonl was changed while it was read"):
        texts(engine, ask("q4"))


def test_index_tells_digests_with_equal_halves_apart() -> None:
    index = AnswerIndex()
    digests = [b"a" * 8 + b"b" * 8, b"a" * 8 + b"c" * 8, b"x" * 16]
    for place, (digest, said) in enumerate([(0, None), (1, None), (0, 4), (0, None), (1, 4), (2, 7), (0, 4)]):
        index.add(digests[digest], said, place % 2, place)
    index.finish()
    assert len(index) == 7
    assert [index.indices(digest) for digest in (*digests, b"y" * 16)] == [[0, 2, 4], [0, 4], [7], []]
    assert [index.find(digests[0], i) for i in range(5)] == [(0, 0), None, (1, 3), None, (0, 2)]
    assert index.find(digests[1], 4) == (0, 4)
    empty = AnswerIndex()
    empty.finish()
    assert empty.find(digests[0], 0) is None


def test_many_rows_are_indexed_in_little_memory_and_found_fast() -> None:
    """A million rows: what ``start`` does beside reading them."""
    index = AnswerIndex()
    digests = [digest128("files", str(number)) for number in range(20_000)]
    started = time.process_time()
    for place in range(1_000_000):
        index.add(digests[place % 20_000], None, 0, place)
    index.finish()
    assert time.process_time() - started < 8
    started = time.process_time()
    for number in range(5_000):
        assert index.find(digests[number], 33) == (0, 33 * 20_000 + number)
    assert time.process_time() - started < 1


def test_a_hundred_thousand_rows(tmp_path: Path) -> None:
    samples = 16
    prompts = [f"Problem {number}: {'words ' * 20}" for number in range(100_000 // samples)]
    rows = [
        {"prompt": prompt, "text": f"{prompt} {index}", "sample_index": index}
        for prompt in prompts
        for index in range(samples)
    ]
    random.Random(1).shuffle(rows)
    engine = engine_of(write(tmp_path / "a.jsonl", rows[:50_000]), write(tmp_path / "b.jsonl.gz", rows[50_000:]))
    started = time.process_time()
    engine.start()
    found = sum(1 for _ in answers(engine.stream([ask(prompt, samples) for prompt in prompts[:1_000]])))
    assert found == 1_000 * samples
    assert time.process_time() - started < 12  # 4 s on a free core
    assert texts(engine, ask(prompts[-1], samples)) == [f"{prompts[-1]} {index}" for index in range(samples)]
    engine.stop()


def places(results: Sequence[EngineResult]) -> list[tuple[int, int]]:
    return [(result.number, result.sample_index) for result in results]


def test_two_streams_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    engine = engine_of(write(tmp_path / "a.jsonl", [{"prompt": "q", "text": str(n)} for n in range(6)]))
    streams = [answers(engine.stream([ask("q", 6)])) for _ in range(2)]
    mixed = [next(stream) for _ in range(6) for stream in streams]
    assert [result.text for result in mixed] == [str(n) for n in range(6) for _ in range(2)]
    assert places(mixed) == [(5, n) for n in range(6) for _ in range(2)]
