"""What a build asks its engine for, counted where the engine hears it: nothing twice, with every engine that runs here.

Each test is one story of builds over one store: more samples, more seeds, other rows before and after generation, a
preview, another engine of the same weights. The counts of the run record must agree with what the engine heard.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dagster_project.cli import main
from resources.engines.catalog import engine_class, make_engine
from resources.engines.protocol import EngineRequest, answers
from tests.resources.engines.server.faulty_http import FaultyServer, Plan, Request, answer_of, choices, http, json_bytes

pytestmark = pytest.mark.slow

NAME = "sums"
UP_TO_SOLUTIONS = ("build", "--select", "+solutions")
ENGINES = ("scripted", "files", "server", "openvino")


@dataclass
class Heard:
    """Requests that engines pulled, since the last look."""

    requests: list[EngineRequest] = field(default_factory=list)

    def samples(self) -> int:
        """How many samples were asked for since the last call; each (prompt, index) once."""
        found = [(request.prompt.text, i) for request in self.requests for i in _indices(request)]
        assert len(found) == len(set(found)), "a sample was asked for twice in one build"
        self.requests.clear()
        return len(found)


def _indices(request: EngineRequest) -> range:
    return range(request.first, request.first + request.count)


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    """Listens to all engines."""
    listener = Heard()

    def note(requests: Iterable[EngineRequest]) -> Iterator[EngineRequest]:
        for request in requests:
            listener.requests.append(request)
            yield request

    for name in ENGINES:
        cls: Any = engine_class(name)
        monkeypatch.setattr(cls, "stream", _listening(cls.stream, note))
    return listener


def _listening(stream: Callable[..., Any], note: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, requests: stream(self, note(requests))


@dataclass(frozen=True)
class Story:
    """A project with an engine, and how much of it there is."""

    folder: Path
    role: Mapping[str, Any]
    problems: int
    weights: str

    def build(self, *arguments: str) -> None:
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            assert main(arguments or ("build",)) == 0
        finally:
            os.chdir(before)

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text, (name, old)
        (self.folder / name).write_text(text.replace(old, new), encoding="utf-8")

    def set_role(self, role: Mapping[str, Any]) -> None:
        words = {"profile": "scripted", "roles": {"solver": dict(role)}}
        (self.folder / "profiles/scripted.yaml").write_text(json.dumps(words))  # JSON is YAML

    def seeds(self) -> list[str]:
        return (self.folder / "seeds.jsonl").read_text().splitlines(keepends=True)

    def set_seeds(self, lines: Iterable[str]) -> None:
        (self.folder / "seeds.jsonl").write_text("".join(lines))

    def forget_all_but_requests(self) -> None:
        for name in ("versions", "fingerprints", "envs", "staging", "releases", "checks"):
            shutil.rmtree(self.folder / ".mathloom" / name, ignore_errors=True)

    def counts(self) -> dict[str, Any]:
        """Of the last build of the stage, as its run record has them."""
        stages = json.loads((self.folder / ".mathloom/envs" / NAME / "scripted.json").read_text())["stages"]
        record = self.folder / ".mathloom/fingerprints" / f"{stages['solutions']['fingerprint']}.json"
        return json.loads(record.read_text())["run"]["requests"]


def seed(number: int) -> str:
    problem = f"Crate {number} holds {number + 10} pears and {number % 7 + 3} plums. How many fruits are there?"
    return json.dumps({"problem": problem, "expected_answer": str(number + 13 + number % 7)}) + "\n"


def _project(folder: Path, problems: int) -> Path:
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert main(["init", NAME]) == 0
    finally:
        os.chdir(before)
    (folder / NAME / "seeds.jsonl").write_text("".join(seed(number) for number in range(problems)))
    return folder / NAME


def _scripted(_: pytest.FixtureRequest, __: Path) -> tuple[dict[str, Any], int]:
    return {"engine": "scripted"}, 100


def _server(request: pytest.FixtureRequest, _: Path) -> tuple[dict[str, Any], int]:
    server = FaultyServer(Plan(answer=_solved))
    server.start()
    request.addfinalizer(server.__exit__)
    return {"engine": "server", "weights": "w", "served_name": "org/m", "base_url": server.url}, 100


async def _solved(asked: Request) -> bytes:
    """Solutions with one box, as a model that is sometimes wrong writes them."""
    seed = asked.body["seed"]
    found = choices(
        asked.body, lambda i: f"Counting both kinds, sample {seed + i} finds $\\boxed{{{13 + (seed + i) % 3}}}$."
    )
    return http(200, json_bytes(answer_of(asked.body, choices=found)))


def _files(_: pytest.FixtureRequest, folder: Path) -> tuple[dict[str, Any], int]:
    """Forty answers to each of 101 problems, written by the scripted engine for the prompts that a build asks."""
    listener: list[EngineRequest] = []
    with pytest.MonkeyPatch.context() as patch:
        cls: Any = engine_class("scripted")
        patch.setattr(cls, "stream", _listening(cls.stream, lambda requests: _copied(requests, listener)))
        (folder / "other").mkdir()
        story = Story(_project(folder / "other", 101), {}, 101, "")
        story.edit("recipe.yaml", "samples: 4", "samples: 1")
        story.build(*UP_TO_SOLUTIONS)
    assert len(listener) == 101
    requests = [EngineRequest(i, each.prompt, each.sampling, i * 64, 0, 40) for i, each in enumerate(listener)]
    prompts = {request.number: request.prompt.text for request in requests}
    with (folder / "answers.jsonl").open("w", encoding="utf-8") as file:
        for result in answers(make_engine("scripted", {}, "test", folder).stream(requests)):
            row = {"prompt": prompts[result.number], "sample_index": result.sample_index, "text": result.text}
            file.write(json.dumps(row) + "\n")
    return {"engine": "files", "paths": [str(folder / "answers.jsonl")], "weights": "a-cluster-of-last-year"}, 100


def _copied(requests: Iterable[EngineRequest], to: list[EngineRequest]) -> Iterator[EngineRequest]:
    for request in requests:
        to.append(request)
        yield request


def _openvino(request: pytest.FixtureRequest, _: Path) -> tuple[dict[str, Any], int]:
    pytest.importorskip("openvino_genai")
    return {"engine": "openvino"}, 2


ROLES = {"scripted": _scripted, "files": _files, "server": _server, "openvino": _openvino}
MARKS = {"openvino": [pytest.mark.model]}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, [])) for name in ROLES])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Story:
    """A project of the given engine, with eight samples for each of its problems. Nothing is built yet."""
    role, problems = ROLES[request.param](request, tmp_path)
    engine = make_engine(role["engine"], {k: v for k, v in role.items() if k != "engine"}, "test", tmp_path / "cache")
    made = Story(_project(tmp_path, problems), role, problems, engine.weights_id())
    made.set_role(role)
    made.edit("recipe.yaml", "samples: 4", "samples: 8")
    made.edit("recipe.yaml", "row_count_between: {min: 1}", "row_count_between: {min: 0}")
    if request.param == "openvino":
        made.edit("recipe.yaml", "max_tokens: 120", "max_tokens: 30")
    return made


def test_nothing_is_asked_for_twice(story: Story, heard: Heard) -> None:
    problems = story.problems
    story.build()
    assert heard.samples() == 8 * problems

    story.edit("recipe.yaml", "samples: 8", "samples: 32")
    story.build(*UP_TO_SOLUTIONS)
    assert heard.samples() == 24 * problems, "growing from 8 to 32 samples asks for 24 a problem"
    counts = story.counts()
    assert (counts["total"], counts["reused"], counts["asked"]) == (32 * problems, 8 * problems, 24 * problems)

    story.set_seeds(reversed(story.seeds()))
    story.build(*UP_TO_SOLUTIONS)
    assert heard.samples() == 0, "the order of the seeds is no part of a request"

    story.edit("recipe.yaml", "min_solution_characters: 20", "min_solution_characters: 5")
    story.edit("recipe.yaml", "{kind: answers/extract}", "{kind: answers/extract, policy: {strip_units: false}}")
    story.edit("recipe.yaml", "{kind: sql/majority_answer}", "{kind: sql/majority_answer, mode: surface}")
    story.build()
    assert heard.samples() == 0, "filter, parser and vote come after generation"

    story.set_seeds([*story.seeds(), seed(problems)])
    story.build(*UP_TO_SOLUTIONS)
    assert heard.samples() == 32, "one seed more asks for its own samples"
    counts = story.counts()
    assert (counts["total"], counts["reused"], counts["asked"]) == (32 * (problems + 1), 32 * problems, 32)

    # All versions are gone, the completions are not: another engine of the same weights has nothing to answer.
    unrelated = story.folder / "unrelated.jsonl"
    unrelated.write_text('{"prompt": "unrelated", "text": "unrelated"}\n')
    story.set_role({"engine": "files", "paths": [str(unrelated)], "weights": story.weights})
    story.forget_all_but_requests()
    story.build(*UP_TO_SOLUTIONS)
    assert heard.samples() == 0, "the engine is no part of a request"
    counts = story.counts()
    assert counts["total"] == counts["reused"] == 32 * (problems + 1)
    assert counts["engine_seconds"] == 0


def test_what_a_preview_generated_is_reused(story: Story, heard: Heard) -> None:
    story.edit("recipe.yaml", "samples: 8", "samples: 3")
    story.build("preview", "-n", "2")
    previewed = heard.samples()
    assert previewed == 2 * 2, "two problems, two samples each"
    story.build(*UP_TO_SOLUTIONS)
    assert heard.samples() == 3 * story.problems - previewed
