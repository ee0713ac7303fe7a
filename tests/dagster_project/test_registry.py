"""Kinds by name: built in, in SQL files, in a recipe's kinds.py, in installed packages."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dagster_project import registry
from dagster_project.registry import BUILT_IN, Registry, find_kind, list_kinds
from resources.errors import RecipeError

LOCAL = """\
from assets.kinds import Job, Law, TableKind
from assets.schemas import PROBLEM


class Same(TableKind):
    name = "local/same"
    version = 1
    description = "Gives what it gets."
    law = Law("map", input="problems", id="problem_id")

    def outputs(self, settings):
        return {"rows": PROBLEM}

    def run(self, job: Job) -> None:
        pass
"""


def test_a_built_in_kind_has_the_name_that_it_is_found_by() -> None:
    assert find_kind("seeds/gsm8k", Path("nowhere")).name == "seeds/gsm8k"


def test_no_kind_is_imported_before_it_is_named() -> None:
    program = (
        "import sys; from pathlib import Path; from dagster_project.registry import list_kinds; "
        "list_kinds(Path('nowhere')); print([m for m in sys.modules if m.startswith('assets.') and 'kinds' in m])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "['assets.kinds']"


def test_kinds_of_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "kinds.py").write_text(LOCAL)
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "mine.sql").write_text("select 1")
    names = list_kinds(tmp_path)
    assert {"local/same", "sql/mine", "sql/fair_order", *BUILT_IN} <= set(names)
    assert names == sorted(names)
    assert find_kind("local/same", tmp_path).description == "Gives what it gets."


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "kinds.py").write_text(LOCAL)
    assert find_kind("local/same", tmp_path).code_version == "1"
    (tmp_path / "kinds.py").write_text(LOCAL.replace("version = 1", "version = 12"))
    assert find_kind("local/same", tmp_path).code_version == "12"


def test_a_recipes_sql_goes_before_the_shipped_one(tmp_path: Path) -> None:
    text = (registry.SHIPPED_SQL / "split_prefix.sql").read_text()
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "split_prefix.sql").write_text(text.replace("A split:", "My split:"))
    assert find_kind("sql/split_prefix", tmp_path).description.startswith("My split:")
    assert find_kind("sql/split_prefix", tmp_path / "other").description.startswith("A split:")


@pytest.mark.parametrize("name", ["sql/../secret", "sql/", "sql/a/b", "../kinds", "", "sql/split_prefix.sql"])
def test_a_name_reaches_no_file_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.sql").write_text("select 1")
    with pytest.raises(RecipeError, match="unknown kind"):
        find_kind(name, tmp_path / "recipe")


def test_unknown_kind_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        find_kind("seeds/gms8k", tmp_path, "recipe.yaml:7")
    assert str(caught.value) == "recipe.yaml:7: unknown kind 'seeds/gms8k'. Write 'seeds/gsm8k'"


BROKEN = {
    "syntax": ("class X(:\n", 1, "the file cannot be imported: SyntaxError"),
    "import": ("\nimport nothing_of_that_name\n", 2, "the file cannot be imported: ModuleNotFoundError"),
    "error": ("def f():\n    raise ValueError('oh')\n\nf()\n", 2, "the file cannot be imported: ValueError: oh"),
    "missing word": (LOCAL.replace("    version = 1\n", ""), 5, "the kind Same lacks `version`"),
    "taken name": (LOCAL.replace("local/same", "seeds/math"), 5, "the name 'seeds/math' is taken"),
    "name of SQL": (LOCAL.replace("local/same", "sql/mine"), 5, "the name 'sql/mine' is taken"),
    "two of one name": (LOCAL + "\n\nclass Again(Same):\n    pass\n", 18, "two kinds are named 'local/same'"),
}


@pytest.mark.parametrize(("text", "line", "error"), BROKEN.values(), ids=BROKEN)
def test_broken_kinds_file(tmp_path: Path, text: str, line: int, error: str) -> None:
    path = tmp_path / "kinds.py"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        find_kind("local/same", tmp_path)
    assert str(caught.value).startswith(f"{path}:{line}: {error}")
    assert "\n" not in str(caught.value)


def test_kinds_of_installed_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lab_kinds.py").write_text(LOCAL.replace("local/same", "lab/same"))
    monkeypatch.syspath_prepend(str(tmp_path))
    points = {
        "lab/same": "lab_kinds:Same",
        "lab/other": "lab_kinds:Same",
        "lab/absent": "lab_kinds:Nothing",
    }
    found = [EntryPoint(name, value, registry.ENTRY_POINTS) for name, value in points.items()]
    monkeypatch.setattr(registry, "entry_points", lambda group: found if group == "mathloom.kinds" else [])
    assert find_kind("lab/same", tmp_path).name == "lab/same"
    assert "lab/same" in list_kinds(tmp_path)
    with pytest.raises(RecipeError, match=r"'lab/other'.*: lab_kinds:Same is no kind of that name\. Point to a class"):
        find_kind("lab/other", tmp_path)
    with pytest.raises(RecipeError, match=r"'lab/absent'.*: the kind cannot be imported"):
        find_kind("lab/absent", tmp_path)
    assert "lab/same" not in Registry(packages=False).names(tmp_path)
