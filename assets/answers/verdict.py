r"""Whether two answers are the same: by their keys, and where those leave it open by the symbolic step.

In a library, three lines: ``from mathloom import equivalent``, ``verdict = equivalent(r"\frac12", "0.5")``,
``verdict.relation``. The relation is reflexive and symmetric; where both keys are decided it is transitive too.
"""

from __future__ import annotations

import atexit
import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from assets.answers.key import Key, canonical_key
from assets.answers.policy import DEFAULT, Policy
from resources.errors import MathloomError

if TYPE_CHECKING:
    from assets.answers.symbolic.step import SymbolicStep

Relation = Literal["equal", "different", "unknown"]
Tier = Literal["text", "key", "symbolic", "cache"]

_SHARED_ROWS = 100_000
"""Verdicts that the shared step remembers: about 10 MB."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found about two answers."""

    relation: Relation
    """``unknown``: neither could be shown, in the time and with what is known. Never a guess."""
    tier: Tier
    """What settled it, or gave up last: equal text, keys, sympy, or sympy at an earlier time."""
    key_a: Key
    key_b: Key
    ms: float
    """Time of this call, by the clock."""


def equivalent(
    a: str, b: str, policy: Policy = DEFAULT, *, symbolic: SymbolicStep | Literal["shared"] | None = "shared"
) -> Verdict:
    """Compare two answers as they stood in their boxes.

    Args:
        a: One answer.
        b: The other; their order does not matter.
        policy: What counts as the same answer.
        symbolic: What compares undecided answers. ``shared``: one worker process that starts at the first such pair
            (in 1 to 2 s), remembers its verdicts and ends with this process. None: they are unknown.

    Raises:
        MathloomError: The step has another policy, or its processes cannot be started. No text of an answer can
            cause it.
    """
    if symbolic is not None and symbolic != "shared" and symbolic.policy != policy:
        raise MathloomError(
            f"the symbolic step compares by {symbolic.policy}, the keys by {policy}",
            where="equivalent(symbolic=...)",
            fix="Give both the same policy.",
        )
    start = time.perf_counter()
    key_a, key_b = canonical_key(a, policy), canonical_key(b, policy)
    relation, tier = _compare(a.strip(), b.strip(), key_a, key_b, policy, symbolic)
    return Verdict(relation, tier, key_a, key_b, 1000.0 * (time.perf_counter() - start))


def _compare(
    a: str, b: str, key_a: Key, key_b: Key, policy: Policy, symbolic: SymbolicStep | Literal["shared"] | None
) -> tuple[Relation, Tier]:
    if a == b:
        return "equal", "text"
    if key_a.text == key_b.text:
        return "equal", "key"
    if key_a.status == key_b.status == "decided":
        return "different", "key"
    if symbolic is None:
        return "unknown", "key"
    step = shared_step(policy) if symbolic == "shared" else symbolic
    [found] = step.compare([(a, b)])
    return found.relation, found.tier


@functools.cache
def shared_step(policy: Policy) -> SymbolicStep:
    """The step of this process for one policy: one worker, no budget, verdicts in memory, closed at exit."""
    from assets.answers.symbolic.cache import VerdictCache
    from assets.answers.symbolic.step import SymbolicStep

    step = SymbolicStep(policy, VerdictCache(max_rows=_SHARED_ROWS), budget_s=None, workers=1)
    atexit.register(step.close)
    return step
