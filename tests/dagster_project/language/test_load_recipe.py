"""What a recipe becomes: stages, bindings, order, settings, roles, sources, splits, release."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dagster_project.language.load import Rooms, find_project_file, load_project, load_recipe, shipped_recipes
from dagster_project.language.preview import preview
from dagster_project.language.resolved import Recipe, Ref
from resources.errors import RecipeError

Load = Callable[..., Recipe]
RECIPE = "demo/recipe.yaml"
PROFILE = "demo/profiles/local.yaml"


def graph(recipe: Recipe) -> dict[str, dict[str, list[str]]]:
    """Stage -> formal input -> tables: a graph, without kinds."""
    return {
        name: {formal: [str(ref) for ref in refs] for formal, refs in stage.inputs.items()}
        for name, stage in recipe.stages.items()
    }


def test_golden_graph(load: Load, hold_graph: Callable[[Recipe], None]) -> None:
    hold_graph(load())


def test_graph(load: Load) -> None:
    assert graph(load()) == {
        "red": {},
        "blue": {},
        "seeds": {"problems": ["red", "blue"], "known": []},
        "from_red": {"problems": ["red"]},
        "from_blue": {"problems": ["blue"]},
        "seed_solutions": {"problems": ["seeds"]},
        "seed_votes": {"solutions": ["seed_solutions"]},
        "merged": {"solutions": ["seed_votes"]},
        "train": {"ordered": ["merged"]},
        "train_small": {"ordered": ["merged"]},
        "release": {"splits": ["train", "train_small"], "problems": ["seeds"]},
    }


def test_words_of_the_recipe(load: Load) -> None:
    recipe = load()
    assert (recipe.name, recipe.profile, recipe.title) == ("demo", "local", "A demo")
    assert recipe.description == "Shows everything."
    assert recipe.owners == ("team:data",)
    assert recipe.splits == {"train": None, "train_small": 10}
    assert recipe.release == {"licence": "MIT"}
    assert recipe.stages["release"].settings.model_dump() == {"mode": "shared"}
    assert recipe.stages["train_small"].settings.model_dump() == {"rows": 10}
    assert [check.test for check in recipe.stages["seeds"].checks] == ["row_count_between"]
    assert (recipe.stages["merged"].place.path.name, recipe.stages["merged"].place.line) == ("recipe.yaml", 27)


def test_settings_roles_and_prompts_of_a_piece(load: Load) -> None:
    stage = load().stages["seed_solutions"]
    assert stage.settings.model_dump() == {"prompt": "solve", "samples": 4, "temperature": 1.0}
    assert (stage.role, stage.prompts, stage.is_generation) == ("teacher", ("solve",), True)
    assert stage.place.path.name == "solving.yaml"


def test_sources_are_relative_to_the_project(load: Load, tmp_path: Path) -> None:
    sources = load().sources
    assert sources["blue"].path == tmp_path / "project" / "data" / "blue.jsonl"
    assert (sources["red"].bundled, sources["red"].licence) == ("seeds.jsonl", "MIT")


def test_written_order_is_no_matter(load: Load) -> None:
    text = "  seeds:\n    kind: fake/union\n    inputs: {problems: [red, blue]}\n"
    recipe = load((RECIPE, text, ""), (RECIPE, "checks:\n", text + "checks:\n"))
    names = list(recipe.stages)
    assert names.index("seeds") < names.index("seed_solutions")
    assert graph(recipe)["seeds"] == {"problems": ["red", "blue"], "known": []}


REFERENCES = {
    "pattern stands for all its stages": ("[seed_votes]", '"from_{colour}"', ["from_red", "from_blue"]),
    "pattern beside a name": ("[seed_votes]", '[seed_votes, "from_{colour}"]', ["seed_votes", "from_red", "from_blue"]),
    "twice named is bound once": ("[seed_votes]", "[seed_votes, seed_votes]", ["seed_votes"]),
    "one name needs no list": ("[seed_votes]", "seed_votes", ["seed_votes"]),
}


@pytest.mark.parametrize(("old", "new", "bound"), REFERENCES.values(), ids=REFERENCES)
def test_references(load: Load, old: str, new: str, bound: list[str]) -> None:
    recipe = load((RECIPE, old, new), (RECIPE, "kind: fake/merge", "kind: fake/join"))
    assert graph(recipe)["merged"]["solutions"] == bound


def test_an_input_of_the_name_of_a_stage_and_of_its_table_is_that_table(load: Load) -> None:
    """As `clusters` of a stage `clusters`: its rows are counts."""
    recipe = load((RECIPE, "stages:\n", "stages:\n  known: {kind: fake/counted, inputs: {problems: red}}\n"))
    assert recipe.stages["seeds"].inputs["known"] == (Ref("known", "known"),)


def test_a_table_of_a_stage(load: Load) -> None:
    recipe = load((RECIPE, "{problems: [seeds]}", "{problems: [seeds], splits: [train, merged.rows]}"))
    assert recipe.stages["release"].inputs["splits"] == (Ref("train"), Ref("merged"))


def test_for_each_over_two_variables(load: Load) -> None:
    old = '  "from_{colour}":\n    for_each: {colour: sources}\n'
    new = '  "from_{colour}_{n}":\n    for_each: {colour: [red, blue], n: [1, 2]}\n    temperature: "{n}"\n'
    recipe = load(
        (RECIPE, old, new),
        (RECIPE, "[seed_votes]", '[seed_votes, "from_red_{n}"]'),
    )
    assert [name for name in recipe.stages if name.startswith("from")] == [
        "from_red_1",
        "from_red_2",
        "from_blue_1",
        "from_blue_2",
    ]
    assert recipe.stages["from_blue_2"].settings.model_dump()["temperature"] == 2.0
    assert graph(recipe)["merged"]["solutions"] == ["seed_votes", "from_red_1", "from_red_2"]


def test_a_piece_for_each_source(load: Load) -> None:
    old = "  seed:\n    use: solving\n    with: {problems: seeds}\n    set: {solutions: {samples: 4}}\n"
    new = '  "{c}":\n    use: solving\n    for_each: {c: [red, blue]}\n    with: {problems: "{c}"}\n'
    recipe = load((RECIPE, old, new), (RECIPE, "[seed_votes]", '"{c}_votes"'))
    assert graph(recipe)["merged"]["solutions"] == ["red_votes", "blue_votes"]
    assert graph(recipe)["blue_solutions"] == {"problems": ["blue"]}


def test_a_piece_inside_a_piece_and_other_roles(load: Load) -> None:
    outer = """\
