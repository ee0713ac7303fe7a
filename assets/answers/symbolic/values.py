"""Whether two expressions are the same: refuted by numbers, proved by algebra, never one without the other.

Numbers alone would merge what differs in the hundredth digit; sympy's simplification alone has had wrong rules. So
``equal`` needs a difference that simplifies to zero *and* 50 equal digits at every point; ``different`` needs digits
that differ at several points of two kinds. Runs in worker processes only.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Literal

Relation = Literal["equal", "different", "unknown"]

DIGITS = 50
"""Digits of an evaluation. math-verify rounds to an absolute 15 places and merges 1/2004! with 1/2006!."""

_CLOSE, _FAR = Fraction(1, 10**45), Fraction(1, 10**40)
"""Relative differences: up to the first two values agree, from the second on they differ, between is a doubt."""
_MIN_BITS = 100
"""Precision that a value must have kept: sympy marks what cancels to nothing with almost none."""
_MIN_POINTS = 3
_REFUTING = 2
"""Points of each kind at which expressions must differ to be called different."""

_POSITIVE = ("17/11", "29/13", "37/19", "53/31", "71/43")
"""Between 1 and 3: away from poles at small integers. Variables take them in turn."""
_WHOLE = (3, 7, 4, 9, 6)
"""Where a variable counts: ``\\cos n\\pi`` is ``(-1)^n`` there only."""


def compare_values(a: Any, b: Any) -> Relation:
    """The relation of two expressions whose variables are real."""
    import sympy

    if not _is_finite(a) or not _is_finite(b):
        return "equal" if a == b and a in (sympy.oo, -sympy.oo) else "unknown"
    seen = _look(a, b)
    if seen != "equal":
        return seen
    return "equal" if is_zero(a - b) else "unknown"


def _is_finite(expression: Any) -> bool:
    import sympy

    return not expression.has(sympy.oo, -sympy.oo, sympy.zoo, sympy.nan)


def _look(a: Any, b: Any) -> Relation:
    """What numbers say: ``equal`` means that nothing speaks against it."""
    symbols = sorted(a.free_symbols | b.free_symbols, key=str)
    is_complex = _is_complex(a) or _is_complex(b)
    if not symbols:
        close = _compare_at(a, b, {}, is_complex=is_complex)
        return "unknown" if close is None else "equal" if close else "different"
    verdicts: dict[str, list[bool]] = {"positive": [], "whole": [], "mixed": []}
    for kind, point in points(symbols):
        close = _compare_at(a, b, point, is_complex=is_complex)
        if close is not None:
            verdicts[kind].append(close)
    if all(verdicts[kind].count(False) >= _REFUTING and not any(verdicts[kind]) for kind in ("positive", "whole")):
        # f(x) and x_1 are names whose meaning is in the problem: y and f(x) may be one.
        is_named = any(len(str(symbol).removeprefix("\\")) > 1 and "(" in str(symbol) for symbol in symbols)
        return "unknown" if is_named and a.free_symbols != b.free_symbols else "different"
    found = [close for kind in verdicts for close in verdicts[kind]]
    return "equal" if len(found) >= _MIN_POINTS and all(found) else "unknown"


def points(symbols: list[Any]) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Exact values of the variables: positive, whole and of both signs, the same for every run."""
    import sympy

    for turn in range(len(_POSITIVE)):
        places = [(turn + 2 * index) % len(_POSITIVE) for index in range(len(symbols))]
        lifts = [1 + index // len(_POSITIVE) for index in range(len(symbols))]
        triples = list(zip(symbols, places, lifts, strict=True))
        yield "positive", {symbol: sympy.Rational(_POSITIVE[place]) * lift for symbol, place, lift in triples}
        yield "whole", {symbol: sympy.Integer(_WHOLE[place]) * lift for symbol, place, lift in triples}
        yield (
            "mixed",
            {
                symbol: sympy.Rational(_POSITIVE[place]) * lift * (-1) ** (turn + index) / (1 + turn % 3)
                for index, (symbol, place, lift) in enumerate(triples)
            },
        )


def _compare_at(a: Any, b: Any, point: dict[Any, Any], *, is_complex: bool) -> bool | None:
    """Whether both agree there; None where one has no value, or too few digits, or digits that settle nothing."""
    left, right = evaluate(a, point), evaluate(b, point)
    if left is None or right is None:
        return None
    if not is_complex and (left[1] or right[1]):
        return None  # a root of a negative number: which branch is meant is a matter of taste
    gap = abs(left[0] - right[0]) + abs(left[1] - right[1])
    size = max(abs(left[0]) + abs(left[1]), abs(right[0]) + abs(right[1]))
    if gap <= _CLOSE * size:
        return True
    return False if gap >= _FAR * size else None


def evaluate(expression: Any, point: dict[Any, Any]) -> tuple[Fraction, Fraction] | None:
    """Real and imaginary part to :data:`DIGITS` digits; None where there is no value or it lost its digits."""
    value = expression.evalf(DIGITS, subs=point) if point else expression.evalf(DIGITS)
    if value.free_symbols or not value.is_number:
        return None
    parts = [_exact(part) for part in value.as_real_imag()]
    if parts[0] is None or parts[1] is None:
        return None
    return parts[0], parts[1]


def _exact(value: Any) -> Fraction | None:
    if value.is_Rational:
        return Fraction(int(value.p), int(value.q))
    if not value.is_Float or value._prec < _MIN_BITS or not value.is_finite:  # noqa: SLF001
        return None
    sign, mantissa, exponent, _ = value._mpf_  # noqa: SLF001
    if abs(exponent) > 1 << 20:
        return None
    shown = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return -shown if sign else shown


def _is_complex(expression: Any) -> bool:
    import sympy

    return expression.has(sympy.I)


def is_zero(difference: Any) -> bool:
    """Whether algebra shows that it is zero. The cheap ways first; the time-out of the pair ends the others."""
    import sympy

    for shown in (lambda d: d, sympy.expand, sympy.cancel, sympy.simplify, _through_exponentials):
        if shown(difference) == 0:
            return True
    return not difference.free_symbols and difference.equals(0) is True


def _through_exponentials(difference: Any) -> Any:
    import sympy

    return sympy.simplify(sympy.expand(sympy.expand_trig(difference.rewrite(sympy.exp)), complex=False))
