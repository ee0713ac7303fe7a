"""What the Dagster UI shows of a release: metadata of the materialisation, and links to what it was made from.

Text is ours or escaped: the card and the changelog are written by ``assets/release``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import dagster as dg

from assets.release import changelog
from dagster_project.language.resolved import Recipe
from dagster_project.releasing.gate import QUESTIONS, Gate, Verdict, check_name
from dagster_project.releasing.gate_repository import step_between
from dagster_project.releasing.plan import ReleasePlan
from dagster_project.releasing.publish import Published
from dagster_project.releasing.state import RepositoryState
from dagster_project.terminal.words import cell

_MAX_CARD = 12_000
_MAX_CHANGELOG = 6_000
"""Characters: metadata lies in Dagster's event log, which must stay small."""

_HASH = 40
"""Characters: whole ones push every other value out of the page."""

_SEARCHED = 50
"""Materialisations of an ancestor among which the released version is looked for."""


def release_metadata(plan: ReleasePlan, published: Published) -> dict[str, Any]:
    """Metadata in the order in which the UI lists it. Counts are numbers: the UI plots them over the releases."""
    newest = plan.state.newest
    step = step_between(newest, plan.number).name.lower() if newest and plan.kind == "release" else "none"
    shown: dict[str, Any] = {
        "state": published.state,
        "repository": plan.repository,
        "tag": published.tag,
        "commit": published.commit,
        "address": address(published.url),
        "step": "first release" if newest is None else step,
        "why": dg.MetadataValue.text("; ".join(cell(reason, 300) for reason in plan.reasons)),
        **texts(plan.entry, plan.card, plan.state),
        **row_numbers(plan),
        "bytes sent": published.sent_bytes,
        "seconds": published.seconds,
    }
    warnings = [f"{reason.where}: {reason.what}" for reason in plan.gate.warnings]
    if warnings:
        shown["warnings"] = dg.MetadataValue.text("; ".join(cell(words, 300) for words in warnings))
    return {**shown, **_hashes(plan)}


def unpublished_metadata(plan: ReleasePlan, url: str) -> dict[str, Any]:
    """What is shown where a new card waits for a person: the release that stands."""
    newest = plan.state.newest
    return {
        "state": "rows as published",
        "repository": plan.repository,
        "tag": newest.tag if newest else "",
        "address": address(url),
        "why": dg.MetadataValue.text("; ".join(cell(reason, 300) for reason in plan.reasons)),
        **texts("", "", plan.state),
        **_hashes(plan),
    }


def _hashes(plan: ReleasePlan) -> dict[str, str]:
    return {"mathloom/digest": plan.built.digest[:_HASH], "mathloom/version": plan.built.version.version[:_HASH]}


def texts(entry: str, card: str, state: RepositoryState) -> dict[str, dg.MetadataValue]:
    """Changelog and card as they go out; where nothing does, those that are published."""
    entries = [entry] if entry else changelog.newest(state.changelog or "", 1)
    cards = [without_head(text) for text in (card or state.card,) if text]
    shown = {"changelog": (entries, _MAX_CHANGELOG), "card": (cards, _MAX_CARD)}
    return {name: dg.MetadataValue.md(cut(found[0], limit)) for name, (found, limit) in shown.items() if found}


def address(url: str) -> Any:
    """A link, or a path."""
    return dg.MetadataValue.url(url) if "://" in url else dg.MetadataValue.path(url)


def row_numbers(plan: ReleasePlan) -> dict[str, int]:
    """Rows, added, removed and changed, in all and by split; each name is there in every release."""
    shown: dict[str, int] = {}
    splits = plan.difference.splits if plan.difference else {}
    rows = plan.built.rows
    counts = ("added", "removed", "changed")
    for split, count in rows.items():
        known = splits.get(split)
        shown[f"rows: {cell(split, 40)}"] = count
        for what in counts:
            shown[f"rows {what}: {cell(split, 40)}"] = getattr(known, what) if known else 0
    return shown


def links(recipe: Recipe, versions: Mapping[str, Sequence[str]], instance: dg.DagsterInstance) -> dg.MetadataValue:
    """One line an ancestor, with links of the UI: to the materialisation of the released version, and to its run."""
    lines = ["| asset | version | run |", "| --- | --- | --- |"]
    for stage, (_, version) in versions.items():
        key = dg.AssetKey(recipe.asset_path(stage))
        found = _materialised(key, version, instance)
        name, run = key.to_user_string(), ""
        if found is not None:
            page = quote("/".join(key.path))
            name = f"[{name}](/assets/{page}?view=events&asOf={int(found.timestamp * 1000)})"
            run = f"[{found.run_id[:8]}](/runs/{quote(found.run_id)})"
        lines.append(f"| {name} | `{version[:12]}` | {run} |")
    return dg.MetadataValue.md("\n".join(lines))


def _materialised(key: dg.AssetKey, version: str, instance: dg.DagsterInstance) -> dg.EventLogRecord | None:
    """The newest materialisation of this very version; None if the instance has none."""
    for record in instance.fetch_materializations(key, limit=_SEARCHED).records:
        found = record.asset_materialization
        if found is not None and (found.tags or {}).get("dagster/data_version") == version[:40]:
            return record
    return None


def gate_results(gate: Gate) -> list[dg.AssetCheckResult]:
    """One result a question; its description is Markdown. What was not asked, because nothing goes out, is green."""
    asked = {verdict.name: verdict for verdict in gate.verdicts}
    return [_result(asked.get(name) or Verdict(name, title), name in asked) for name, title in QUESTIONS.items()]


def _result(verdict: Verdict, is_asked: bool) -> dg.AssetCheckResult:
    words = [f"- {r.level}: {_line(r.where, 200)}: {_line(r.what, 400)}. {_line(r.fix, 300)}" for r in verdict.reasons]
    is_warning = verdict.passed and bool(verdict.reasons)
    return dg.AssetCheckResult(
        check_name=check_name(verdict.name),
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity.WARN if is_warning else dg.AssetCheckSeverity.ERROR,
        description="\n".join(words) or (verdict.title if is_asked else "Not asked: nothing goes out."),
        metadata={"reasons": len(verdict.reasons)},
    )


def _line(text: str, limit: int) -> str:
    """Text for a Markdown list that the run's log shows too: only what begins HTML, links and emphasis is escaped."""
    return re.sub(r"([<\[*\\])", r"\\\1", cell(text, limit))


def without_head(card: str) -> str:
    """A card without its YAML."""
    return card.split("\n---\n", 1)[-1] if card.startswith("---\n") else card


def cut(text: str, limit: int) -> str:
    """The first lines of a long text."""
    if len(text) <= limit:
        return text
    return text[:limit].rsplit("\n", 1)[0] + "\n\n[...]"
