"""Who imports whom, and what an import costs. What breaks a rule is listed as ``file:line``.

The reasons are in docs/architecture.md. Rules of the tree and of names are in test_house.py.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

Modules = Mapping[str, ast.Module]

ROOT = Path(__file__).resolve().parents[1]
OURS = frozenset({"assets", "benchmarks", "dagster_project", "mathloom", "resources", "tests"})
USERS_OWN = "dagster_project/templates/"
"""Files that `mathloom init` gives away: they are written like a user's, who imports only ``mathloom``."""

SHARED = frozenset({"assets.kinds", "assets.schemas"})
"""The protocol of a kind and the row schemas: all that stations have in common."""

NO_STATIONS = frozenset({"kinds", "schemas", "recipes", ""})
HEAVY = frozenset(
    {
        *("datasets", "gradio", "math_verify", "openvino", "openvino_genai", "openvino_tokenizers", "ray", "sympy"),
        *("sentence_transformers", "torch", "transformers", "vllm"),
    }
)
IMPORT_SECONDS = 3.0
"""A promise of docs/architecture.md: definitions load in seconds. Dagster alone takes 1.3 to 2 on two slow cores."""


@dataclass(frozen=True)
class Import:
    """One imported module, in one place."""

    file: str
    line: int
    module: str
    is_top: bool
    """Whether importing the file runs it. ``if TYPE_CHECKING:`` does not."""

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


@pytest.fixture(scope="module")
def imports(modules: Modules) -> list[Import]:
    return [found for file, tree in modules.items() for found in imports_in(file, tree, is_top=True)]


def of_ours(imports: Iterable[Import]) -> Iterator[Import]:
    return (found for found in imports if not found.file.startswith(USERS_OWN))


def imports_in(file: str, node: ast.AST, *, is_top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(file, child.lineno, alias.name, is_top) for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from (Import(file, child.lineno, name, is_top) for name in modules_of(child))
        stays = is_top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from imports_in(file, child, is_top=stays and not is_for_types(child))


def modules_of(node: ast.ImportFrom) -> list[str]:
    """``from assets import kinds`` names assets.kinds, ``from assets.kinds import Law`` only assets.kinds."""
    assert node.module
    whole = [f"{node.module}.{alias.name}" for alias in node.names]
    are_modules = [name for name in whole if is_module(name)]
    return are_modules if len(are_modules) == len(whole) else [node.module, *are_modules]


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or path.is_dir()


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def test_there_is_something_to_check(imports: list[Import]) -> None:
    assert any(found.module == "assets.kinds" and found.file.startswith("assets/") for found in imports)


def is_wrong_in_resources(found: Import) -> bool:
    return found.package in OURS - {"resources"} or found.package == "dagster"


def is_wrong_in_assets(found: Import) -> bool:
    """A station knows ``resources``, the shared protocol and itself. kinds.py and schemas.py know no station."""
    if found.package == "assets":
        own = station(found.file)
        return found.module not in SHARED and not (own and station_of(found.module) == own)
    return found.package in OURS - {"resources"} or found.package == "dagster"


def is_wrong_in_dagster_project(found: Import) -> bool:
    return found.package in {"mathloom", "benchmarks", "tests"}


def station(file: str) -> str:
    """``assets/answers/key.py`` is in the station answers; ``assets/kinds.py`` is in none."""
    return station_of(file.removesuffix(".py").replace("/", "."))


def station_of(module: str) -> str:
    name = module.removeprefix("assets").removeprefix(".").partition(".")[0]
    return "" if name in NO_STATIONS else name


@pytest.mark.parametrize(
    ("package", "is_wrong"),
    [
        pytest.param("resources", is_wrong_in_resources, id="resources knows neither sibling nor Dagster"),
        pytest.param("assets", is_wrong_in_assets, id="a station knows resources, the protocol and itself"),
        pytest.param("dagster_project", is_wrong_in_dagster_project, id="dagster_project is not its own user"),
    ],
)
def test_import_directions(imports: list[Import], package: str, is_wrong: Callable[[Import], bool]) -> None:
    broken = [str(i) for i in of_ours(imports) if i.file.startswith(f"{package}/") and is_wrong(i)]
    assert not broken, "\n".join(broken)


def test_only_mathloom_imports_dagster_project(imports: list[Import]) -> None:
    allowed = ("dagster_project/", "mathloom/", "benchmarks/")
    broken = [str(i) for i in imports if i.package == "dagster_project" and not i.file.startswith(allowed)]
    assert not broken, "\n".join(broken)


def test_templates_import_only_the_public_name(imports: list[Import]) -> None:
    templates = [found for found in imports if found.file.startswith(USERS_OWN)]
    broken = [str(found) for found in templates if found.package in OURS - {"mathloom"}]
    assert templates
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("file", "module", "is_wrong"),
    [
        ("resources/x.py", "assets.kinds", True),
        ("resources/x.py", "dagster", True),
        ("resources/x.py", "resources.errors", False),
        ("assets/answers/x.py", "assets.kinds", False),
        ("assets/answers/x.py", "assets.answers.key", False),
        ("assets/answers/x.py", "assets.seeds.rows", True),
        ("assets/answers/x.py", "assets.recipes", True),
        ("assets/answers/x.py", "dagster", True),
        ("assets/kinds.py", "assets.answers.key", True),
        ("assets/kinds.py", "assets.schemas", False),
        ("assets/seeds/x.py", "mathloom", True),
    ],
)
def test_the_rules_tell_right_from_wrong(file: str, module: str, is_wrong: bool) -> None:
    rule = is_wrong_in_assets if file.startswith("assets/") else is_wrong_in_resources
    assert rule(Import(file, 1, module, True)) is is_wrong


