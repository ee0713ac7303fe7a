"""Every mistake is one line: file, line, the wrong value, and what to write instead."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from dagster_project.language.faults import RecipeErrors, suggest
from dagster_project.language.load import Rooms, load_project
from dagster_project.language.resolved import Recipe
from resources.errors import MathloomError, RecipeError

Load = Callable[..., Recipe]
R = "demo/recipe.yaml"
P = "demo/profiles/local.yaml"
T = "mathloom.toml"
PIECE = "demo/pieces/solving.yaml"
PROMPT = "demo/prompts/solve.yaml"


@dataclass(frozen=True)
class Case:
    """One change to the demo project, and the lines of the error."""

    id: str
    file: str
    old: str
    new: str
    error: str


CASES = [
    # -- shape of recipe.yaml
    Case("unknown key", R, "owners:", "owner:", "recipe.yaml:5: unknown key 'owner'. Write 'owners'"),
    Case(
        "key twice",
        R,
        "title: A demo",
        "recipe: x",
        "recipe.yaml:2: the key 'recipe' stands twice, first in line 1. Give one of them another name, or remove it",
    ),
    Case(
        "stage twice",
        R,
        "  blue: {kind",
        "  red: {kind",
        "recipe.yaml:12: the key 'red' stands twice, first in line 11. Give one of them another name, or remove it",
    ),
    Case("missing key", R, "recipe: demo\n", "", "recipe.yaml:1: the key 'recipe' is missing. Add `recipe:`"),
    Case(
        "missing name of the order", R, "  from: merged\n", "", "recipe.yaml:33: the key 'from' is missing. Add `from:`"
    ),
    Case(
        "wrong type",
        R,
        "title: A demo",
        "title: [A, demo]",
        "recipe.yaml:2: `title` is ['A', 'demo'], and must be text. Correct the value",
    ),
    Case(
        "number for text",
        R,
        "title: A demo",
        "title: 5",
        "recipe.yaml:2: `title` is 5, and must be text. Correct the value",
    ),
    Case(
        "no list of stages",
        R,
        '"{colour}"}',
        "{a: b}}",
        "recipe.yaml:19: `stages.from_{colour}.inputs.problems` is {'a': 'b'}, and must be text or a list. "
        "Correct the value",
    ),
    Case(
        "bad name of a recipe",
        R,
        "recipe: demo",
        "recipe: 2nd",
        "recipe.yaml:1: `recipe` is '2nd': a name has letters, digits and _, the first a letter. Correct the value",
    ),
    Case(
        "another name than the project's",
        R,
        "recipe: demo",
        "recipe: demos",
        "recipe.yaml:1: the recipe is named "
        "'demos', and the project calls it 'demo'. Write `recipe: demo`, or change the project file",
    ),
    Case(
        "no YAML",
        R,
        "owners: [",
        "owners: ]",
        "recipe.yaml:5: the YAML cannot be read: expected the node content, but found ']'. Mend the YAML",
    ),
    Case(
        "key that is no text",
        R,
        "  red: {bundled",
        "  true: {bundled",
        "recipe.yaml:7: the key 'true' is no text. Write the key in quotes",
    ),
    Case(
        "owner that is nobody",
        R,
        '"team:data"',
        "data",
        "recipe.yaml:5: `owners.0` is 'data': an owner is `team:name` or an email address. Correct the value",
    ),
    Case(
        "no stages",
        R,
        "stages:\n  red: {kind",
        "stages: {}\nx:\n  red: {kind",
        "recipe.yaml:11: unknown key 'x'. The keys are: recipe, title, description, owners, sources, benchmarks, "
        "roles, stages, checks, splits, release\nrecipe.yaml:10: `stages` has fewer than 1 entries. Correct it",
    ),
    # -- stages
    Case(
        "kind that is empty",
        R,
        "kind: fake/merge",
        "kind:",
        "recipe.yaml:27: stage 'merged' has neither `kind` nor `use`. Give it exactly one of them",
    ),
    Case(
        "stage that is empty",
        R,
        "  blue: {kind: fake/seeds, source: blue}",
        "  blue:",
        "recipe.yaml:12: `stages.blue` is empty, and must be a mapping. Correct the value",
    ),
    Case("unknown kind", R, "fake/merge", "fake/mege", "recipe.yaml:28: unknown kind 'fake/mege'. Write 'fake/merge'"),
    Case(
        "kind like nothing",
        R,
        "fake/merge",
        "zzz",
        "recipe.yaml:28: unknown kind 'zzz'. The kinds are: fake/benchmark, fake/counted, fake/join, "
        "fake/merge, fake/seeds, fake/solve, fake/union, fake/vote, release/folder, sql/split_prefix",
    ),
    Case(
        "neither kind nor use",
        R,
        "    kind: fake/merge\n",
        "",
        "recipe.yaml:27: stage 'merged' has neither `kind` nor `use`. Give it exactly one of them",
    ),
    Case(
        "both kind and use",
        R,
        "    kind: fake/merge\n",
        "    kind: fake/merge\n    use: solving\n",
        "recipe.yaml:27: stage 'merged' has both `kind` and `use`. Give it exactly one of them",
    ),
    Case(
        "unknown setting",
        R,
        "    samples: {red: 2, blue: 3}",
        "    smaples: {red: 2, blue: 3}",
        "recipe.yaml:22: unknown key 'smaples'. Write 'samples'",
    ),
    Case(
        "unknown common key",
        R,
        "    for_each: {colour",
        "    foreach: 1\n    for_each: {colour",
        "recipe.yaml:17: unknown key 'foreach'. Write 'for_each'",
    ),
    Case(
        "missing setting",
        R,
        "    prompt: solve\n",
        "",
        "recipe.yaml:16: the key 'prompt' of the kind 'fake/solve' is missing. Add `prompt:`",
    ),
    Case(
        "wrong setting",
        R,
        "{red: 2, blue: 3}",
        "many",
        "recipe.yaml:22: `samples` is 'many', and must be a whole number or a mapping. Correct the value",
    ),
    Case(
        "wrong setting inside",
        R,
        "{red: 2, blue: 3}",
        "\n      red: 2\n      blue: lots",
        "recipe.yaml:24: `samples.blue` is 'lots', and must be a whole number. Correct the value",
    ),
    Case(
        "setting out of range",
        R,
        "    samples: {red: 2, blue: 3}",
        "    temperature: -1",
        "recipe.yaml:22: `temperature` is -1, and must be greater than or equal to 0. Correct the value",
    ),
    Case(
        "bad name of a stage",
        R,
        "  merged:",
        "  merged-1:",
        "recipe.yaml:27: 'merged-1' is no name for a stage. Use "
        "letters, digits and _, and fill in variables by `for_each`\n"
        "recipe.yaml:34: unknown stage 'merged'. Write 'red'",
    ),
    Case("unknown stage", R, "[red, blue]", "[red, blues]", "recipe.yaml:15: unknown stage 'blues'. Write 'blue'"),
    Case("the name of a piece", R, "[seed_votes]", "[seed]", "recipe.yaml:29: unknown stage 'seed'. Write 'seeds'"),
    Case(
        "unknown pattern",
        R,
        "[seed_votes]",
        '["form_{colour}"]',
        "recipe.yaml:29: unknown stage 'form_{colour}'. Write 'from_{colour}'",
    ),
    Case(
        "unknown table",
        R,
        "[red, blue]",
        "[red, blue.reject]",
        "recipe.yaml:15: stage 'blue' has no table 'reject'. Write 'rejects'",
    ),
    Case(
        "unknown input",
        R,
        "inputs: {solutions: [seed_votes]}",
        "inputs: {solution: [seed_votes]}",
        "recipe.yaml:29: the kind 'fake/merge' has no input 'solution'. Write 'solutions'\n"
        "recipe.yaml:27: the input 'solutions' of stage 'merged' is bound to nothing, and no stage has that name. "
        "Add `inputs: {solutions: STAGE}`",
    ),
    Case(
        "two stages for one input",
        R,
        'inputs: {problems: "{colour}"}',
        "inputs: {problems: [red, blue]}",
        "recipe.yaml:19: the input 'problems' takes one stage and has 2 (red, blue). Name one stage",
    ),
    Case(
        "no stage for an input",
        R,
        "[seed_votes]",
        "[]",
        "recipe.yaml:27: the input 'solutions' of stage 'merged' is empty. Name at least one stage",
    ),
    Case(
        "cycle",
        R,
        "with: {problems: seeds}",
        "with: {problems: merged}",
        "solving.yaml:4: the stages feed each other "
        "in a circle: seed_solutions -> seed_votes -> merged -> seed_solutions. Bind one of these inputs to a stage "
        "outside of the circle",
    ),
    Case(
        "cycle of one",
        R,
        "[red, blue]",
        "[red, seeds]",
        "recipe.yaml:13: the stages feed each other in a circle: "
        "seeds -> seeds. Bind one of these inputs to a stage outside of the circle",
    ),
    Case(
        "missing column",
        R,
        "[seed_votes]",
        "[seed_solutions]",
        "recipe.yaml:29: stage 'merged' needs the column "
        "'votes', which 'seed_solutions' has not. The columns there are: id, or bind 'solutions' to another stage",
    ),
    Case(
        "missing columns of a table",
        R,
        "with: {problems: seeds}",
        "with: {problems: seeds.rejects}",
        "recipe.yaml:25: "
        "stage 'seed_solutions' needs the columns 'source', 'level', which 'seeds.rejects' has not. The columns there "
        "are: id, or bind 'problems' to another stage",
    ),
    # -- for_each
    Case(
        "name without the variable",
        R,
        '"from_{colour}":',
        "fromage:",
        "recipe.yaml:17: the name 'fromage' does not "
        "hold {colour}, so all its stages would have one name. Write 'fromage_{colour}'",
    ),
    Case(
        "no values",
        R,
        "{colour: sources}",
        "{colour: []}",
        "recipe.yaml:17: `for_each` has no values for 'colour'. Give it at least one value",
    ),
    Case(
        "another word than sources",
        R,
        "{colour: sources}",
        "{colour: source}",
        "recipe.yaml:17: `stages.from_{colour}.for_each.colour` is 'source', and must be 'sources' or 'benchmarks' or "
        "a list. Correct the value",
    ),
    Case(
        "two stages of one name",
        R,
        "{colour: sources}",
        "{colour: [red, red]}",
        "recipe.yaml:16: two stages are named 'from_red', the first in line 16. Rename one of them",
    ),
    Case(
        "variable that is not declared",
        R,
        '"from_{colour}":',
        '"from_{colour}_{x}":',
        "recipe.yaml:16: "
        "'from_red_{x}' is no name for a stage. Use letters, digits and _, and fill in variables by `for_each`\n"
        "recipe.yaml:16: 'from_blue_{x}' is no name for a stage. Use letters, digits and _, and fill in variables by "
        "`for_each`",
    ),
    # -- pieces
    Case("unknown piece", R, "use: solving", "use: solvng", "recipe.yaml:24: unknown piece 'solvng'. Write 'solving'"),
    Case(
        "key beside use",
        R,
        "    set: {sol",
        "    samples: 3\n    set: {sol",
        "recipe.yaml:26: unknown key 'samples' "
        "beside `use`. The keys of a stage with `use` are: use, with, set, role, for_each",
    ),
    Case(
        "unknown input of a piece",
        R,
        "with: {problems: seeds}",
        "with: {problem: seeds}",
        "recipe.yaml:25: unknown input 'problem' of the piece. Write 'problems'\n"
        "recipe.yaml:23: the input 'problems' of the piece is bound to nothing, and no stage has that name. Add `with: "
        "{problems: STAGE}`",
    ),
    Case(
        "unknown stage of a piece",
        R,
        "{solutions: {samples: 4}}",
        "{solution: {samples: 4}}",
        "recipe.yaml:26: unknown stage 'solution' of the piece. Write 'solutions'",
    ),
    Case(
        "unknown setting of a piece's stage",
        R,
        "{samples: 4}",
        "{sample: 4}",
        "recipe.yaml:26: unknown key 'sample'. Write 'samples'",
    ),
    Case(
        "unknown role of a piece",
        R,
        "    set: {sol",
        "    role: {teache: teacher}\n    set: {sol",
        "recipe.yaml:26: unknown role 'teache' of the piece. Write 'teacher'",
    ),
    Case(
        "with without use",
        R,
        "    inputs: {solutions: [seed_votes]}",
        "    with: {solutions: seed_votes}",
        "recipe.yaml:29: `with` belongs to a stage with `use`. Remove it\n"
        "recipe.yaml:27: the input 'solutions' of stage 'merged' is bound to nothing, and no stage has that name. "
        "Add `inputs: {solutions: STAGE}`",
    ),
    Case(
        "piece sees no stage of the recipe",
        PIECE,
        "{kind: fake/vote}",
        "{kind: fake/vote, inputs: {solutions: seeds}}",
        "solving.yaml:8: unknown stage 'seeds'. The stages are: problems, solutions, votes",
    ),
    Case(
        "piece that uses itself",
        PIECE,
        "{kind: fake/vote}",
        "{use: solving}",
        "solving.yaml:8: the piece 'solving' uses itself: solving -> solving. Use another piece",
    ),
    Case(
        "piece of another name",
        PIECE,
        "piece: solving",
        "piece: solve",
        "solving.yaml:1: the piece is named 'solve'. Write `piece: solving`",
    ),
    # -- roles, sources, prompts
    Case(
        "unknown role",
        R,
        "    role: teacher\n",
        "    role: techer\n",
        "recipe.yaml:20: unknown role 'techer'. Write 'teacher'",
    ),
    Case(
        "generation without a role",
        R,
        "    role: teacher\n",
        "",
        "recipe.yaml:16: stage 'from_red' asks a model and has no role. Add `role: teacher`\n"
        "recipe.yaml:16: stage 'from_blue' asks a model and has no role. Add `role: teacher`",
    ),
    Case(
        "role where nothing is asked",
        R,
        "kind: fake/merge",
        "kind: fake/merge\n    role: teacher",
        "recipe.yaml:29: the kind 'fake/merge' asks no model. Remove `role`",
    ),
    Case("unknown source", R, "source: blue}", "source: bleu}", "recipe.yaml:12: unknown source 'bleu'. Write 'blue'"),
    Case(
        "seeds without a source",
        R,
        ", source: blue}",
        "}",
        "recipe.yaml:12: stage 'blue' reads a source and names none. Add `source: red`",
    ),
    Case(
        "source where none is read",
        R,
        "kind: fake/merge",
        "kind: fake/merge\n    source: red",
        "recipe.yaml:29: the kind 'fake/merge' reads no source. Remove `source`",
    ),
    Case(
        "source from nowhere",
        R,
        "{path: data/blue.jsonl}",
        "{licence: MIT}",
        "recipe.yaml:8: `sources.blue` needs exactly one of hub, path and bundled, and has none. Correct it",
    ),
    Case(
        "source from two places",
        R,
        "{path: data/blue.jsonl}",
        "{path: a, hub: a/b}",
        "recipe.yaml:8: `sources.blue` needs exactly one of hub, path and bundled, and has hub and path. Correct it",
    ),
    Case(
        "branch of a local file",
        R,
        "{path: data/blue.jsonl}",
        "{path: a, track: main}",
        "recipe.yaml:8: `sources.blue` `track` belongs to a Hub source, and this one has `path`. Correct it",
    ),
    Case(
        "Hub source that may move",
        R,
        "{path: data/blue.jsonl}",
        "{hub: a/b}",
        "recipe.yaml:8: `sources.blue` a Hub "
        "source needs either `revision` (a fixed commit) or `track` (a branch). Correct it",
    ),
    Case(
        "revision that may move",
        R,
        "{path: data/blue.jsonl}",
        "{hub: a/b, revision: main}",
        "recipe.yaml:8: "
        "`sources.blue.revision` is 'main': a revision is a full commit (40 hex digits); a branch goes under `track`. "
        "Correct the value",
    ),
    Case(
        "variable in a path",
        R,
        "data/blue.jsonl",
        "'${HOME}/blue.jsonl'",
        "recipe.yaml:8: `sources.blue.path` is "
        "'${HOME}/blue.jsonl': a path is written out; no variables are filled in (~ is the home folder). Correct the "
        "value",
    ),
    Case(
        "no such bundled file",
        R,
        "seeds.jsonl",
        "seed.jsonl",
        "recipe.yaml:7: there is no bundled file 'seed.jsonl'. Write 'seeds.jsonl'",
    ),
    Case(
        "bundled file elsewhere",
        R,
        "seeds.jsonl",
        "../x.jsonl",
        "recipe.yaml:7: the bundled file '../x.jsonl' lies "
        "outside the recipe's folder. Move it there, or write `path:`",
    ),
    Case(
        "unknown prompt",
        R,
        "prompt: solve",
        "prompt: slove",
        "recipe.yaml:21: there is no prompt 'slove' in prompts/. Write 'solve'",
    ),
    Case(
        "unknown prompt of one source",
        R,
        "prompt: solve",
        "prompt: {red: solve, blue: other}",
        "recipe.yaml:21: there is no prompt 'other' in prompts/. The prompts are: solve",
    ),
    Case(
        "prompt outside of the folder",
        R,
        "prompt: solve",
        "prompt: ../solve",
        "recipe.yaml:21: there is no prompt '../solve' in prompts/. Write 'solve'",
    ),
    Case(
        "variable that the kind does not give",
        PROMPT,
        "{{ problem }}",
        "{{ problm }}",
        "solve.yaml:4: the template needs 'problm', which is not given. Write 'problem'",
    ),
    # -- checks, splits, release
    Case(
        "check of an unknown stage",
        R,
        "checks:\n  seeds:",
        "checks:\n  seed:",
        "recipe.yaml:31: unknown stage 'seed' in `checks`. Write 'seeds'",
    ),
    Case(
        "unknown test",
        R,
        "row_count_between: {",
        "row_count: {",
        "recipe.yaml:32: unknown test 'row_count'. Write 'row_count_between'",
    ),
    Case(
        "unknown argument of a test",
        R,
        "{min: 1}",
        "{least: 1}",
        "recipe.yaml:32: the test 'row_count_between' has no argument 'least'. The arguments are: min, max",
    ),
    Case(
        "unknown column of a test",
        R,
        "row_count_between: {min: 1}",
        "not_null: levle",
        "recipe.yaml:32: the test 'not_null' names the column 'levle', which the rows do not have. Write 'level'",
    ),
    Case(
        "check against an unknown stage",
        R,
        "row_count_between: {min: 1}",
        "no_overlap: {column: id, with: reds}",
        "recipe.yaml:32: unknown stage 'reds'. Write 'red'",
    ),
    Case(
        "check against a later stage",
        R,
        "row_count_between: {min: 1}",
        "no_overlap: {column: id, with: merged}",
        "recipe.yaml:32: the check 'no_overlap_id' of stage 'seeds' reads 'merged', which is not built before it. Name "
        "a stage above it, or move the check to a stage below both",
    ),
    Case(
        "name of a check",
        R,
        "row_count_between: {min: 1}",
        "row_count_between: {min: 1, name: law_map}",
        "recipe.yaml:32: 'law_map' is no name for a check. Use letters, digits and _, and begin otherwise than law_",
    ),
    Case(
        "splits of an unknown stage",
        R,
        "from: merged",
        "from: merge",
        "recipe.yaml:34: unknown stage 'merge'. Write 'merged'",
    ),
    Case(
        "size of a split",
        R,
        "train_small: 10",
        "train_small: few",
        "recipe.yaml:35: `splits.sizes.train_small` is 'few', and must be 'all' or a whole number. Correct the value",
    ),
    Case(
        "split of no rows",
        R,
        "train_small: 10",
        "train_small: 0",
        "recipe.yaml:35: `splits.sizes.train_small` is 0, and "
        "must be 'all' or greater than or equal to 1. Correct the value",
    ),
    Case(
        "split named like a stage",
        R,
        "train_small: 10",
        "merged: 10",
        "recipe.yaml:35: two stages are named 'merged', the first in line 27. Rename one of them",
    ),
    Case(
        "stage named splits",
        R,
        "  merged:\n",
        "  splits:\n",
        "recipe.yaml:27: the name 'splits' stands for all splits. Give the stage another name\n"
        "recipe.yaml:34: unknown stage 'merged'. Write 'red'",
    ),
    Case(
        "unknown key of the release",
        R,
        "  licence: MIT\n",
        "  license: MIT\n",
        "recipe.yaml:37: unknown key 'license' in the release. Write 'licence'",
    ),
    Case(
        "wrong setting of the release",
        R,
        "mode: shared",
        "mode: 1",
        "recipe.yaml:38: `mode` is 1, and must be text. Correct the value",
    ),
    Case(
        "unknown input of the release",
        R,
        "inputs: {problems: [seeds]}",
        "inputs: {problem: [seeds], problems: seeds}",
        "recipe.yaml:39: the kind 'release/folder' has no input 'problem'. Write 'problems'",
    ),
    # -- profile
    Case("unknown key of a profile", P, "roles:", "role:", "local.yaml:2: unknown key 'role'. Write 'roles'"),
    Case(
        "unknown limit",
        P,
        "roles:",
        "limits: {max_costs: 5}\nroles:",
        "local.yaml:2: unknown key 'max_costs'. Write 'max_cost'",
    ),
    Case(
        "price and limits in two currencies",
        P,
        "size: 3}",
        "size: 3, price: {per_gpu_hour: 1, source: us, date: 2026-01-01, currency: EUR}}\nlimits: {max_cost: 5}",
        "local.yaml:3: the role 'teacher' is priced in EUR, and the limits are in USD. Give the price and the limits "
        "in one currency (`currency:` in both)",
    ),
    Case(
        "limit of cost without a price",
        P,
        "roles:",
        "limits: {max_cost: 5}\nroles:",
        "local.yaml:1: a limit of cost is set, and no role has a price. Give a role its `price`, or remove the limit",
    ),
    Case(
        "limit of hours that nobody counts",
        P,
        "roles:",
        "limits: {max_gpu_hours: 5}\nroles:",
        "local.yaml:1: a limit of GPU-hours is set, and no role counts any. Give a role `devices`, or a price with "
        "`per_gpu_hour`, or remove the limit",
    ),
    Case(
        "price without a source",
        P,
        "size: 3}",
        "size: 3, price: {per_gpu_hour: 1, date: 2026-01-01}}",
        "local.yaml:3: the key 'source' is missing. Add `source:`",
    ),
    Case(
        "price that is none",
        P,
        "size: 3}",
        "size: 3, price: {source: us, date: 2026-01-01}}",
        "local.yaml:3: `roles.teacher.price` needs either `per_gpu_hour`, or `per_million_prompt_tokens` and "
        "`per_million_completion_tokens`. Correct it",
    ),
    Case(
        "profile of another name",
        P,
        "profile: local",
        "profile: locale",
        "local.yaml:1: the profile is named 'locale'. Write `profile: local`",
    ),
    Case("unknown engine", P, "engine: tiny", "engine: tinny", "local.yaml:3: unknown engine 'tinny'. Write 'tiny'"),
    Case("unknown option", P, "size: 3", "sise: 3", "local.yaml:3: unknown key 'sise'. Write 'size'"),
    Case(
        "wrong option",
        P,
        "size: 3",
        "size: big",
        "local.yaml:3: `size` is 'big', and must be a whole number. Correct the value",
    ),
    Case(
        "role without an engine",
        P,
        "  teacher: {engine: tiny, size: 3}\n",
        "  {}\n",
        "local.yaml:1: the profile "
        "'local' gives the role 'teacher' no engine. Add `teacher: {engine: ...}` under `roles:`",
    ),
    Case(
        "neither engine nor same_as",
        P,
        "{engine: tiny, size: 3}",
        "{size: 3}",
        "local.yaml:3: `roles.teacher` a role needs either `engine` or `same_as`. Correct it",
    ),
    Case(
        "same_as with options",
        P,
        "{engine: tiny, size: 3}",
        "{same_as: a, size: 3}",
        "local.yaml:3: `roles.teacher` `same_as` takes no options, and here is `size`. Correct it",
    ),
    Case(
        "same as nothing",
        P,
        "{engine: tiny, size: 3}",
        "{same_as: techer}",
        "local.yaml:3: `same_as` names 'techer', which has no engine. Write 'teacher'",
    ),
    Case(
        "same as itself",
        P,
        "{engine: tiny, size: 3}",
        "{same_as: teacher}",
        "local.yaml:3: the roles are the same as each other: teacher -> teacher. Give one of them an `engine`",
    ),
    Case(
        "unknown role of a profile",
        P,
        "  teacher:",
        "  teachr: {engine: tiny}\n  teacher:",
        "local.yaml:3: unknown role 'teachr'. Write 'teacher'",
    ),
    Case(
        "unknown source of a profile",
        P,
        "roles:",
        "sources:\n  rad: {path: x.csv}\nroles:",
        "local.yaml:3: unknown source 'rad'. Write 'red'",
    ),
    Case(
        "settings of an unknown stage",
        P,
        "roles:",
        "settings:\n  from_rde: {samples: 1}\nroles:",
        "local.yaml:3: unknown stage 'from_rde' in `settings`. Write 'from_red'",
    ),
    Case(
        "settings of no stage",
        P,
        "roles:",
        "settings:\n  'x*': {samples: 1}\nroles:",
        "local.yaml:3: unknown stage "
        "'x*' in `settings`. The stages are: red, blue, seeds, from_red, from_blue, seed_solutions, seed_votes, "
        "merged, train, train_small, release",
    ),
    Case(
        "unknown setting of a profile",
        P,
        "roles:",
        "settings:\n  from_red: {sample: 1}\nroles:",
        "local.yaml:3: unknown key 'sample'. Write 'samples'",
    ),
    Case(
        "setting like nothing in a profile",
        P,
        "roles:",
        "settings:\n  from_red: {zzz: 1}\nroles:",
        "local.yaml:3: unknown key 'zzz'. The keys are: prompt, samples, temperature",
    ),
    Case(
        "split size as a setting",
        P,
        "roles:",
        "settings:\n  train: {rows: 1}\nroles:",
        "local.yaml:3: sizes of splits are no settings. Write them under `splits:`",
    ),
    Case(
        "unknown split", P, "roles:", "splits: {trian: 1}\nroles:", "local.yaml:2: unknown split 'trian'. Write 'train'"
    ),
    Case(
        "profile that extends itself",
        P,
        "roles:",
        "extends: local\nroles:",
        "local.yaml:2: the profile 'local' extends itself: local -> local. Remove `extends` from one of them",
    ),
    Case(
        "profile that extends nothing",
        P,
        "roles:",
        "extends: locall\nroles:",
        "local.yaml:2: unknown profile 'locall'. Write 'local'",
    ),
    # -- mathloom.toml
    Case("unknown key of the project", T, "store =", "stor =", "mathloom.toml:2: unknown key 'stor'. Write 'store'"),
    Case(
        "no TOML",
        T,
        "folder =",
        "folder",
        "mathloom.toml:5: the TOML cannot be read: Expected '=' after a key in a key/value pair. Mend the TOML",
    ),
    Case(
        "folder without a recipe",
        T,
        '"demo"',
        '"demos"',
        "mathloom.toml:5: the folder 'demos' has no recipe.yaml. Name the folder of a recipe.yaml",
    ),
    Case(
        "recipe that mathloom has not",
        T,
        'folder = "demo"\n',
        "",
        "mathloom.toml:4: mathloom has no recipe 'demo'. There are no recipes here, or say its `folder`",
    ),
    Case("unknown profile", T, '"local"', '"lokal"', "mathloom.toml:6: unknown profile 'lokal'. Write 'local'"),
]


def short(error: MathloomError) -> str:
    """The error without the folders of its files."""
    return re.sub(r"(^|\n)/\S*/", r"\1", str(error))


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_broken(load: Load, case: Case) -> None:
    with pytest.raises(RecipeError) as caught:
        load((case.file, case.old, case.new))
    assert short(caught.value) == case.error


def test_all_faults_at_once_each_with_its_line(load: Load) -> None:
    with pytest.raises(RecipeErrors) as caught:
        load(
            (R, "fake/merge", "fake/mege"),
            (R, "    role: teacher\n", "    role: techer\n"),
            (R, "[red, blue]", "[red, blues]"),
            (P, "engine: tiny", "engine: tinny"),
        )
    assert short(caught.value).splitlines() == [
        "local.yaml:3: unknown engine 'tinny'. Write 'tiny'",
        "recipe.yaml:20: unknown role 'techer'. Write 'teacher'",
        "recipe.yaml:28: unknown kind 'fake/mege'. Write 'fake/merge'",
        "recipe.yaml:15: unknown stage 'blues'. Write 'blue'",
    ]
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), len(copy.problems)) == (str(caught.value), 4)


def test_faults_of_several_recipes(project: Callable[..., Path], rooms: Rooms) -> None:
    folder = project((R, "fake/merge", "fake/mege"), (T, "[recipes.demo]", "[recipes.none]\n[recipes.demo]"))
    with pytest.raises(RecipeErrors) as caught:
        load_project(folder / T, rooms=rooms)
    assert [short(problem).split(". ")[0] for problem in caught.value.problems] == [
        "mathloom.toml:4: mathloom has no recipe 'none'",
        "recipe.yaml:28: unknown kind 'fake/mege'",
    ]


def test_recipes_that_dagster_cannot_tell_apart(project: Callable[..., Path], rooms: Rooms) -> None:
    folder = project((T, "[recipes.demo]", '[recipes.a-b]\nfolder = "demo"\n[recipes.a_b]'))
    with pytest.raises(RecipeErrors) as caught:
        load_project(folder / T, rooms=rooms)
    assert "mathloom.toml:6: the recipes 'a-b' and 'a_b' differ only in - and _. Rename one of them" in short(
        caught.value
    )


def test_unknown_recipe_of_a_project(project: Callable[..., Path], rooms: Rooms) -> None:
    with pytest.raises(RecipeError) as caught:
        load_project(project() / T, only="demmo", rooms=rooms)
    assert short(caught.value) == "mathloom.toml:4: no recipe 'demmo' in the project. Write 'demo'"


def test_no_project_file(tmp_path: Path, rooms: Rooms) -> None:
    with pytest.raises(RecipeError) as caught:
        load_project(tmp_path / T, rooms=rooms)
    assert short(caught.value) == (
        "mathloom.toml: the file cannot be read: No such file or directory. Create it, or correct the path"
    )


def test_too_many_stages(load: Load) -> None:
    values = f"[{', '.join(str(i) for i in range(30))}]"
    with pytest.raises(RecipeError, match="more than 500 stages") as caught:
        load(
            (R, '"from_{colour}":', '"from_{colour}_{n}_{m}":'),
            (R, "{colour: sources}", f"{{colour: sources, n: {values}, m: {values}}}"),
        )
    assert str(caught.value).count("\n") == 0


def test_long_lists_of_right_words_are_cut() -> None:
    assert suggest("zzzz", [f"word_{i}" for i in range(40)], "words").endswith("word_11 and 28 more")
    assert suggest("Samples", ["samples"], "words") == "Write 'samples'"
    assert suggest("x", [], "prompts") == "There are no prompts here"
