"""Rules of the house that no linter knows: how modules look, what stays out of the tree, which names must agree.

Each rule has one test; what breaks it is listed as ``file:line``. Who imports whom is in test_imports.py.
"""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest
import yaml

Modules = Mapping[str, ast.Module]

ROOT = Path(__file__).resolve().parents[1]
MAX_LINES = 400
MAX_EXPORTS = 12
"""The front door has the protocol of a kind, the assembly, and what reads and compares answers."""


@pytest.fixture(scope="module")
def code(modules: Modules) -> Modules:
    """Modules of the product: neither benchmarks nor what `mathloom init` gives away."""
    return {
        file: tree
        for file, tree in modules.items()
        if not file.startswith(("benchmarks/", "dagster_project/templates/"))
    }


# What a module looks like.


def test_every_module_says_what_lives_in_it(modules: Modules) -> None:
    broken = [f"{file}:1" for file, tree in modules.items() if not ast.get_docstring(tree)]
    assert not broken, "\n".join(broken)


def test_modules_are_short(modules: Modules) -> None:
    lengths = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in modules}
    broken = [f"{file}:{lines} lines" for file, lines in lengths.items() if lines > MAX_LINES]
    assert not broken, "\n".join(broken)


def test_nothing_prints(code: Modules) -> None:
    """Data goes through dagster_project.console, talk through click or the log."""
    broken = [
        f"{file}:{node.lineno}"
        for file, tree in code.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not broken, "\n".join(broken)


def test_no_exception_is_swallowed_whole(code: Modules) -> None:
    broken = [
        f"{file}:{node.lineno}"
        for file, tree in code.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and node.type is None
    ]
    assert not broken, "\n".join(broken)


def test_one_module_makes_definitions(code: Modules) -> None:
    makers = {
        file
        for file, tree in code.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"dg.Definitions", "Definitions"}
    }
    assert makers == {"dagster_project/assembly.py"}


def test_no_module_reads_the_environment_when_imported(code: Modules) -> None:
    """A setting read at import is fixed before a test or a caller can choose it."""
    broken = [f"{file}:{line}" for file, tree in code.items() for line in _reads_of_environment(tree)]
    assert not broken, "\n".join(broken)


def _reads_of_environment(node: ast.AST) -> Iterator[int]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Attribute) and ast.unparse(child) in {"os.environ", "os.getenv"}:
            yield child.lineno
        elif not isinstance(child, ast.FunctionDef | ast.Lambda):
            yield from _reads_of_environment(child)


# What stays out of the tree.