def test_heavy_packages_are_imported_inside_functions(imports: list[Import]) -> None:
    broken = [str(found) for found in imports if found.is_top and found.package in HEAVY]
    assert not broken, "\n".join(broken)


def test_one_module_imports_openvino(imports: list[Import]) -> None:
    """It hides the telemetry first; an import anywhere else would write into the home folder."""
    places = {found.file for found in of_ours(imports) if found.package in {"openvino", "openvino_genai"}}
    assert places == {"resources/engines/openvino/library.py"}


DAGSTER_MAKERS = re.compile(
    r"(dg|dagster)\.(asset|multi_asset|asset_check|multi_asset_check|op|sensor|asset_sensor|schedule)\b"
)


def test_modules_with_assets_keep_their_annotations(modules: Modules, imports: list[Import]) -> None:
    """With postponed annotations Dagster 1.13 refuses the typed ``context`` argument of an asset."""
    makers = [file for file, tree in modules.items() if any(makes_assets(node) for node in ast.walk(tree))]
    broken = [str(found) for found in imports if found.file in makers and found.module == "__future__"]
    assert "dagster_project/graph.py" in makers
    assert not broken, "\n".join(broken)


def makes_assets(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(DAGSTER_MAKERS.match(ast.unparse(d)) for d in node.decorator_list)


MEASURE = """
import sys, time
start = time.process_time()
import {module}
{then}
print(time.process_time() - start, *sorted({{name.partition(".")[0] for name in sys.modules}}))
"""


def measure(module: str, then: str = "") -> tuple[float, set[str]]:
    """Seconds of CPU time, which a busy machine changes little, and top-level packages of an import on its own."""
    script = MEASURE.format(module=module, then=then)
    environment = {**os.environ, "MATHLOOM_PROJECT": str(ROOT / "mathloom.toml")}
    command = [sys.executable, "-c", script]
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    seconds, *packages = child.stdout.split()
    return float(seconds), set(packages)


def test_reading_an_answer_loads_no_dagster() -> None:
    _, packages = measure("mathloom", "mathloom.canonical_key('1/2')")
    assert packages & {"dagster", "duckdb", "polars", *HEAVY} == set()


def test_definitions_load_fast_and_light() -> None:
    runs = [measure("dagster_project.definitions") for _ in range(3)]
    assert set().union(*(packages for _, packages in runs)) & HEAVY == set()
    assert min(seconds for seconds, _ in runs) < IMPORT_SECONDS, [seconds for seconds, _ in runs]
