"""``mathloom requests import``: rows of users' files become answers of a stage's requests, each sample once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dagster_project.completion_files import binding, exporting, importing, planning

Write = Callable[..., str]
Texts = Mapping[tuple[str, int], str]


def imported(
    pens: Any, capsys: pytest.CaptureFixture[str], *arguments: str, stage: str = "solutions"
) -> dict[str, Any]:
    """The figures of an import that works."""
    capsys.readouterr()
    assert pens.run("requests", "import", "pens", stage, *arguments, "--yes", "--json") == 0
    return json.loads(capsys.readouterr().out)


def refused(pens: Any, capsys: pytest.CaptureFixture[str], *arguments: str, stage: str = "solutions") -> str:
    """The one line of an import that does not, with nothing stored."""
    before = pens.stored()
    capsys.readouterr()
    assert pens.run("requests", "import", "pens", stage, *arguments) == 2
    assert pens.stored() == before
    return capsys.readouterr().err.strip().splitlines()[-1]


def nemo(write: Write, problems: list[str], *, seeds: int = 3, name: str = "output-rs{}.jsonl") -> list[str]:
    """Files as NeMo-Skills writes them: one a seed, line i for problem i."""
    return [
        write(
            name.format(seed),
            *(
                {"generation": f"{seed}: {text}", "num_generated_tokens": 9, "problem": text, "expected_answer": "10"}
                for text in problems
            ),
        )
        for seed in range(seeds)
    ]


def problems_of(pens: Any) -> list[str]:
    return list(dict.fromkeys(problem for problem, _ in list(pens.keys())))


def test_files_of_nemo_skills(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    problems = problems_of(pens)
    files = nemo(write, list(reversed(problems)))  # matched by problem: the order of the lines is of no account
    found = imported(pens, capsys, *files)
    assert (found["match"], found["sample_from"], found["text_column"]) == (
        "problem",
        "seed N of output-rsN",
        "generation",
    )
    assert (found["rows"], found["imported"], found["to_ask"]) == (21, 21, 0)
    assert pens.texts() == {(text, seed): f"{seed}: {text}" for text in problems for seed in range(3)}
    (row, *_) = pens.stored().values()
    assert (row["engine"], row["completion_tokens"], row["finish_reason"]) == ("import", 9, "stop")
    again = imported(pens, capsys, *files)
    assert (again["imported"], again["already_stored"]) == (0, 21)
    assert pens.run("build", "--select", "solutions") == 0
    run = pens.built("solutions")["run"]["requests"]
    assert (run["asked"], run["completed"], run["reused"]) == (0, 0, 21)


def test_a_build_asks_only_for_what_the_files_lack(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    files = nemo(write, problems_of(pens))
    found = imported(pens, capsys, files[0], files[2])  # sample 1 is missing: the seed is the sample
    assert found["to_ask"] == 7
    assert {index for _, index in pens.texts()} == {0, 2}
    assert pens.run("build", "--select", "solutions") == 0
    run = pens.built("solutions")["run"]["requests"]
    assert (run["completed"], run["reused"]) == (7, 14)


def test_more_samples_than_the_stage_asks_for_are_kept_for_later(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    files = nemo(write, problems_of(pens), seeds=5)
    assert imported(pens, capsys, *files, "--samples", "4", "--dry-run")["beyond"] == 7
    found = imported(pens, capsys, *files)
    assert (found["new"], found["extra"], found["to_ask"]) == (35, 14, 0)
    recipe = pens.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("samples: 3", "samples: 5"))
    assert pens.run("build", "--select", "solutions") == 0
    assert pens.built("solutions")["run"]["requests"]["asked"] == 0


def test_lines_are_rows_of_the_stage_where_no_problem_is_named(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = problems_of(pens)
    lines = [{"generation": f"text {i}"} for i in range(len(problems))]
    chunks = [write("output-rs0_chunk_0.jsonl", *lines[:3]), write("output-rs0_chunk_1.jsonl", *lines[3:])]
    unfinished = write("output-rs1.jsonl-async", *({"generation": f"late {i}", "_async_position": i} for i in (5, 2)))
    found = imported(pens, capsys, *chunks, unfinished)
    assert (found["match"], found["imported"], found["to_ask"]) == ("position", 9, 12)
    expected = {(text, 0): f"text {i}" for i, text in enumerate(problems)}
    assert pens.texts() == expected | {(problems[i], 1): f"late {i}" for i in (5, 2)}
    too_many = write("more/output-rs2.jsonl", *lines, {"generation": "one too many"})
    found = imported(pens, capsys, too_many)
    assert (found["imported"], found["unmatched"]) == (7, 1)
    assert "output-rs2.jsonl:8: the stage asks for nothing at this place" in found["examples"]["unmatched"][0]


def test_a_problem_at_another_place_stops_the_import(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = problems_of(pens)
    problems[2], problems[3] = problems[3], problems[2]
    (file,) = nemo(write, problems, seeds=1)
    said = refused(pens, capsys, file, "--match", "position", "--yes")
    assert said.startswith(f"error: {file}:3: the row names another problem than the stage has at its place")


def test_samples_are_counted_by_order_or_read_from_a_column(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = problems_of(pens)[:2]
    rows = [{"question": text, "answer": f"{i}"} for i, text in enumerate((one, two, one, one))]
    found = imported(pens, capsys, write("a.jsonl", *rows))
    assert (found["match"], found["sample_from"]) == ("problem", "order of appearance from 0")
    assert pens.texts() == {(one, 0): "0", (two, 0): "1", (one, 1): "2", (one, 2): "3"}
    imported(pens, capsys, write("b.jsonl", {"question": two, "answer": "later"}), "--first-sample", "2")
    assert pens.texts()[two, 2] == "later"
    numbered = [
        {"q": two, "out": "third", "k": 1},
        {"q": two, "out": "again", "k": 1},
        {"q": two, "out": "x", "k": "1"},
    ]
    found = imported(
        pens, capsys, write("c.jsonl", *numbered), "--text", "out", "--problem", "q", "--sample-index", "k"
    )
    assert (found["imported"], found["repeated"], found["bad"]) == (1, 1, 1)
    assert pens.texts()[two, 1] == "third"


def test_seeds_that_do_not_begin_at_zero(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    (one, *_) = problems_of(pens)
    files = [write(f"output-rs{seed}.jsonl", {"problem": one, "generation": f"{seed}"}) for seed in (1007, 1002)]
    assert imported(pens, capsys, *files, "--dry-run")["extra"] == 2
    imported(pens, capsys, *files, "--first-sample", "0")
    assert pens.texts() == {(one, 0): "1002", (one, 1): "1007"}


def test_prompts_and_messages(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    (one, *_) = problems_of(pens)
    system, user = {"role": "system", "content": "You are brief."}, {"role": "user", "content": one}
    rows = [
        {"messages": [system, user], "response": "10", "reasoning_content": "11 - 1", "finish_reason": "length"},
        {"messages": [system, user], "response": "temperature 0 has one answer"},
        {"messages": [user], "response": "another prompt"},
        {"messages": "no messages", "response": "a"},
    ]
    found = imported(pens, capsys, write("a.jsonl", *rows), stage="spoken")
    assert found["match"] == "prompt"
    assert (found["imported"], found["repeated"], found["unmatched"], found["bad"]) == (1, 1, 1, 1)
    assert pens.texts("spoken") == {(one, 0): "10"}
    ((row),) = pens.stored().values()
    assert (row["reasoning"], row["finish_reason"]) == ("11 - 1", "length")


def test_hostile_texts_are_stored_as_they_are(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, three, *_ = problems_of(pens)
    rows = [
        {"problem": f"  {one}\n", "text": "a \ud800 b \x00"},
        {"problem": two, "text": ""},
        {"problem": three, "text": "x" * 1_000_000},
        {"problem": one + "\udfff", "text": "no such problem"},
    ]
    found = imported(pens, capsys, write("a.jsonl", *rows))
    assert (found["imported"], found["unmatched"]) == (3, 1)
    assert pens.texts() == {(one, 0): "a \ufffd b \x00", (two, 0): "", (three, 0): "x" * 1_000_000}
    assert {row["raw"] for row in pens.stored().values()} == {b"a \xed\xa0\x80 b \x00", None}


def test_bad_lines_are_told_and_kept_apart(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    (one, *_) = problems_of(pens)
    file = write(
        "a.jsonl",
        {"problem": one, "text": "good"},
        "{broken",
        {"problem": one},
        {"problem": one, "text": 7},
        {"problem": None, "text": "a"},
        {"problem": "never asked", "text": "a"},
    )
    rejects = str(Path(file).with_name("rejects.jsonl"))
    assert pens.run("requests", "import", "pens", "solutions", file, "--rejects", rejects, "--yes") == 0
    said = capsys.readouterr().out
    assert "new                     1" in said
    assert "bad                     4  no completion" in said
    assert f"{file}:2: the line is not JSON" in said
    assert f"{file}:6: no row of the stage has this problem" in said
    written = [json.loads(line) for line in Path(rejects).read_text().splitlines()]
    assert [(row["line"], row["sort"]) for row in written] == [(n, "bad") for n in (2, 3, 4, 5)] + [(6, "unmatched")]
    assert written[3]["reason"] == "'problem' is None, which is no text"


def test_nothing_is_stored_before_somebody_agreed(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    files = nemo(write, problems_of(pens))
    said = refused(pens, capsys, *files)
    assert said.startswith("error: mathloom requests import: nobody can be asked here for confirmation")
    assert pens.run("requests", "import", "pens", "solutions", *files, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "weights   scripted:1:" in said
    assert "sampling  temperature 0.7, max_tokens 200, stop ['\\n\\nProblem:'" in said
    assert not pens.stored()


@pytest.mark.parametrize(("word", "code", "count"), [("y", 0, 21), ("n", 1, 0)])
def test_a_person_at_a_terminal_is_asked(
    pens: Any, write: Write, monkeypatch: pytest.MonkeyPatch, word: str, code: int, count: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(f"{word}\n"))
    files = nemo(write, problems_of(pens))
    assert pens.run("requests", "import", "pens", "solutions", *files) == code
    assert len(pens.stored()) == count


@pytest.mark.parametrize(
    ("stage", "row", "words"),
    [
        ("solutions", {"problem": "never asked", "text": "a"}, "none of the 1 rows answers a request of this stage"),
        ("solutions", {"a": "b"}, "no column is known as the text"),
        ("solutions", {"text": "b"}, "nothing says which problem a row answers"),
        ("solution", {"text": "b"}, "unknown stage 'solution'"),
        ("problems", {"text": "b"}, "asks no model"),
    ],
)
def test_files_that_say_nothing_to_the_stage(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str], stage: str, row: dict[str, str], words: str
) -> None:
    assert words in refused(pens, capsys, write("a.jsonl", row), "--yes", stage=stage)


def test_empty_and_unreadable_files(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no row can be read" in refused(pens, capsys, write("a.jsonl"), "--yes")
    assert "no such file" in refused(pens, capsys, "gone.jsonl", "--yes")


def test_rows_above_must_be_built(pens: Any, write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    files = nemo(write, problems_of(pens))
    (pens.store / "envs/pens/scripted.json").unlink()
    assert pens.run("requests", "import", "pens", "solutions", *files, "--yes") == 1
    assert (
        capsys.readouterr()
        .err.strip()
        .endswith(
            "the rows of 'problems' are not built under the profile 'scripted'. "
            "Build them first: mathloom build pens --profile scripted --select '+problems'"
        )
    )


def test_an_import_that_ended_early_goes_on(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = nemo(write, problems_of(pens))
    records = importing._records

    def stopping(prepared: importing.Prepared) -> Any:
        for at, record in enumerate(records(prepared)):
            if at == 11:
                raise KeyboardInterrupt
            yield record

    with monkeypatch.context() as patched:
        patched.setattr(importing, "TOGETHER_ROWS", 5)
        patched.setattr(importing, "_records", stopping)
        assert pens.run("requests", "import", "pens", "solutions", *files, "--yes") == 130
    found = imported(pens, capsys, *files)
    assert (found["already_stored"], found["imported"]) == (10, 11)
    assert len(pens.texts()) == 21


def test_a_file_that_changes_meanwhile_is_not_trusted(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = nemo(write, problems_of(pens), seeds=1)
    plan = importing.plan

    def changing(*arguments: Any) -> Any:
        with Path(file).open("a") as handle:
            handle.write("{}\n")
        return plan(*arguments)

    monkeypatch.setattr(importing, "plan", changing)
    assert "the file changed while it was imported" in refused(pens, capsys, file, "--yes")


def test_small_batches_give_the_same(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in (
        (binding, "BATCH_ROWS"),
        (binding, "WRITE_ROWS"),
        (planning, "READ_ROWS"),
        (importing, "TOGETHER_ROWS"),
        (exporting, "BATCH_ROWS"),
        (exporting, "WRITE_ROWS"),
    ):
        monkeypatch.setattr(module, name, 2)
    monkeypatch.setattr(importing, "TOGETHER_CHARACTERS", 50)
    problems = problems_of(pens)
    imported(pens, capsys, *nemo(write, problems))
    expected = {(text, seed): f"{seed}: {text}" for text in problems for seed in range(3)}
    assert pens.texts() == expected
    path = Path(write("x.jsonl"))
    assert pens.run("requests", "export", "pens", "solutions", "--to", str(path), "--force") == 0
    assert [json.loads(line)["text"] for line in path.read_text().splitlines()] == list(expected.values())


def test_requests_that_were_given_up_are_answered_by_an_import(
    pens: Any, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = pens.folder / "profiles" / "scripted.yaml"
    profile.write_text("profile: scripted\nroles:\n  solver: {engine: scripted, permanent_failures: 0.5}\n")
    assert pens.run("build", "--select", "solutions") == 0
    given_up = 21 - len(pens.texts())
    assert given_up > 3
    assert pens.built("solutions")["pending"] == 0
    found = imported(pens, capsys, *nemo(write, problems_of(pens)))
    assert (found["imported"], found["already_stored"]) == (given_up, 21 - given_up)
    assert pens.run("build", "--select", "solutions") == 0
    built = pens.built("solutions")
    assert (built["run"]["requests"]["asked"], built["pending"]) == (0, 0)
    assert built["run"]["requests"]["reused"] == 21