piece: outer
inputs: [problems]
stages:
  deep: {use: solving}
  merged: {kind: fake/merge, inputs: {solutions: deep_votes}}
"""
    recipe = load(
        (RECIPE, "use: solving", "use: outer\n    role: {teacher: judge}"),
        (RECIPE, "{solutions: {samples: 4}}", "{deep_solutions: {samples: 4}}"),
        (RECIPE, "roles: [teacher]", "roles: {teacher: Writes., judge: Grades.}"),
        (RECIPE, "[seed_votes]", "seed_merged"),
        (PROFILE, "roles:\n", "roles:\n  judge: {same_as: teacher}\n"),
        **{"demo/pieces/outer.yaml": outer},
    )
    assert graph(recipe)["seed_deep_solutions"] == {"problems": ["seeds"]}
    assert graph(recipe)["seed_merged"] == {"solutions": ["seed_deep_votes"]}
    assert recipe.stages["seed_deep_solutions"].role == "judge"
    assert recipe.stages["seed_deep_solutions"].settings.model_dump()["samples"] == 4
    assert (recipe.roles["judge"].engine, dict(recipe.roles["judge"].options)) == ("tiny", {"size": 3})


def test_a_shipped_piece_gives_way_to_the_recipes_own(load: Load, rooms: Rooms, demo_files: Mapping[str, str]) -> None:
    own = demo_files["demo/pieces/solving.yaml"]
    shipped = rooms.shipped / "_pieces"
    shipped.mkdir(parents=True)
    (shipped / "other.yaml").write_text(own.replace("piece: solving", "piece: other"))
    (shipped / "solving.yaml").write_text("no piece at all")
    assert load((RECIPE, "use: solving", "use: other")).stages["seed_solutions"].place.path == shipped / "other.yaml"
    assert load().stages["seed_solutions"].place.path.parent.name == "pieces"


def test_a_profile_over_another(load: Load) -> None:
    small = """\
profile: small
extends: local
sources:
  blue: {hub: lab/blue, track: main}
settings:
  "*_solutions": {samples: 1}
  "from_*": {samples: 5}
  from_red: {samples: {red: 7}}
