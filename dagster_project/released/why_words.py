"""An explanation as a person reads it in a terminal: bounded, and with all text of others made printable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from dagster_project.released.why import Explanation
from dagster_project.terminal.words import cell

MAX_TEXT = 300
"""Characters of a text, unless all is asked for."""

MAX_LINES = 20
"""Checks and solutions that are shown, unless all is asked for."""

_STYLES = {"released": "green", "rejected": "red", "not released": "yellow"}


def explanation_lines(found: Explanation, *, is_full: bool = False) -> Iterator[Text]:
    """What to print, in order."""
    limit = 1_000_000 if is_full else MAX_TEXT
    most = 1_000 if is_full else MAX_LINES
    yield Text.assemble((f"{found.what} {found.id}", "bold"), "  ", (found.state, _STYLES[found.state]))
    yield Text(cell(found.where), style="dim")
    yield from _pairs("problem", found.problem, limit)
    yield from _pairs("seed", found.seed, limit)
    for edge in found.edges:
        if edge.get("relation") != "seed":
            yield from _pairs("made from", _of_edge(edge), limit)
    yield from _pairs("asked", found.asked, limit)
    yield from _pairs("answer", found.vote, limit)
    yield from _pairs("text", found.text, limit)
    yield from _path(found.path, limit)
    for split in found.splits:
        place = f"{cell(split.get('split'))}:{split.get('row')}"
        yield Text(f"{'split':<10} {place}  rank {split.get('rank')}, round {split.get('k')}")
    yield from _checks(found.checks, most)
    for match in found.contamination:
        yield from _pairs("benchmark", match, limit)
    yield from _solutions(found.solutions, most)


def _of_edge(edge: Mapping[str, Any]) -> dict[str, Any]:
    names = ("relation", "parent_id", "parent", "request_key", "expected_answer")
    return {name: edge.get(name) for name in names}


def _pairs(title: str, values: Mapping[str, Any], limit: int) -> Iterator[Text]:
    known = {name: value for name, value in values.items() if value is not None}
    for number, (name, value) in enumerate(known.items()):
        words = json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, (dict, list)) else value
        head = title if number == 0 else ""
        yield Text.assemble((f"{head:<10} ", "bold"), (f"{name.replace('_', ' ')}: ", "dim"), cell(words, limit))


def _path(path: Sequence[Mapping[str, Any]], limit: int) -> Iterator[Text]:
    for number, step in enumerate(path):
        head = "stages" if number == 0 else ""
        words = f"{cell(step['stage'])} ({cell(step['kind'])})" if step.get("kind") else cell(step["stage"])
        line = Text.assemble((f"{head:<10} ", "bold"), words, "  ")
        if step["outcome"] == "rejected":
            reason = ": ".join(cell(step[name], limit) for name in ("rule", "reason", "detail") if step.get(name))
            line.append(f"rejected  {reason}", style="red")
        else:
            line.append("kept", style="dim")
        yield line


def _checks(checks: Sequence[Mapping[str, Any]], most: int) -> Iterator[Text]:
    """How many passed, and those that did not."""
    if not checks:
        return
    failed = [check for check in checks if not check.get("passed")]
    yield Text.assemble((f"{'checks':<10} ", "bold"), f"{len(checks) - len(failed)} of {len(checks)} passed")
    for check in failed[:most]:
        yield Text(f"{'':<10} {cell(check['stage'])}: {cell(check.get('name'))} failed", style="yellow")


def _solutions(solutions: Sequence[Mapping[str, Any]], most: int) -> Iterator[Text]:
    for number, row in enumerate(solutions[:most]):
        head = "solutions" if number == 0 else ""
        state = str(row["state"])
        line = Text.assemble((f"{head:<10} ", "bold"), f"{cell(row['solution_id'])}  ", (state, _STYLES.get(state, "")))
        line.append(f"  {cell(row.get('stage'))} {row.get('sample_index')}")
        if row.get("rule"):
            line.append(f"  {cell(row.get('left_at'))}: {cell(row['rule'])}")
        yield line
    if len(solutions) > most:
        yield Text(f"{'':<10} \u2026 {len(solutions) - most} more: --full", style="dim")