@cache
def kept_files() -> tuple[str, ...]:
    """What git keeps; in an unpacked source archive, all but hidden folders."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    else:
        names = [p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*") if p.is_file()]
        names = [name for name in names if not name.startswith(".")]
    return tuple(name for name in names if (ROOT / name).is_file())


# Examples of paths in tests and documents live in the home of "me".
FOREIGN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.}~>*-])/(?:home|root|work|mnt|Users|farm)/(?!me/)[\w.-]"),
    "a package index": re.compile(r"pypi\.(?:org|python)|pythonhosted|registry\.npmjs|(?:index|find)-(?:url|links)\b"),
    "a resolved address": re.compile(r'"resolved": *"http'),
}
LOCK_FILES = re.compile(r"(^|/)(uv|poetry|pdm|Pipfile|pixi|conda)[.-]?lock\b|(^|/)(package-lock|yarn)\b")
THIS = Path(__file__).relative_to(ROOT).as_posix()


@pytest.mark.parametrize("what", FOREIGN)
def test_no_file_names(what: str) -> None:
    broken = []
    for name in kept_files():
        try:
            lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue
        if name != THIS and not name.endswith(".svg"):
            broken += [
                f"{name}:{i}: {line.strip()[:80]}" for i, line in enumerate(lines, 1) if FOREIGN[what].search(line)
            ]
    assert not broken, f"{what}:\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("text", "is_foreign"),
    [
        ("/home/anna/data", True),
        ("cd /mnt/x", True),
        ('Path("/Users/ben")', True),
        ("/home/me/m.gguf", False),
        ("https://example.org/home/page", False),
        ("tmp_path / 'home/x'", False),
        (".mathloom/work/x", False),
    ],
)
def test_paths_of_machines_are_recognised(text: str, is_foreign: bool) -> None:
    assert bool(FOREIGN["a path of somebody's machine"].search(text)) is is_foreign


def test_there_is_no_lock_file() -> None:
    """Lock files name hosts; constraints.txt pins without them."""
    assert not [name for name in kept_files() if LOCK_FILES.search(name)]


# Names that must agree.


@cache
def pyproject() -> dict[str, dict]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_names(requirements: Sequence[str]) -> set[str]:
    return {canonical(re.split(r"[\s\[<>=!~;]", text, maxsplit=1)[0]) for text in requirements}


def constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_constraints_pin_names_and_nothing_else() -> None:
    lines = constraint_lines()
    broken = [line for line in lines if not re.fullmatch(r"[a-z0-9][a-z0-9-]*==[0-9][0-9a-z.]*(post[0-9]+)?", line)]
    assert not broken
    names = [line.partition("==")[0] for line in lines]
    assert names == sorted(set(names))


def test_constraints_pin_all_that_make_installs() -> None:
    project = pyproject()["project"]
    extras = project["optional-dependencies"]
    needed = requirement_names([*project["dependencies"], *extras["embedded"], *extras["hub"], *extras["dev"]])
    assert needed - {"mathloom"} <= {line.partition("==")[0] for line in constraint_lines()}


def test_dagster_finds_one_code_location_under_one_name() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    [location] = workspace["load_from"]
    declared = pyproject()["tool"]["dg"]["project"]
    assert location["python_module"]["location_name"] == declared["code_location_name"]
    assert location["python_module"]["module_name"] == declared["code_location_target_module"]


def test_extras_named_in_errors_exist(code: Modules) -> None:
    extras = set(pyproject()["project"]["optional-dependencies"])
    named = {where: extra for file, tree in code.items() for where, extra in _extras_named(file, tree)}
    assert "hub" in named.values()
    assert {where: extra for where, extra in named.items() if extra not in extras} == {}


def _extras_named(file: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Extras in ``MissingExtraError.of(package, extra, ...)`` and in texts like ``mathloom[extra]``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("MissingExtraError.of"):
            given = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "extra")]
            yield from ((f"{file}:{n.lineno}", str(n.value)) for n in given if isinstance(n, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for extra in re.findall(r"mathloom\[(\w+)\]", node.value):
                if extra != "extra":
                    yield f"{file}:{node.lineno}:{node.col_offset}", extra


def test_doctor_knows_real_extras() -> None:
    from dagster_project.commands.doctor import EXTRAS

    extras = pyproject()["project"]["optional-dependencies"]
    assert {
        extra: package for extra, (_, package, _) in EXTRAS.items() if package not in requirement_names(extras[extra])
    } == {}


def test_recipes_of_the_project_file_exist() -> None:
    project = tomllib.loads((ROOT / "mathloom.toml").read_text(encoding="utf-8"))
    for name, entry in project["recipes"].items():
        assert (ROOT / entry["folder"] / "recipe.yaml").is_file(), name
        assert (ROOT / entry["folder"] / "profiles" / f"{entry['profile']}.yaml").is_file(), name


def test_makefile_and_pyproject_name_the_same_markers() -> None:
    markers = {text.partition(":")[0] for text in pyproject()["tool"]["pytest"]["ini_options"]["markers"]}
    asked = set(re.findall(r"-m pytest -m (\w+)", (ROOT / "Makefile").read_text(encoding="utf-8")))
    assert asked <= markers
    assert asked == set(re.findall(r"not (\w+)", " ".join(pyproject()["tool"]["pytest"]["ini_options"]["addopts"])))


# The public name.


def test_packages_export_little(code: Modules) -> None:
    broken = {}
    for file, tree in code.items():
        if file.endswith("__init__.py"):
            broken |= {f"{file}:{n.lineno}": len(_exported(n)) for n in tree.body if len(_exported(n)) > MAX_EXPORTS}
    assert not broken


def _exported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
        return ast.literal_eval(node.value)
    return []


def test_every_public_name_can_be_had() -> None:
    import mathloom

    assert sorted(mathloom.__all__) == mathloom.__all__ == dir(mathloom)
    assert mathloom.extract_boxed(r"so \boxed{4}") == "4"
    for name in mathloom.__all__:
        assert getattr(mathloom, name).__module__.split(".")[0] in {"assets", "dagster_project"}, name
    with pytest.raises(AttributeError, match="canonical_key"):
        _ = mathloom.nothing  # type: ignore[attr-defined]
