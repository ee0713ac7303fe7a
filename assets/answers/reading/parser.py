r"""Reads tokens as one formula: sums, products, fractions, powers, roots, functions, mixed numbers, binomials.

Recursive descent with a depth budget; anything outside of it raises Undecided, and so does every spelling with two
common readings (``1/2x``, ``\sin x/2``). Lists, tuples, labels and words are :mod:`assets.answers.forms`.
"""

from __future__ import annotations

from assets.answers.reading.atoms import Atoms
from assets.answers.reading.names import GREEK, ONE_ARGUMENT
from assets.answers.reading.tree import Tree, negative, number
from assets.answers.reading.undecided import Undecided

MAX_DEPTH = 24

_SIGNS = frozenset({"+", "-", "\u00b1", "\\mp"})
_STARTS = frozenset(
    {"(", "{", "[", "\\frac", "\\sqrt", "\\binom", "\u03c0", "\\boxed", "\\fbox", "\\lfloor", "\\lceil", "\\vec"}
    | {"\\overrightarrow", "\\overline"}
    | {"\\" + name for name in GREEK | ONE_ARGUMENT}
)


def parse(tokens: list[str]) -> Tree:
    """The tree of all ``tokens``. Undecided when they are no single formula."""
    return Parser(tokens).whole()


class Parser(Atoms):
    """One pass over tokens, first to last."""

    def whole(self) -> Tree:
        """The tree of all tokens."""
        tree = self.sum()
        if self.at != len(self.tokens):
            raise Undecided
        return tree

    def sum(self) -> Tree:
        r"""Terms joined by signs, and what ``\over`` or ``\choose`` makes of them."""
        self.enter()
        terms = [self._signed()]
        while self.peek() in _SIGNS:
            terms.append(self._signed())
        total = terms[0] if len(terms) == 1 else Tree("add", tuple(terms))
        if self.take("\\over"):
            total = Tree("div", (total, self.sum()))
        elif self.take("\\choose"):
            total = Tree("binom", (total, self.sum()))
        self.depth -= 1
        return total

    def _signed(self) -> Tree:
        signs: list[str] = []
        while self.peek() in _SIGNS:
            signs.append(self.next())
            if len(signs) > 2:
                raise Undecided
        term = self._product()
        for sign in reversed(signs):
            if sign == "-":
                term = negative(term)
            elif sign != "+":
                term = Tree("sign", (term,), 1 if sign == "\u00b1" else -1)
        return term

    def _product(self) -> Tree:
        factors = [self._power()]
        has_slash = False
        while True:
            if self.take("*"):
                factors.append(self._factor())
            elif self.take("/"):
                if has_slash:
                    raise Undecided  # 6/12/2004 is a date, and 1/2/3 has two readings
                factors, has_slash = [Tree("div", (_times(factors), self._factor()))], True
            elif self.starts_factor():
                if has_slash:
                    raise Undecided  # 1/2x: a half of x, or one over 2x
                factors.append(self._power())
            else:
                return _times(factors)

    def _factor(self) -> Tree:
        r"""A factor after an explicit sign, which may be negative: ``2\cdot -3``."""
        return negative(self._power()) if self.take("-") else self._power()

    def starts_factor(self) -> bool:
        """Whether the next token begins a factor of an implicit product."""
        token = self.peek()
        if not token:
            return False
        if token[0].isdigit() and self.peek(-1) == "!":
            return True  # 2!3!
        if token[0].isdigit() or token[0] == ".":
            raise Undecided  # two numbers side by side, unless `number` took them as a mixed number
        if token == "{" and (self.peek(1)[:1].isdigit() or self.peek(1) == "\\frac"):
            raise Undecided  # 5{0} prints as 50, and 2{\frac12} as a mixed number
        if token == "(" and self.is_cycle():
            raise Undecided  # (12)(34) permutes
        if token == "|":
            return not self.bars
        return token in _STARTS or (token.isascii() and token.isalpha())

    def _power(self) -> Tree:
        base = self.primary()
        while True:
            if self.take("!"):
                is_double = self.take("!")
                if self.peek() == "!":
                    raise Undecided
                base = Tree("fact2" if is_double else "fact", (base,))
            elif self.take("\u00b0"):
                base = Tree("deg", (base,))
            elif self.peek() == "^":
                base = self._raise(base)
                if self.peek() in {"^", "!"}:
                    raise Undecided
            else:
                return base

    def _raise(self, base: Tree) -> Tree:
        self.next()
        if self.peek() == "'" or (base.op == "num" and self.peek() == "{" and self.peek(1) == "'"):
            raise Undecided
        sign = -1 if self.take("-") else 1
        exponent = self.argument()
        if base.op == "div" and self.last_was_bare_fraction:
            raise Undecided  # \frac12^2
        return Tree("pow", (base, exponent if sign > 0 else negative(exponent)))

    def function(self, name: str) -> Tree:
        r"""What follows the name of a function: ``\sin^2 x``, ``\log_2 8``, ``\ln(x)``, ``\cos 2x``."""
        base, power = self._decorations(name)
        inner = self._operand()
        if power == "inverse":
            tree = Tree("fn", (inner,), "arc" + name)
        elif name in {"log", "lg"}:
            tree = Tree("log", (base or number(10), inner))
        else:
            tree = Tree("fn", (inner,), name)
        return Tree("pow", (tree, power)) if isinstance(power, Tree) else tree

    def _decorations(self, name: str) -> tuple[Tree | None, Tree | str | None]:
        base: Tree | None = None
        power: Tree | str | None = None
        for _ in range(2):
            if self.peek() == "_" and base is None:
                if name != "log":
                    raise Undecided
                self.next()
                base = self.argument()
            elif self.peek() == "^" and power is None:
                self.next()
                power = negative(self.argument()) if self.take("-") else self.argument()
        if power is not None and power == number(-1):
            if name not in {"sin", "cos", "tan"}:
                raise Undecided
            power = "inverse"
        return base, power

    def _operand(self) -> Tree:
        """The argument of a function: a bracket alone, or factors up to the next sign or function."""
        if self.peek() in {"(", "[", "{"} or self.peek() == "|":
            is_braced = self.peek() == "{"
            inner = self.primary()
            if not is_braced or not self._continues():
                if self.peek() == "^":
                    raise Undecided  # \sin(x)^2
                return inner
            factors = [inner]
        else:
            sign = self.take("-")
            factors = [negative(self._power()) if sign else self._power()]
        while self._continues():
            factors.append(self._power())
        if self.peek() == "/":
            raise Undecided  # \sin x/2
        return _times(factors)

    def _continues(self) -> bool:
        token = self.peek()
        name = token.removeprefix("\\")
        return name not in ONE_ARGUMENT and token not in {"(", "["} and self.starts_factor()


def _times(factors: list[Tree]) -> Tree:
    return factors[0] if len(factors) == 1 else Tree("mul", tuple(factors))
