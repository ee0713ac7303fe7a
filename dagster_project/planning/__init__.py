"""The plan: what a build would do and cost, said before it starts. No engine, no network and no tokenizer is needed."""

from dagster_project.planning.costs import stage_plan

__all__ = ["stage_plan"]
