"""The shipped prompts: layout, counts of examples, right examples, and cues that the scripted engine understands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import assets.recipes
from assets.contamination.judge import read_verdict
from assets.contamination.judge_kind import Judge
from assets.generation.augment import Augment
from assets.generation.new_problem import NoProblem, read_new_problem
from assets.generation.prompts import PromptFile
from assets.generation.solve import Solve
from resources.boxes import count_box_commands, last_box
from resources.engines.catalog import make_engine
from resources.engines.protocol import EngineRequest, Sampling, answers

RECIPES = Path(assets.recipes.__file__).parent


@dataclass(frozen=True)
class Shipped:
    recipe: str
    name: str
    examples: int

    @property
    def id(self) -> str:
        return f"{self.recipe}/{self.name}"

    def load(self) -> PromptFile:
        return PromptFile.load(RECIPES / self.recipe / "prompts" / f"{self.name}.yaml")


SOLVE = [
    Shipped("openmathinstruct2", "solve_math", 4),
    Shipped("openmathinstruct2", "solve_gsm8k", 5),
    Shipped("quickstart", "solve", 4),
]
AUGMENT = [
    Shipped("openmathinstruct2", "augment_math", 4),
    Shipped("openmathinstruct2", "augment_gsm8k", 8),
    Shipped("quickstart", "augment", 4),
]
JUDGE = Shipped("openmathinstruct2", "judge", 0)
PROBLEM = "Ann has 21 plums and gets 4 more. How many plums does Ann have altogether?"


def test_every_prompt_file_is_held_by_this_table() -> None:
    files = {f"{path.parents[1].name}/{path.stem}" for path in RECIPES.glob("*/prompts/*.yaml")}
    assert files == {shipped.id for shipped in [*SOLVE, *AUGMENT, JUDGE]}


@pytest.mark.parametrize("shipped", [*SOLVE, *AUGMENT], ids=lambda shipped: shipped.id)
def test_counts_layout_and_stops(shipped: Shipped) -> None:
    prompt = shipped.load()
    kind = Solve if shipped in SOLVE else Augment
    cue = "Solution" if shipped in SOLVE else "New problem"
    assert (prompt.words.mode, prompt.variables) == ("raw", {"problem"})
    assert prompt.variables <= kind.prompt_variables
    assert len(prompt.words.examples) == shipped.examples
    text = prompt.render({"problem": PROBLEM}).text
    assert text.endswith(f"Problem:\n{PROBLEM}\n\n{cue}:\n")
    assert len(re.findall("^Problem:$", text, re.MULTILINE)) == shipped.examples + 1
    assert any(stop in ("\n\nProblem:", "\nProblem:") for stop in prompt.stop)
    for stop in prompt.stop:
        for example in prompt.words.examples:
            assert all(stop not in value for value in example.values()), "an example would be stopped in its middle"
    if shipped.recipe == "openmathinstruct2":
        assert "\n" * 6 in prompt.stop
        assert text.count("\n" * 6) == shipped.examples + 1
        assert "\n" * 7 not in text


@pytest.mark.parametrize("shipped", SOLVE, ids=lambda shipped: shipped.id)
def test_a_worked_example_ends_in_its_only_box(shipped: Shipped) -> None:
    for example in shipped.load().words.examples:
        solution = example["solution"]
        assert count_box_commands(solution) == 1
        assert last_box(solution)
        assert "box" in solution.splitlines()[-1]
        for line in re.finditer(r"([\d.]+) ([-+*/]) ([\d.]+) = (\d+)", solution):
            a, b, result = float(line[1]), float(line[3]), float(line[4])
            assert {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[line[2]] == pytest.approx(result), line[0]


@pytest.mark.parametrize("shipped", AUGMENT, ids=lambda shipped: shipped.id)
def test_an_example_of_a_new_problem_would_be_kept(shipped: Shipped) -> None:
    for example in shipped.load().words.examples:
        found = read_new_problem(example["new_problem"], example["problem"], is_cut=False)
        assert found == example["new_problem"]


@pytest.mark.parametrize("shipped", [*SOLVE, *AUGMENT], ids=lambda shipped: shipped.id)
def test_the_scripted_engine_knows_what_is_asked(shipped: Shipped, tmp_path: Path) -> None:
    prompt = shipped.load()
    engine = make_engine("scripted", {}, "test", tmp_path)
    sampling = Sampling(temperature=1.0, stop=prompt.stop)
    request = EngineRequest(0, prompt.render({"problem": PROBLEM}), sampling, seed_base=7, first=0, count=200)
    texts = [result.text for result in answers(engine.stream([request]))]
    if shipped in SOLVE:
        assert sum(last_box(text) == "25" for text in texts) > 100
    else:
        found = [read_new_problem(text, PROBLEM, is_cut=False) for text in texts]
        assert 0 < sum(isinstance(item, NoProblem) for item in found) < 40
        assert not any("boxed" in item for item in found if isinstance(item, str))


@pytest.mark.parametrize(("other", "is_same"), [(PROBLEM.replace("Ann", "Eve"), True), (PROBLEM + " 3?", False)])
def test_the_judge_is_asked_for_one_word_about_both_problems(other: str, is_same: bool, tmp_path: Path) -> None:
    prompt = JUDGE.load()
    assert (prompt.words.mode, prompt.variables) == ("chat", Judge.prompt_variables)
    asked = prompt.render({"first": PROBLEM, "second": other})
    assert asked.messages[-1][1].endswith("Answer with one word, True or False.")
    engine = make_engine("scripted", {"missing_verdicts": 0, "wrong_verdicts": 0}, "test", tmp_path)
    request = EngineRequest(0, asked, Sampling(temperature=1.0, stop=prompt.stop), seed_base=7, first=0, count=50)
    texts = {result.text or "" for result in answers(engine.stream([request]))}
    assert len(texts) > 3, "a judge says it in several ways"
    assert {read_verdict(text) for text in texts} == {str(is_same).lower()}
