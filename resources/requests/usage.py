"""What the store holds of each model: completions, failures, tokens, bytes and times, by weights and engine.

Lives here: the figures and how they are counted from tables. They stand in each ``seal.json``, so that nobody reads a
text to count it: ``mathloom requests stats`` shows them, and a plan estimates from them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True, slots=True)
class WeightsUsage:
    """Figures of one pair of weights and engine, over what is sealed."""

    weights: str
    engine: str
    completions: int = 0
    failures: int = 0
    """Failed attempts, also of requests that were completed later."""
    counted: int = 0
    """Completions whose prompt and completion tokens are both known: the divisor of a mean."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    text_bytes: int = 0
    """UTF-8 bytes of texts and reasonings, before compression."""
    first_ns: int | None = None
    """When the first completion was stored (ns since 1970); None if there is none."""
    last_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of a store. Bytes and tokens are those of sealed completions."""

    completions: int
    failures: int
    prompt_tokens: int
    completion_tokens: int
    seals: int
    segments: int
    bytes: int
    journals: int
    journal_bytes: int


def counted_completions(table: pa.Table) -> list[WeightsUsage]:
    """Figures of a table of the schema COMPLETIONS."""
    text, reasoning = (pc.call_function("binary_length", [table[name]]) for name in ("text", "reasoning"))
    size = pc.call_function("add", [text.cast(pa.int64()), pc.fill_null(reasoning.cast(pa.int64()), 0)])
    tokens = [pc.call_function("is_valid", [table[name]]) for name in ("prompt_tokens", "completion_tokens")]
    known = pc.call_function("and", tokens).cast(pa.int64())
    narrow = table.select(["weights", "engine", "prompt_tokens", "completion_tokens", "stored_at_ns"])
    narrow = narrow.append_column("size", size).append_column("known", known)
    totals = [("size", "sum"), ("known", "sum"), ("prompt_tokens", "sum"), ("completion_tokens", "sum")]
    grouped = narrow.group_by(["weights", "engine"], use_threads=False).aggregate(
        [*totals, ("stored_at_ns", "min"), ("stored_at_ns", "max"), ([], "count_all")]
    )
    return [
        WeightsUsage(
            weights=row["weights"],
            engine=row["engine"],
            completions=row["count_all"],
            counted=row["known_sum"],
            prompt_tokens=row["prompt_tokens_sum"] or 0,
            completion_tokens=row["completion_tokens_sum"] or 0,
            text_bytes=row["size_sum"],
            first_ns=row["stored_at_ns_min"],
            last_ns=row["stored_at_ns_max"],
        )
        for row in grouped.to_pylist()
    ]


def counted_failures(table: pa.Table) -> list[WeightsUsage]:
    """Figures of a table of the schema FAILURES."""
    grouped = table.select(["weights", "engine"]).group_by(["weights", "engine"], use_threads=False)
    rows = grouped.aggregate([([], "count_all")]).to_pylist()
    return [WeightsUsage(row["weights"], row["engine"], failures=row["count_all"]) for row in rows]


def added(usages: Iterable[WeightsUsage]) -> list[WeightsUsage]:
    """One figure for each pair of weights and engine, in the order of their names."""
    found: dict[tuple[str, str], WeightsUsage] = {}
    for usage in usages:
        name = (usage.weights, usage.engine)
        found[name] = _sum(found[name], usage) if name in found else usage
    return [found[name] for name in sorted(found)]


def as_facts(usages: Iterable[WeightsUsage]) -> list[dict[str, Any]]:
    """``usages`` as ``seal.json`` holds them."""
    return [asdict(usage) for usage in usages]


def of_facts(facts: Mapping[str, Any]) -> list[WeightsUsage]:
    """The figures in a ``seal.json``."""
    return [WeightsUsage(**row) for row in facts["usage"]]


def _sum(left: WeightsUsage, right: WeightsUsage) -> WeightsUsage:
    firsts = [time for time in (left.first_ns, right.first_ns) if time is not None]
    lasts = [time for time in (left.last_ns, right.last_ns) if time is not None]
    return WeightsUsage(
        weights=left.weights,
        engine=left.engine,
        completions=left.completions + right.completions,
        failures=left.failures + right.failures,
        counted=left.counted + right.counted,
        prompt_tokens=left.prompt_tokens + right.prompt_tokens,
        completion_tokens=left.completion_tokens + right.completion_tokens,
        text_bytes=left.text_bytes + right.text_bytes,
        first_ns=min(firsts, default=None),
        last_ns=max(lasts, default=None),
    )
