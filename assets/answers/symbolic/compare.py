"""The verdict of the symbolic step on two answers. Runs in worker processes only.

Equal only if equal both ways. What cannot be read whole, what two readers could mean differently, and what neither
numbers nor algebra settle is unknown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from assets.answers.policy import Policy
from assets.answers.reading.undecided import Undecided
from assets.answers.symbolic.shapes import Equation, Group, Inequalities, Shape, Value, read_shape
from assets.answers.symbolic.values import Relation, compare_values, evaluate, is_zero, points

_UNALIKE = frozenset(
    {"equation value", "list value", "set value", "tuple value", "list tuple", "set tuple", "equation tuple"}
)
"""Kinds, in alphabetical order, of two whole answers that are never the same, by the policy. All other pairs of kinds
are unknown."""
_REFUTING = 2
"""Points that must lie on one curve and off the other, or in one region and outside of the other."""


def answer(piece: str) -> str:
    """The function of the worker processes: JSON with ``a``, ``b`` and ``policy`` in, the relation out."""
    told = json.loads(piece)
    return compare_answers(told["a"], told["b"], Policy(**told["policy"]))


def compare_answers(a: str, b: str, policy: Policy) -> Relation:
    """The relation of two answers. May take any time and memory: only for processes that are killed on time."""
    try:
        left, right = read_shape(a, policy), read_shape(b, policy)
        if " ".join(sorted((_kind(left), _kind(right)))) in _UNALIKE:
            return "different"
        found = _compare(left, right)
        return _compare(right, left) if found == "equal" else found
    except Undecided:
        return "unknown"
    except Exception:  # of sympy and its helpers: there are dozens, and a text that causes one is unknown
        return "unknown"


def _compare(a: Shape, b: Shape) -> Relation:
    if isinstance(a, Value) and isinstance(b, Value):
        return compare_values(a.expression, b.expression)
    if isinstance(a, Equation) and isinstance(b, Equation):
        return _compare_equations(a.difference, b.difference)
    if isinstance(a, Inequalities) and isinstance(b, Inequalities):
        return _compare_inequalities(a, b)
    if isinstance(a, Group) and isinstance(b, Group) and {a.kind, b.kind} <= {"list", "set"}:
        return (
            _compare_unordered(_once(a), _once(b))
            if "set" in {a.kind, b.kind}
            else _compare_unordered(a.parts, b.parts)
        )
    if isinstance(a, Group) and isinstance(b, Group) and a.kind == b.kind:
        return _compare_groups(a, b)
    return "unknown"


def _kind(shape: Shape) -> str:
    if isinstance(shape, Group) and any(isinstance(part, Equation) for part in shape.parts):
        return "named"  # x = 1, y = 2 may be (1,2)
    return shape.kind if isinstance(shape, Group) else type(shape).__name__.lower()


def _compare_groups(a: Group, b: Group) -> Relation:
    if a.kind == "union":
        return "equal" if _compare_unordered(a.parts, b.parts) == "equal" else "unknown"
    if len(a.parts) != len(b.parts) or (a.kind == "matrix" and a.mark != b.mark):
        return "different"
    found = _all([_compare(left, right) for left, right in zip(a.parts, b.parts, strict=True)])
    if a.mark == b.mark or found == "different":
        return found
    # (1,2) and [1,2] are two intervals; with more parts, brackets are a matter of taste.
    is_interval = len(a.parts) == 2 and "\\langle" not in a.mark + b.mark
    return "different" if is_interval and found == "equal" else "unknown"


def _all(relations: Sequence[Relation]) -> Relation:
    if "different" in relations:
        return "different"
    return "unknown" if "unknown" in relations else "equal"


def _compare_unordered(a: Sequence[Shape], b: Sequence[Shape]) -> Relation:
    """As multisets. Equality is transitive here, so the first equal partner is as good as any."""
    table = [[_compare(left, right) for right in b] for left in a]
    if len(a) != len(b):
        return "different"
    left_open = list(range(len(b)))
    for row in table:
        found = next((at for at in left_open if row[at] == "equal"), None)
        if found is not None:
            left_open.remove(found)
    if not left_open:
        return "equal"
    is_alone = any(set(row) == {"different"} for row in [*table, *zip(*table, strict=True)])
    return "different" if is_alone else "unknown"


def _once(group: Group) -> tuple[Shape, ...]:
    """Each part of a set once. Undecided where it is open whether two are the same."""
    kept: list[Shape] = []
    for part in group.parts:
        found = [_compare(part, other) for other in kept]
        if "unknown" in found:
            raise Undecided
        if "equal" not in found:
            kept.append(part)
    return tuple(kept)


def _compare_equations(a: Any, b: Any) -> Relation:
    """Equations are the same up to a factor; they differ where points of one curve do not lie on the other."""
    import sympy

    if a.free_symbols != b.free_symbols or not a.free_symbols:
        return "unknown"
    ratios = [_ratio(a, b, point) for _, point in points(sorted(a.free_symbols, key=str))]
    known = [ratio for ratio in ratios if ratio is not None]
    if len(known) >= 3 and all(abs(ratio - known[0]) <= abs(known[0]) / 10**40 for ratio in known):
        factor = sympy.cancel(a / b)
        if not factor.is_number:
            factor = sympy.simplify(factor)
        return "equal" if factor.is_number and factor.is_finite and not is_zero(factor) else "unknown"
    return "different" if _is_off(a, b) or _is_off(b, a) else "unknown"


def _ratio(a: Any, b: Any, point: dict[Any, Any]) -> Any:
    left, right = evaluate(a, point), evaluate(b, point)
    if left is None or right is None or left[1] or right[1] or not right[0] or not left[0]:
        return None
    return left[0] / right[0]


def _is_off(a: Any, b: Any) -> bool:
    """Whether points of ``a = 0``, which is solved for a variable that it is linear in, are off ``b = 0``."""
    import sympy

    for symbol in sorted(a.free_symbols, key=str):
        polynomial = a.as_poly(symbol)
        if polynomial is None or polynomial.degree() != 1:
            continue
        slope, rest = polynomial.all_coeffs()
        inserted = b.subs(symbol, -rest / slope)
        others = sorted(inserted.free_symbols, key=str)
        if not others:
            return not is_zero(inserted) and evaluate(inserted, {}) is not None
        found = [evaluate(inserted, point) for kind, point in points(others) if kind == "positive"]
        away = [
            value for value in found if value is not None and abs(value[0]) + abs(value[1]) > sympy.Rational(1, 10**20)
        ]
        return len(away) >= _REFUTING
    return False


def _compare_inequalities(a: Inequalities, b: Inequalities) -> Relation:
    """The same conditions up to positive factors; different where points lie in one region only."""
    if _symbols(a) != _symbols(b):
        return "unknown"
    if len(a.conditions) == len(b.conditions) and _is_matched(a, b):
        return "equal"
    told = [(_holds(a, point), _holds(b, point)) for _, point in points(sorted(_symbols(a), key=str))]
    apart = [pair for pair in told if None not in pair and pair[0] != pair[1]]
    return "different" if len(apart) >= _REFUTING else "unknown"


def _symbols(shape: Inequalities) -> set[Any]:
    return set().union(*(difference.free_symbols for difference, _ in shape.conditions))


def _is_matched(a: Inequalities, b: Inequalities) -> bool:
    import sympy

    waiting = list(b.conditions)
    for difference, is_strict in a.conditions:
        for other in waiting:
            factor = sympy.cancel(difference / other[0])
            if is_strict == other[1] and factor.is_number and factor.is_positive:
                waiting.remove(other)
                break
        else:
            return False
    return not waiting


def _holds(shape: Inequalities, point: dict[Any, Any]) -> bool | None:
    values = [evaluate(difference, point) for difference, _ in shape.conditions]
    if any(value is None or value[1] or not value[0] for value in values):
        return None
    return all(value is not None and value[0] < 0 for value in values)
