r"""Reads tokens as one exact value: sums, products, fractions, powers, roots, mixed numbers, binomials, factorials.

Recursive descent with a depth budget; anything outside of it raises Undecided, and so does every spelling with two
common readings (``1/2x``). Lists, tuples, labels and words are :mod:`assets.answers.shapes`.
"""

from __future__ import annotations

from math import comb, factorial

from assets.answers import values
from assets.answers.values import Undecided, Value

MAX_DEPTH = 24
MAX_NUMBER_CHARACTERS = 1_000
MAX_FACTORIAL = 200
"""200! has 375 digits."""
MAX_BINOMIAL = 1_000


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GREEK = _words(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau "
    "upsilon phi varphi chi psi omega"
)
_LETTERS = {"\\" + name: name for name in _GREEK}
_FUNCTION_NAMES = frozenset("fghFGHPQ")
"""Before a bracket these read as functions, and ``f(2)`` is no product."""
_NO_PRODUCTS = _words("sin cos tan cot sec csc log ln lg exp gcd lcm mod min max det deg div abs inf nan no am pm of")
"""Short runs of letters that are names and no products of variables."""
_CLOSERS = {"(": ")", "{": "}", "[": "]"}
_STARTS = frozenset({"(", "{", "\\frac", "\\sqrt", "\\binom", "\u03c0", "\\boxed", "\\fbox", *_LETTERS})


