"""Sections of the card on the making: funnel, generation, models, costs, sources, checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assets.release.card_facts import CardFacts, Cost, prompts_of, rejected, rows_in, sampling_of
from assets.release.contamination import table
from assets.release.public import inline, name
from resources.identity import canonical_json


def funnel(facts: CardFacts) -> str:
    """Rows in and out of every stage."""
    if not facts.funnel:
        return ""
    rows = []
    for line in facts.funnel:
        rules = "; ".join(f"{inline(rule)}: {count:,}" for rule, count in rejected(line).items())
        rows.append([name(str(line.get("stage"))), _count(rows_in(line)), _count(line.get("rows_out")), rules])
    return "## Funnel\n\nRows in and out of each stage, and why rows left.\n\n" + table(
        ["stage", "rows in", "rows out", "removed, by rule"], rows
    )


def generation(facts: CardFacts) -> str:
    """Models, and how each stage asked them."""
    if not facts.lineage:
        return ""
    blocks = ["## Generation"]
    if facts.models:
        head = ["role", "model", "weights", "licence or terms"]
        blocks.append(table(head, [_model(role, model) for role, model in facts.models.items()]))
    for stage, line in facts.lineage.items():
        weights = name(str(line.get("weights") or "unknown"))
        model = inline(str(line.get("model") or "")) or weights
        prompts = ", ".join(f"{name(p)} (`{str(h)[:12]}`)" for p, h in prompts_of(line).items()) or "none"
        blocks.append(
            f"**{name(stage)}**\n\n- model: {model}\n- weights: {weights}\n- role: {inline(str(line.get('role')))}\n"
            f"- prompts (hash): {prompts}\n- settings: {_code(canonical_json(sampling_of(line)))}"
        )
    return "\n\n".join(blocks)


def _model(role: str, model: Mapping[str, Any]) -> list[str]:
    weights = name(str(model.get("weights") or "unknown"))
    licence = inline(str(model.get("licence") or "not stated"))
    return [name(role), inline(str(model.get("model") or "")) or weights, weights, licence]


def costs(facts: CardFacts) -> str:
    """Requests and tokens by stage and model; money where there is a price by the token."""
    if not facts.costs:
        return ""
    priced = [cost for cost in facts.costs if cost.price is not None]
    head = ["stage", "model", "requests", "completions", "failed", "tokens in", "tokens out"]
    rows = [_cost(cost, bool(priced)) for cost in facts.costs]
    rows.append(["total", "", *(f"{sum(counts):,}" for counts in zip(*map(_counts, facts.costs), strict=True))])
    if priced:
        head.append("price")
        rows[-1].append("")
    said = (
        "What the rows and rejects of each stage were made from, whichever build asked for it. Tokens are those of "
        "completions, as the engine counted them."
    )
    return "\n\n".join(part for part in ("## Costs", said, table(head, rows), _prices(facts, priced)) if part)


def _counts(cost: Cost) -> tuple[int, ...]:
    return cost.requests, cost.completed, cost.failed, cost.prompt_tokens, cost.completion_tokens


def _cost(cost: Cost, has_prices: bool) -> list[str]:
    price = [f"{cost.price:,.2f} {inline(cost.currency)}" if cost.price is not None else ""] if has_prices else []
    return [name(cost.stage), inline(cost.model), *(f"{count:,}" for count in _counts(cost)), *price]


def _prices(facts: CardFacts, priced: list[Cost]) -> str:
    if not priced:
        return ""
    totals: dict[str, float] = {}
    for cost in priced:
        totals[cost.currency] = totals.get(cost.currency, 0) + (cost.price or 0)
    said = "Together " + " and ".join(f"{total:,.2f} {inline(currency)}" for currency, total in totals.items())
    lines = []
    for role, model in facts.models.items():
        if price := model.get("price"):
            rates = f"{price['per_million_prompt_tokens']:g} and {price['per_million_completion_tokens']:g}"
            lines.append(
                f"- {name(role)}: {rates} {inline(str(price['currency']))} for a million tokens in and out "
                f"({inline(str(price['source']))}, {inline(str(price['date']))})"
            )
    return f"{said}, at these prices:\n\n" + "\n".join(lines)


def sources(facts: CardFacts) -> str:
    """Where seeds come from."""
    if not facts.sources:
        return ""
    rows = []
    for source, pin in facts.sources.items():
        content = str(pin.get("revision") or pin.get("sha256") or "")
        place = inline(str(pin.get("hub") or "file"))
        rows.append([name(source), place, f"`{content[:12]}`", inline(str(pin.get("licence") or "not stated"))])
    return "## Sources\n\n" + table(["source", "from", "commit or sha256", "licence"], rows)


def checks(facts: CardFacts) -> str:
    """Laws in one sentence; data tests in one line a stage, what did not pass by itself. BUILD.json lists each."""
    if not facts.checks:
        return ""
    laws = [r for results in facts.checks.values() for r in results if _is_law(r)]
    held = sum(bool(result.get("passed")) for result in laws)
    said = f"{held:,} of {len(laws):,} stages keep the law of their kind: no row is lost or invented."
    rows = []
    for stage, results in facts.checks.items():
        tests = [result for result in results if not _is_law(result)]
        if tests:
            passed = [_test(result) for result in tests if result.get("passed")]
            failed = [_failed(result) for result in tests if not result.get("passed")]
            rows.append([name(stage), f"{len(passed):,} of {len(tests):,}", "; ".join(passed), "; ".join(failed)])
    head = ["stage", "passed", "what was checked", "what did not pass"]
    return "\n\n".join(["## Checks", said, table(head, rows) if rows else "There are no other checks."])


def _is_law(result: Mapping[str, Any]) -> bool:
    return str(result.get("name")).startswith("law_")


def _test(result: Mapping[str, Any]) -> str:
    return inline(str(result.get("description") or result.get("name")))


def _failed(result: Mapping[str, Any]) -> str:
    level = "" if result.get("blocking") else ", a warning"
    return f"{_test(result)} ({result.get('violations', 0):,} violations{level})"


def _code(text: str) -> str:
    return inline(text, 2000) if "`" in text or "|" in text else f"`{inline_code(text)}`"


def inline_code(text: str) -> str:
    """Text inside single backticks, on one line and of bounded length."""
    return " ".join(text[:2000].split())


def _count(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else ""
