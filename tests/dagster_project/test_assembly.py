"""What the definitions hold: keys, checks, resources, jobs, and how two profiles stay apart."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from dagster_project.assembly import build_definitions
from dagster_project.language.load import load_project


def project_file(folder: Path) -> Path:
    file = folder / "mathloom.toml"
    file.write_text('[project]\nstore = "store"\n[recipes.quickstart]\nprofile = "scripted"\n')
    return file


def test_another_profile_has_asset_keys_of_its_own(tmp_path: Path) -> None:
    file = project_file(tmp_path)
    usual = build_definitions(load_project(file)).resolve_asset_graph().get_all_asset_keys()
    other = build_definitions(load_project(file, "embedded")).resolve_asset_graph().get_all_asset_keys()
    assert dg.AssetKey(["quickstart", "graded"]) in usual
    assert {key.path[0] for key in other} == {"embedded"}
    assert not usual & other


def test_every_asset_declares_what_the_ui_needs(tmp_path: Path) -> None:
    definitions = build_definitions(load_project(project_file(tmp_path)))
    graph = definitions.resolve_asset_graph()
    checks = {}
    for key in graph.asset_check_keys:
        checks.setdefault(key.asset_key, set()).add(key.name)
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.code_version, key
        assert node.group_name == "quickstart", key
        assert node.kinds, key
        assert "dagster/column_schema" in node.metadata, key
        assert any(name.startswith("law_") for name in checks[key]), key
    resources = set(definitions.resources or {})
    assert {"builds", "quickstart__teacher"} <= resources
    assert definitions.resolve_job_def("quickstart").name == "quickstart"


def test_sql_stages_show_where_their_columns_come_from(tmp_path: Path) -> None:
    graph = build_definitions(load_project(project_file(tmp_path))).resolve_asset_graph()
    node = graph.get(dg.AssetKey(["quickstart", "fair_order"]))
    lineage = node.metadata["dagster/column_lineage"]
    (dep,) = lineage.deps_by_column["problem_id"]
    assert (dep.asset_key.path, dep.column_name) == (["quickstart", "distinct"], "problem_id")