class Parser:
    """One pass over ``tokens``. :meth:`whole` gives one value, or two where the text holds a plus-minus sign."""

    def __init__(self, tokens: list[str]) -> None:
        """Read ``tokens`` from the first."""
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.sign = 1
        self.has_two_signs = False
        self.first_sign = -1

    def whole(self) -> list[Value]:
        """The value of all tokens; two for a plus-minus sign."""
        first = self._all()
        if not self.has_two_signs:
            return [first]
        self.at, self.sign = 0, -1
        return [first, self._all()]

    def _all(self) -> Value:
        value = self._sum()
        if self.at != len(self.tokens):
            raise Undecided
        return value

    def _peek(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise Undecided
        self.at += 1
        return token

    def _take(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self.at += 1
        return True

    def _sign(self) -> int:
        """The sign at this place, 0 if there is none."""
        token = self._peek()
        if token not in {"+", "-", "\u00b1", "\\mp"}:
            return 0
        self.at += 1
        if token in {"+", "-"}:
            return 1 if token == "+" else -1
        if self.has_two_signs and token == "\u00b1" and self.at != self.first_sign:
            raise Undecided  # \pm a \pm b: two values or four
        if not self.has_two_signs:
            self.has_two_signs, self.first_sign = True, self.at
        return self.sign if token == "\u00b1" else -self.sign

    def _sum(self) -> Value:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Undecided
        sign = self._sign()
        total = self._product()
        if sign < 0:
            total = values.negate(total)
        while sign := self._sign():
            term = self._product()
            total = values.add(total, term if sign > 0 else values.negate(term))
        if self._take("\\over"):
            total = values.divide(total, self._sum())
        self.depth -= 1
        return total

    def _product(self) -> Value:
        total = self._power()
        has_slash = False
        while True:
            if self._take("*"):
                total = values.multiply(total, self._power())
            elif self._take("/"):
                if has_slash:
                    raise Undecided  # 6/12/2004 is a date, and 1/2/3 has two readings
                total, has_slash = values.divide(total, self._power()), True
            elif self._starts_factor():
                if has_slash:
                    raise Undecided  # 1/2x: a half of x, or one over 2x
                total = values.multiply(total, self._power())
            else:
                return total

    def _starts_factor(self) -> bool:
        token = self._peek()
        if not token:
            return False
        if token[0].isdigit() or token[0] == ".":
            raise Undecided  # two numbers side by side, unless _number took them as a mixed number
        if token == "{" and (self._peek(1)[:1].isdigit() or self._peek(1) == "\\frac"):
            raise Undecided  # 5{0} prints as 50, and 2{\frac12} as a mixed number
        return token in _STARTS or (token.isascii() and token.isalpha())

    def _power(self) -> Value:
        base = self._primary()
        while True:
            if self._take("!"):
                count = values.as_integer(base)
                if not 0 <= count <= MAX_FACTORIAL or self._peek() == "!":
                    raise Undecided
                base = values.rational(factorial(count))
            elif self._take("^"):
                base = self._raise(base)
                if self._peek() in {"^", "!"}:
                    raise Undecided
            else:
                return base

    def _raise(self, base: Value) -> Value:
        sign = -1 if self._take("-") else 1
        exponent = self._exponent()
        number = values.as_rational(exponent)
        plain = values.as_rational(base)
        if number is not None and number.denominator != 1 and plain is not None and plain < 0:
            raise Undecided  # real root or principal value
        return values.power(base, exponent if sign > 0 else values.negate(exponent))

    def _exponent(self) -> Value:
        r"""A group, or one numeral or symbol: in ``2^3\frac12`` the fraction is a factor and no part of it."""
        token = self._peek()
        if token == "{":
            return self._group()
        if token[:1].isdigit():
            self.at += 1
            return number_of(token)
        return self._primary()

    def _primary(self) -> Value:
        token = self._next()
        if token[0].isdigit() or token[0] == ".":
            return self._number(token)
        if token in _CLOSERS:
            return self._closed(_CLOSERS[token])
        if token in _LETTERS:
            return values.symbol(_LETTERS[token])
        if token.isascii() and token.isalpha():
            return self._letters(token)
        return self._command(token)

    def _closed(self, closer: str) -> Value:
        value = self._sum()
        if not self._take(closer):
            raise Undecided
        return value

    def _group(self) -> Value:
        if not self._take("{"):
            raise Undecided
        return self._closed("}")

    def _number(self, token: str) -> Value:
        number = number_of(token)
        if token.isdecimal() and self._peek() == "\\frac":
            return self._mixed(number)
        if token.isdecimal() and self._peek().isdecimal():
            top, slash, bottom = self._peek(), self._peek(1), self._peek(2)
            if slash != "/" or not bottom.isdecimal() or len(top + bottom) > 40 or int(top) >= int(bottom):
                raise Undecided
            self.at += 3
            return values.add(number, values.rational(int(top), int(bottom)))
        return number

    def _mixed(self, number: Value) -> Value:
        self.at += 1
        top, bottom = self._argument(), self._argument()
        left, right = values.as_rational(top), values.as_rational(bottom)
        if left is None or right is None:
            return values.multiply(number, values.divide(top, bottom))
        if not 0 < left < right or left.denominator != 1 or right.denominator != 1 or self._peek() in {"^", "!"}:
            raise Undecided  # 2 5/3: neither a mixed number nor a usual product
        return values.add(number, values.divide(top, bottom))

    def _argument(self) -> Value:
        r"""One argument of a command: a group, or the next digit (``\frac12``), letter or command."""
        token = self._peek()
        if token == "{":
            return self._group()
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Undecided
        if len(token) > 1 and (token.isdecimal() or (token.isascii() and token.isalpha())):
            self._split(1)
        value = values.rational(int(self._next())) if self._peek().isdecimal() else self._primary()
        self.depth -= 1
        return value

    def _split(self, length: int) -> None:
        """Cut the token at this place in two: ``12`` after a command is 1 and 2."""
        token = self.tokens[self.at]
        self.tokens = [*self.tokens[: self.at], token[:length], token[length:], *self.tokens[self.at + 1 :]]

    def _letters(self, word: str) -> Value:
        if word == "pi":
            return values.symbol(values.PI)
        if word == "sqrt" and self._peek() in {"(", "{"}:
            return values.root(self._closed(_CLOSERS[self._next()]), 2)
        if len(word) > 3 or (word[-1] in _FUNCTION_NAMES and self._peek() == "("):
            raise Undecided
        if len(word) > 1 and word.lower() in _NO_PRODUCTS:
            raise Undecided
        if len(word) > 1 and self._peek() in {"^", "!"}:  # in xy^2 the power is that of y
            self.at -= 1
            self._split(len(word) - 1)
            word = self._next()
        total = values.symbol(word[0])
        for letter in word[1:]:
            total = values.multiply(total, values.symbol(letter))
        return total

    def _command(self, token: str) -> Value:
        if token == "\u03c0":
            return values.symbol(values.PI)
        if token == "\\frac":
            return values.divide(self._argument(), self._argument())
        if token == "\\sqrt":
            return self._root()
        if token == "\\binom":
            upper, lower = values.as_integer(self._argument()), values.as_integer(self._argument())
            if not 0 <= lower <= upper <= MAX_BINOMIAL:
                raise Undecided
            return values.rational(comb(upper, lower))
        if token in {"\\boxed", "\\fbox"}:
            return self._group()
        raise Undecided

    def _root(self) -> Value:
        degree = 2
        if self._take("["):
            degree = values.as_integer(self._closed("]"))
        if len(self._peek()) > 1 and self._peek()[0].isdigit():
            raise Undecided  # \sqrt12 prints a root of 1 and means one of 12
        return values.root(self._argument(), degree)


def number_of(token: str) -> Value:
    """The exact rational that a decimal numeral writes."""
    if len(token) > MAX_NUMBER_CHARACTERS or not token.isascii():
        raise Undecided
    whole, _, part = token.partition(".")
    if not (whole + part).isdecimal():
        raise Undecided
    return values.rational(int(whole + part), 10 ** len(part))
