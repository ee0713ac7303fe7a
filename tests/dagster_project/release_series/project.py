"""A project with a copy of quickstart under the scripted profile, and the edits that a person makes between releases.

Every edit is drawn from a seed; what it means for stages, rows and numbers is not known here (``oracle.py`` knows).
"""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from dagster_project.cli import main

ROOT = Path(__file__).resolve().parents[3]
RECIPE = "quickstart"
PROFILE = "scripted"
RULES = ("multiple boxes", "prefix", "trim", "wrong arithmetic", "split arithmetic")
"""Text rules that a filter edit switches: some drop rows, some change texts."""

_FILTER = "    min_solution_characters: 30\n"
_SUMMARY = "  summary: A demonstration. "
_THINGS = ("kites", "lemons", "marbles", "spoons", "stamps", "tickets", "torches", "walnuts")


class Project:
    """``folder`` with a project file, the recipe, and a store beside them."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.store = folder / ".mathloom"
        self.recipe = folder / RECIPE
        self.chance = random.Random(seed)
        self._edits = 0
        self._characters = 30
        self._rules: tuple[str, ...] = ()
        shutil.copytree(ROOT / "assets" / "recipes" / RECIPE, self.recipe)
        (folder / "mathloom.toml").write_text(
            f'[project]\nstore = ".mathloom"\n[recipes.{RECIPE}]\nfolder = "{RECIPE}"\nprofile = "{PROFILE}"\n'
        )
        text = (self.recipe / "recipe.yaml").read_text(encoding="utf-8")
        assert text.count(_FILTER) == 1
        assert text.count(_SUMMARY) == 1
        self._text = text
        self._sentence = "A demonstration. "

    def run(self, *arguments: str, code: int = 0) -> None:
        """One command in the folder. Fails the test if it ends in another code."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            assert main(arguments) == code, arguments
        finally:
            os.chdir(before)

    def edit(self, kind: str) -> None:
        """One change of the project: a key of :data:`EDITS`."""
        self._edits += 1
        EDITS[kind](self)

    @property
    def built(self) -> Path:
        """The released folder of the store, as an immutable place."""
        return (self.store / "releases" / RECIPE / PROFILE).resolve()

    # -- edits -------------------------------------------------------------------------------------------------------

    def nothing(self) -> None:
        """Nobody touched anything."""

    def add_seed(self) -> None:
        """A problem that no other has, at the end or in the middle."""
        a, b = self.chance.randint(2, 90), self.chance.randint(2, 90)
        thing = self.chance.choice(_THINGS)
        problem = f"Visitor {self._edits} has {a} {thing} and finds {b} more. How many {thing} are there now?"
        row = {"problem": problem, "expected_answer": str(a + b), "type": "addition", "expression": f"{a} + {b}"}
        lines = self._lines()
        lines.insert(self.chance.choice([len(lines), self.chance.randrange(len(lines))]), json.dumps(row) + "\n")
        self._seeds.write_text("".join(lines), encoding="utf-8")

    def remove_seed(self) -> None:
        """Any problem goes."""
        lines = self._lines()
        lines.pop(self.chance.randrange(len(lines)))
        self._seeds.write_text("".join(lines), encoding="utf-8")

    def change_filter(self) -> None:
        """Another limit or another list of rules; now and then one that removes the same rows."""
        was = self._characters, self._rules
        while (self._characters, self._rules) == was:
            if self.chance.random() < 0.7:
                self._characters = self.chance.choice([28, 29, 30, 31, 120, 200, 220, 240, 260])
            else:
                self._rules = tuple(rule for rule in RULES if self.chance.random() < 0.8)
        self._write()

    def change_card(self) -> None:
        """A sentence of the card."""
        self._sentence = f"A demonstration, worded for the {self._edits}th time. "
        self._write()

    @property
    def _seeds(self) -> Path:
        return self.recipe / "problems.jsonl"

    def _lines(self) -> list[str]:
        return self._seeds.read_text(encoding="utf-8").splitlines(keepends=True)

    def _write(self) -> None:
        lines = f"    min_solution_characters: {self._characters}\n"
        if self._rules:
            lines += f"    rules: [{', '.join(self._rules)}]\n"
        text = self._text.replace(_FILTER, lines).replace(_SUMMARY, f"  summary: {self._sentence}")
        (self.recipe / "recipe.yaml").write_text(text, encoding="utf-8")


EDITS: dict[str, Callable[[Project], None]] = {
    "nothing changed": Project.nothing,
    "a seed added": Project.add_seed,
    "a filter changed": Project.change_filter,
    "a card sentence changed": Project.change_card,
    "a seed removed": Project.remove_seed,
}
"""What happens between two releases."""


def order_of_edits(count: int, seed: int) -> list[str]:
    """``count`` edits in random order; each kind is among every five."""
    chance = random.Random(seed)
    found: list[str] = []
    while len(found) < count:
        found += chance.sample(list(EDITS), len(EDITS))
    return found[:count]
