"""Plans of real projects on the scripted engine: what is counted and estimated, and that builds ask just that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dagster_project.planning.make import roles_to_check
from dagster_project.planning.plan import Figure, Plan, StagePlan, known

ALL = (
    "answers",
    "clusters",
    "expected",
    "graded",
    "checked",
    "distinct",
    "fair_order",
    "train",
    "train_tiny",
    "release",
)


def reasons(plan: Plan) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for change in plan.changes:
        found[change.reason] = (*found.get(change.reason, ()), change.stage)
    return found


def stage(plan: Plan, name: str) -> StagePlan:
    return next(stage for stage in plan.generation if stage.stage == name)


def span(figure: Figure) -> tuple[float | None, float | None, str]:
    return figure.low, figure.high, figure.basis


def test_a_project_that_is_up_to_date_has_an_empty_plan(built: Path, plan_of: Callable[..., Plan]) -> None:
    plan = plan_of(built)
    assert (plan.changes, plan.generation, plan.unchanged) == ((), (), 14)
    assert plan.to_do == known(0)
    assert plan.costs == {}


def test_a_fresh_project_is_estimated_from_its_words(fresh: Path, plan_of: Callable[..., Plan]) -> None:
    plan = plan_of(fresh)
    assert reasons(plan) == {"never built": ("problems", "with_numbers", "short", "solutions", *ALL)}
    solutions = stage(plan, "solutions")
    assert span(solutions.rows_in) == (0, 9, "estimated")  # nine seeds; two filters may take any of them
    assert span(solutions.to_do) == (0, 36, "estimated")
    assert solutions.to_do.source == "rows of the source"
    assert span(solutions.reused) == (0, 0, "known")  # the store is empty
    assert span(solutions.tokens_out) == (0, 36 * 120, "estimated")
    assert solutions.tokens_out.source == "at most max_tokens = 120"
    assert solutions.seconds.basis == "unknown"
    assert solutions.cost.source == "no price in the profile"
    assert plan.hint.endswith("--select 'problems or with_numbers or short'")
    assert not (fresh / ".mathloom" / "usage.jsonl").exists()


def test_a_half_built_project_is_counted(
    half: Path, plan_of: Callable[..., Plan], command: Callable[..., tuple[int, str, str]], asked: Callable[..., int]
) -> None:
    plan = plan_of(half)
    assert reasons(plan) == {"never built": ("solutions", *ALL)}
    assert plan.unchanged == 3
    solutions = stage(plan, "solutions")
    assert (solutions.rows_in, solutions.to_do, solutions.reused) == (known(8), known(32), known(0))
    assert plan.hint == ""
    assert command(half, "build", "--select", "solutions")[0] == 0
    assert asked(half, "solutions") == 32


def test_grown_samples_ask_exactly_the_new_ones(
    project: Path,
    plan_of: Callable[..., Plan],
    edit: Callable[..., None],
    command: Callable[..., tuple[int, str, str]],
    asked: Callable[..., int],
) -> None:
    edit(project / "recipe.yaml", "samples: 4", "samples: 7")
    plan = plan_of(project)
    assert reasons(plan) == {"settings (samples)": ("solutions",), "input changed: solutions": ALL}
    solutions = stage(plan, "solutions")
    assert (solutions.requests, solutions.to_do, solutions.reused) == (known(56), known(24), known(32))
    assert solutions.tokens_out.source == "mean of 32 completions of the same prompts"
    assert solutions.seconds.basis == "estimated"
    assert solutions.seconds.source.startswith("measured: ")
    assert command(project, "build", "--select", "solutions")[0] == 0
    assert asked(project, "solutions") == 24
    assert plan_of(project, "solutions").changes == ()


def test_fewer_samples_ask_nothing(project: Path, plan_of: Callable[..., Plan], edit: Callable[..., None]) -> None:
    edit(project / "recipe.yaml", "samples: 4", "samples: 2")
    plan = plan_of(project)
    solutions = stage(plan, "solutions")
    assert (solutions.to_do, solutions.reused) == (known(0), known(16))
    assert (solutions.tokens_out, solutions.seconds) == (known(0), known(0))
    assert roles_to_check(plan) == []


def test_a_changed_filter_names_itself_and_what_is_below(
    project: Path, plan_of: Callable[..., Plan], edit: Callable[..., None]
) -> None:
    edit(project / "recipe.yaml", "min_solution_characters: 20", "min_solution_characters: 30")
    plan = plan_of(project)
    assert reasons(plan) == {"settings (min_solution_characters)": ("checked",), "input changed: checked": ALL[5:]}
    assert plan.generation == ()


def test_below_a_changed_stage_the_store_is_asked_for_its_yields(
    project: Path, plan_of: Callable[..., Plan], edit: Callable[..., None]
) -> None:
    edit(project / "recipe.yaml", "max_words: 60", "max_words: 55")
    edit(project / "recipe.yaml", "max_tokens: 120", "max_tokens: 130")
    plan = plan_of(project)
    assert reasons(plan)["settings (max_words)"] == ("short",)
    assert reasons(plan)["settings (max_tokens), input changed: short"] == ("solutions",)
    solutions = stage(plan, "solutions")
    assert solutions.rows_in.basis == "estimated"
    assert solutions.rows_in.low is not None
    assert 4 < solutions.rows_in.low < 8 == solutions.rows_in.high  # all 8 passed: at least 68 % with 95 %
    assert solutions.to_do.source == "yields of scripted"
    assert span(solutions.to_do)[1:] == (32, "estimated")
    assert span(solutions.reused) == (0, 32, "estimated")
    assert roles_to_check(plan) == [], "stored answers may serve what is only estimated"


def test_prompts_and_sources_are_reasons(
    project: Path, plan_of: Callable[..., Plan], edit: Callable[..., None]
) -> None:
    edit(project / "prompts" / "solve.yaml", "Solution:", "The solution:")
    with (project / "seeds.jsonl").open("a") as handle:
        handle.write('{"problem": "A box holds 11 rows of 30 eggs. How many eggs?", "expected_answer": "330"}\n')
    found = reasons(plan_of(project))
    assert found["source"] == ("problems",)
    assert found["prompts (solve), input changed: problems"] == ("solutions",)
    assert "input changed: problems" in found


def test_force_rebuilds_and_asks_nothing(built: Path, plan_of: Callable[..., Plan]) -> None:
    plan = plan_of(built, "solutions", "answers", force=True)
    assert reasons(plan) == {"--force": ("solutions", "answers")}
    assert stage(plan, "solutions").to_do == known(0)
    assert stage(plan, "solutions").reused == known(32)


def test_a_selection_reads_the_others_as_they_are(
    project: Path, plan_of: Callable[..., Plan], edit: Callable[..., None]
) -> None:
    edit(project / "recipe.yaml", "max_words: 60", "max_words: 12")
    edit(project / "recipe.yaml", "samples: 4", "samples: 5")
    plan = plan_of(project, "solutions")
    assert reasons(plan) == {"settings (samples)": ("solutions",)}
    assert stage(plan, "solutions").to_do == known(8), "the version of `short` that a build of `solutions` would read"


def test_a_selection_without_its_inputs_is_told(fresh: Path, plan_of: Callable[..., Plan]) -> None:
    plan = plan_of(fresh, "solutions")
    assert reasons(plan) == {"waits for short, which is neither built nor selected": ("solutions",)}
    assert plan.warnings == ("solutions: waits for short, which is neither built nor selected",)


def test_two_generation_stages_one_below_the_other(
    deep: Path,
    plan_of: Callable[..., Plan],
    command: Callable[..., tuple[int, str, str]],
    asked: Callable[..., int],
) -> None:
    plan = plan_of(deep)
    assert span(stage(plan, "more").to_do) == (18, 18, "estimated")
    assert span(stage(plan, "solutions").to_do) == (0, 54, "estimated")
    assert command(deep, "build", "--select", "problems")[0] == 0
    plan = plan_of(deep)
    assert stage(plan, "more").to_do == known(18)
    assert span(stage(plan, "solutions").to_do) == (0, 54, "estimated")
    assert command(deep, "build", "--select", "problems or more or new")[0] == 0
    assert asked(deep, "more") == 18
    counted = stage(plan_of(deep), "solutions")
    assert counted.to_do.is_known
    assert command(deep, "build")[0] == 0
    assert asked(deep, "solutions") == counted.to_do.low


def test_what_an_earlier_stage_of_the_plan_asks_is_reused(
    deep: Path, plan_of: Callable[..., Plan], command: Callable[..., tuple[int, str, str]], asked: Callable[..., int]
) -> None:
    recipe = deep / "recipe.yaml"
    first = "  first: {kind: generation/solve, inputs: {problems: problems}, role: solver, prompt: solve, samples: 3}\n"
    recipe.write_text(recipe.read_text() + first + first.replace("first", "again").replace("samples: 3", "samples: 5"))
    assert command(deep, "build", "--select", "problems")[0] == 0
    plan = plan_of(deep, "problems", "first", "again")
    assert (stage(plan, "first").to_do, stage(plan, "first").reused) == (known(27), known(0))
    assert (stage(plan, "again").to_do, stage(plan, "again").reused) == (known(18), known(27))
    assert plan.to_do == known(45)
    assert command(deep, "build", "--select", "first or again")[0] == 0
    assert sorted([asked(deep, "first"), asked(deep, "again")]) in ([0, 45], [18, 27])


def test_failed_requests_are_to_do_until_they_are_given_up(
    fresh: Path,
    plan_of: Callable[..., Plan],
    edit: Callable[..., None],
    command: Callable[..., tuple[int, str, str]],
) -> None:
    edit(fresh / "profiles" / "scripted.yaml", "{engine: scripted}", "{engine: scripted, lasting_failures: 0.3}")
    edit(
        fresh / "recipe.yaml",
        "max_tokens: 120",
        "max_tokens: 120\n    max_failure_share: 1\n    max_attempts: 2",
    )
    assert command(fresh, "build", "--select", "+solutions")[0] == 0
    plan = plan_of(fresh, "problems", "with_numbers", "short", "solutions")
    [change] = plan.changes
    solutions = stage(plan, "solutions")
    failed = solutions.to_do.least
    assert (change.state, change.reason) == ("retry", f"{failed:.0f} failed request(s) to ask again")
    assert 0 < failed < 32
    assert solutions.reused == known(32 - failed)
    assert command(fresh, "build", "--select", "+solutions")[0] == 0
    plan = plan_of(fresh, "problems", "with_numbers", "short", "solutions", force=True)
    assert stage(plan, "solutions").to_do == known(0)
    assert stage(plan, "solutions").given_up == known(failed)


def test_of_a_kind_of_several_waves_the_first_is_counted(
    fresh: Path, plan_of: Callable[..., Plan], command: Callable[..., tuple[int, str, str]]
) -> None:
    (fresh / "kinds.py").write_text(
        '"""Looks at its answers."""\nfrom assets.generation.solve import Solve\n\n\n'
        'class Patient(Solve):\n    name = "local/patient"\n    version = 1\n    waves = 3\n'
    )
    (fresh / "recipe.yaml").write_text(
        "recipe: sums\ntitle: sums\nsources:\n  seeds: {bundled: seeds.jsonl, licence: CC0-1.0}\nroles: [solver]\n"
        "stages:\n  problems: {kind: seeds/problems, source: seeds}\n"
        "  solutions: {kind: local/patient, inputs: {problems: problems}, role: solver, prompt: solve, samples: 2}\n"
    )
    assert span(stage(plan_of(fresh), "solutions").to_do) == (18, None, "estimated")
    assert command(fresh, "build", "--select", "problems")[0] == 0
    plan = plan_of(fresh)
    solutions = stage(plan, "solutions")
    assert span(solutions.to_do) == (18, None, "estimated")
    assert solutions.notes == ("the first of at most 3 waves; what the others ask depends on the answers",)
    assert roles_to_check(plan) == ["solver"]


def test_the_scale_of_the_paper_is_planned_without_a_network(tmp_path: Path, plan_of: Callable[..., Plan]) -> None:
    (tmp_path / "mathloom.toml").write_text(
        '[project]\nstore = "store"\n[recipes.openmathinstruct2]\nprofile = "paper"\n'
    )
    plan = plan_of(tmp_path, recipe="openmathinstruct2")
    assert plan.to_do.high == 26_584_362 + 674_730 * 5 * 2 * 3 + 60 * 2 * 3, "the judge, asked again as often as may be"
    assert {name: stage(plan, name).to_do.high for name in ("generated_math", "seed_solutions")} == {
        "generated_math": 600_000,
        "seed_solutions": 4_318_272,
    }
    assert all(stage.to_do.basis == "estimated" for stage in plan.generation)
    assert all(stage.seconds.basis == "unknown" for stage in plan.generation)
    assert [warning.split(":")[0] for warning in plan.warnings] == [
        *("gsm8k", "math", "test_gsm8k_test", "test_math_test", "test_college_math"),
    ]
    assert "mathloom update" in plan.warnings[0]
    assert plan.hint == "", "its seeds cannot be read yet"


def test_the_same_store_gives_the_same_json(built: Path, plan_of: Callable[..., Plan]) -> None:
    first, second = (plan_of(built, "solutions", force=True).to_json() for _ in range(2))
    assert first == second
    assert list(first) == [
        "format", "recipe", "profile", "stages", "unchanged", "generation", "total", "limits", "warnings", "hint",
    ]  # fmt: skip
    [one] = first["generation"]
    assert one["to_do"] == {"low": 0, "high": 0, "basis": "known", "source": ""}
    assert one["price"] is None


def test_engines_will_start_for_certain_where_the_store_has_nothing_of_their_weights(
    deep: Path, plan_of: Callable[..., Plan], edit: Callable[..., None], command: Callable[..., tuple[int, str, str]]
) -> None:
    assert roles_to_check(plan_of(deep)) == ["solver"]
    assert command(deep, "build", "--select", "problems or more")[0] == 0
    edit(deep / "seeds.jsonl", "How many", "Tell how many")
    assert roles_to_check(plan_of(deep)) == [], "what is stored may be enough"
    edit(deep / "profiles" / "scripted.yaml", "{engine: scripted}", "{engine: scripted, seed: 5}")
    assert roles_to_check(plan_of(deep)) == ["solver"], "other weights"