splits: {train_small: 2}
"""
    recipe = load(profile="small", **{"demo/profiles/small.yaml": small})
    samples = {name: s.settings.model_dump()["samples"] for name, s in recipe.stages.items() if s.is_generation}
    assert samples == {"from_red": {"red": 7}, "from_blue": 5, "seed_solutions": 1}
    assert recipe.splits == {"train": None, "train_small": 2}
    assert recipe.stages["train_small"].settings.model_dump() == {"rows": 2}
    assert (recipe.sources["blue"].hub, recipe.sources["blue"].track) == ("lab/blue", "main")
    assert recipe.roles["teacher"].options == {"size": 3}
    assert recipe.profile == "small"


def test_a_stand_in_source_keeps_the_licence(load: Load) -> None:
    recipe = load((PROFILE, "roles:\n", "sources:\n  red: {path: ~/red.csv}\nroles:\n"))
    assert recipe.sources["red"].licence == "MIT"
    assert recipe.sources["red"].path == Path.home() / "red.csv"
    assert recipe.sources["red"].bundled is None


def test_preview_caps_rows_and_samples_only(load: Load) -> None:
    recipe = load()
    small = preview(recipe, 2)
    assert small.preview_rows == 2
    assert small.stages["seed_solutions"].settings.model_dump()["samples"] == 2
    assert small.stages["from_red"].settings.model_dump()["samples"] == {"red": 2, "blue": 2}
    assert small.splits == recipe.splits
    assert recipe.stages["seed_solutions"].settings.model_dump()["samples"] == 4


def test_project_file_is_found_from_below(project: Callable[..., Path], tmp_path: Path) -> None:
    folder = project()
    assert find_project_file(folder / "demo" / "prompts") == folder / "mathloom.toml"
    with pytest.raises(RecipeError, match=r"no mathloom\.toml in this folder or above it\. .*mathloom init"):
        find_project_file(tmp_path)


def test_store_and_shipped_recipes(project: Callable[..., Path], rooms: Rooms) -> None:
    folder = project()
    (rooms.shipped).mkdir()
    (folder / "demo").rename(rooms.shipped / "demo")
    (folder / "mathloom.toml").write_text("[recipes.demo]\n")
    loaded = load_project(folder / "mathloom.toml", rooms=rooms)
    assert loaded.store == folder / ".mathloom"
    assert loaded.recipes["demo"].folder == rooms.shipped / "demo"
    assert shipped_recipes(rooms.shipped) == ["demo"]


def two_recipes(project: Callable[..., Path], second: str) -> Path:
    """The demo and a second recipe, which has only the profile ``tiny``."""
    folder = project(
        **{
            "other/recipe.yaml": second,
            "other/seeds.jsonl": "{}",
            "other/profiles/tiny.yaml": "profile: tiny\n",
            "mathloom.toml": TWO,
        }
    )
    return folder / "mathloom.toml"


TWO = '[recipes.demo]\nfolder = "demo"\n[recipes.other]\nfolder = "other"\nprofile = "tiny"\n'
OTHER = "recipe: other\nsources: {a: {bundled: seeds.jsonl}}\nstages: {a: {kind: fake/seeds, source: a}}\n"


def test_one_recipe_alone_is_not_stopped_by_another(project: Callable[..., Path], rooms: Rooms) -> None:
    file = two_recipes(project, OTHER.replace("fake/seeds", "fake/seed"))
    assert list(load_project(file, only="demo", rooms=rooms).recipes) == ["demo"]
    with pytest.raises(RecipeError, match="unknown kind 'fake/seed'"):
        load_project(file, rooms=rooms)


def test_another_profile_for_all_leaves_out_recipes_without_it(project: Callable[..., Path], rooms: Rooms) -> None:
    file = two_recipes(project, OTHER)
    assert list(load_project(file, rooms=rooms).recipes) == ["demo", "other"]
    assert list(load_project(file, "tiny", rooms=rooms).recipes) == ["other"]
    with pytest.raises(RecipeError, match=r"no recipe has the profile 'tinny'\. Write 'tiny'"):
        load_project(file, "tinny", rooms=rooms)
    with pytest.raises(RecipeError, match=r"unknown profile 'tiny'\. The profiles of 'demo' are: local"):
        load_project(file, "tiny", only="demo", rooms=rooms)


def test_a_recipe_alone(project: Callable[..., Path], rooms: Rooms) -> None:
    recipe = load_recipe(project() / "demo", "local", rooms=rooms)
    assert recipe.sources["blue"].path == recipe.folder / "data" / "blue.jsonl"
