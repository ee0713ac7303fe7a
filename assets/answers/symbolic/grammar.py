r"""The second reader: math-verify's LaTeX grammar, for sums, integrals, ``\max`` and ``\gcd``.

Our own reader has none of these. The grammar reads nearly everything, by dropping or guessing what it does not know
(``1011_2`` is 1011, ``2(3)`` is 5, ``f'`` is f), so it gets only texts that are made of known tokens, and the places
where its conversion guesses are closed. Runs in worker processes only.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from assets.answers.reading.names import FUNCTION_LETTERS, GREEK, NO_PRODUCTS
from assets.answers.reading.undecided import Undecided

_BIG = frozenset({"\\sum", "\\prod", "\\int", "\\max", "\\min", "\\gcd", "\\lcm"})
"""Without one of these our own reader would have read the text; why it did not is a doubt that stays."""
_LATEX = {"*": "\\cdot", "\u03c0": "\\pi", "\u221e": "\\infty"}
_KNOWN = frozenset("+-/^_(){}[]|!,=") | {
    *("\\frac", "\\sqrt", "\\binom", "\\sin", "\\cos", "\\tan", "\\cot", "\\sec", "\\csc", "\\ln", "\\log", "\\exp")
}
_MAX_RUN = 2
"""Longest run of letters that is a product."""


def parse_with_grammar(tokens: Sequence[str]) -> Any:
    """The expression that the grammar makes of ``tokens``. Undecided where it would have to guess."""
    if not _BIG.intersection(tokens) or tokens.count("\\int") > sum(_is_differential(token) for token in tokens):
        raise Undecided  # an integral over nothing would be one over x
    if any(a in FUNCTION_LETTERS and b == "(" for a, b in zip(tokens, tokens[1:], strict=False)):
        raise Undecided
    latex = " ".join(_latex(token, before) for before, token in zip(["", *tokens], tokens, strict=False))
    converter = _converter()
    parser = converter.create_parser(latex)
    tree = parser.expr()
    if parser.getTokenStream().LA(1) != -1:  # antlr's end of file
        raise Undecided
    expression = converter.convert_expr(tree).doit()
    if not _is_plain(expression):
        raise Undecided
    return expression


def _latex(token: str, before: str) -> str:
    is_digit = token[0].isdigit() or token[0] == "."
    if is_digit and (before[:1].isdigit() or before[:1] == "." or before.isalpha()):
        raise Undecided
    if is_digit or token in _KNOWN or token in _BIG or token.removeprefix("\\") in GREEK - {"gamma", "Gamma"}:
        return token
    if token in _LATEX:
        return _LATEX[token]
    if _is_differential(token):
        return token
    is_product = token.isascii() and token.isalpha() and len(token) <= _MAX_RUN and token.lower() not in NO_PRODUCTS
    if not is_product or not {"d", "I"}.isdisjoint(token):
        raise Undecided  # the grammar takes d as a differential and I as the imaginary unit
    return " ".join(token)


def _is_differential(token: str) -> bool:
    return len(token) == 2 and token[0] == "d" and token.isalpha()


def _converter() -> Any:
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig

    return _converter_type()(is_real=True, config=ConversionConfig(lowercase_symbols=False))


def _is_plain(expression: Any) -> bool:
    import sympy
    from sympy.core.function import AppliedUndef

    unfinished = (sympy.Sum, sympy.Product, sympy.Integral, sympy.Limit, AppliedUndef, sympy.Piecewise)
    return isinstance(expression, sympy.Expr) and not expression.has(*unfinished)


@functools.cache
def _converter_type() -> Any:
    import sympy
    import sympy.integrals.manualintegrate  # makes classes from text when it is loaded: not after the guard is up
    from latex2sympy2_extended.latex2sympy2 import _Latex2Sympy  # pyright: ignore[reportPrivateUsage]

    class Strict(_Latex2Sympy):
        """Refuses where the original guesses."""

        def convert_postfix_list(self, arr: Any, i: int = 0) -> Any:
            parts = [self.convert_postfix(part) for part in arr[i:]]
            if any(not isinstance(part, sympy.Expr) for part in parts):
                raise Undecided
            if len(parts) > 1 and parts[0].is_Integer and parts[1].is_Rational and arr[i].getText().isdigit():
                raise Undecided  # a mixed number, or a product
            return sympy.Mul(*parts)

        def convert_postfix(self, postfix: Any) -> Any:
            ops = postfix.postfix_op()
            if len(ops) > 1 or any(not op.BANG() for op in ops):
                raise Undecided
            return super().convert_postfix(postfix)

        def convert_atom(self, atom: Any) -> Any:
            if atom.PERCENT_NUMBER() or (atom.number_subexpr() and atom.number_subexpr().subexpr()):
                raise Undecided
            found = super().convert_atom(atom)
            return sympy.I if found == sympy.Symbol("i", real=True) else found

        def parse_number(self, text: str) -> Any:
            return sympy.Rational(text)

    return Strict
