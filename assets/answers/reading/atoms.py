r"""The smallest parts of a formula: numbers, letters with their indices, groups, and what commands take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction

from assets.answers.reading.names import FUNCTION_LETTERS, GREEK, NO_PRODUCTS, ONE_ARGUMENT
from assets.answers.reading.tree import Tree, leaves, number, symbol
from assets.answers.reading.undecided import Undecided

MAX_DEPTH = 24
MAX_NUMBER_CHARACTERS = 1_000
MAX_INDEX_TOKENS = 12
MAX_ARGUMENT_TOKENS = 4
"""Tokens of ``(-2)``: a longer bracket after the name of a function may be a factor."""
MAX_LETTERS = 4
"""Longest run of letters that is a product."""

PI = Tree("const", value="pi")
E = Tree("const", value="e")
I = Tree("const", value="i")  # noqa: E741 - its name in mathematics
_CONSTANTS = {"pi": PI, "\u03c0": PI, "e": E, "i": I}
_CLOSERS = {"(": ")", "{": "}", "[": "]"}
_ROUNDED = {"\\lfloor": ("floor", "\\rfloor"), "\\lceil": ("ceil", "\\rceil")}


class Atoms:
    """Tokens, a place among them, and the budgets of depth. :class:`Parser` adds sums and products."""

    def __init__(self, tokens: list[str]) -> None:
        """Read ``tokens`` from the first."""
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.last_was_bare_fraction = False
        self._commands: Mapping[str, Callable[[], Tree]] = {
            "\\frac": self._fraction, "\\sqrt": self._root, "\\binom": self._binomial, "|": self._absolute,
            "\\boxed": self._boxed, "\\fbox": self._boxed, "\\overline": self._conjugate,
            "\\vec": self._arrow, "\\overrightarrow": self._arrow,
        }  # fmt: skip

    def sum(self) -> Tree:
        """A sum; the grammar above supplies it."""
        raise NotImplementedError

    def function(self, name: str) -> Tree:
        """What follows the name of a function; the grammar above supplies it."""
        raise NotImplementedError

    def peek(self, ahead: int = 0) -> str:
        """The token at this place, empty past the end."""
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else ""

    def next(self) -> str:
        """Take the token at this place."""
        token = self.peek()
        if not token:
            raise Undecided
        self.at += 1
        return token

    def take(self, token: str) -> bool:
        """Whether ``token`` stood here; it is taken then."""
        if self.peek() != token:
            return False
        self.at += 1
        return True

    def enter(self) -> None:
        """One level deeper."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Undecided

    def primary(self) -> Tree:
        """A number, a letter, a group, or a command with its arguments."""
        token = self.next()
        self.last_was_bare_fraction = False
        if token[0].isdigit() or token[0] == ".":
            return self._number(token)
        if token == "{" and self.take("}"):
            return self.primary()
        if token in _CLOSERS:
            return self._closed(_CLOSERS[token])
        if token in {"_", "^"}:
            return self._counted()
        if token in _CONSTANTS and token != "pi" and self.peek() != "_":
            return _CONSTANTS[token]
        if token.isascii() and token.isalpha():
            return self._letters(token)
        return self._command(token)

    def argument(self) -> Tree:
        r"""One argument of a command: a group, or the next digit (``\frac12``), letter or command."""
        token = self.peek()
        if token == "{":
            self.at += 1
            return self._closed("}")
        self.enter()
        if len(token) > 1 and (token.isdecimal() or (token.isascii() and token.isalpha())):
            self._split(1)
        tree = number(int(self.next())) if self.peek().isdecimal() else self.primary()
        self.depth -= 1
        return tree

    def decimal(self, token: str) -> Fraction:
        """The exact rational that a decimal numeral writes."""
        if len(token) > MAX_NUMBER_CHARACTERS or not token.isascii():
            raise Undecided
        whole, _, part = token.partition(".")
        if not (whole + part).isdecimal():
            raise Undecided
        return Fraction(int(whole + part), 10 ** len(part))

    def is_cycle(self) -> bool:
        """Whether two brackets of distinct digits stand side by side here, as cycles of a permutation do."""
        before = self.tokens[max(0, self.at - 3) : self.at]
        if before[:1] != ["("] or before[-1] != ")" or self.peek(2) != ")":
            return False
        digits = before[1] + self.peek(1)
        is_long = len(before[1]) > 1 and len(self.peek(1)) > 1
        return is_long and digits.isdecimal() and "0" not in digits and len(set(digits)) == len(digits)

    def _closed(self, closer: str) -> Tree:
        bars, self.bars = self.bars, 0
        tree = self.sum()
        self.bars = bars
        self.last_was_bare_fraction = False
        if not self.take(closer):
            raise Undecided
        return tree

    def _number(self, token: str) -> Tree:
        value = self.decimal(token)
        if token.isdecimal() and self.peek() == "\\frac":
            return self._mixed(value)
        if token.isdecimal() and self.peek().isdecimal():
            top, slash, bottom = self.peek(), self.peek(1), self.peek(2)
            if slash != "/" or not bottom.isdecimal() or len(top + bottom) > 40 or int(top) >= int(bottom):
                raise Undecided
            self.at += 3
            return number(value + Fraction(int(top), int(bottom)))
        if self.peek() == "_":
            raise Undecided
        return number(value)

    def _mixed(self, whole: Fraction) -> Tree:
        self.at += 1
        top, bottom = self.argument(), self.argument()
        if top.op != "num" or bottom.op != "num":
            return Tree("mul", (number(whole), Tree("div", (top, bottom))))
        assert isinstance(top.value, Fraction)
        assert isinstance(bottom.value, Fraction)
        if not 0 < top.value < bottom.value or self.peek() in {"^", "!"}:
            raise Undecided  # 2 5/3: neither a mixed number nor a usual product
        if top.value.denominator != 1 or bottom.value.denominator != 1:
            raise Undecided
        return number(whole + top.value / bottom.value)

    def _split(self, length: int) -> None:
        """Cut the token at this place in two: ``12`` after a command is 1 and 2."""
        token = self.tokens[self.at]
        self.tokens = [*self.tokens[: self.at], token[:length], token[length:], *self.tokens[self.at + 1 :]]

    def _letters(self, word: str) -> Tree:
        if word == "pi":
            return PI
        if word == "sqrt" and self.peek() in {"(", "{"}:
            return Tree("root", (self._closed(_CLOSERS[self.next()]), number(2)))
        if word in ONE_ARGUMENT:
            return self.function(word)
        if word in {"C", "P"} and self._is_pair():
            raise Undecided  # 5 over 2, or the point C
        if word in GREEK:
            return self._indexed(word)
        if len(word) > MAX_LETTERS or (len(word) > 1 and word.lower() in NO_PRODUCTS):
            raise Undecided
        if len(word) > 1 and (self.peek() in {"^", "!", "_", "'"} or word[-1] in FUNCTION_LETTERS):
            self.at -= 1  # in xy^2 the power is that of y
            self._split(len(word) - 1)
            word = self.next()
        if len(word) == 1 and self.peek() == "_":
            return self._indexed(word)
        letters = [_CONSTANTS.get(letter) or self._one(letter, word) for letter in word]
        return letters[0] if len(letters) == 1 else Tree("mul", tuple(letters))

    def _one(self, letter: str, word: str) -> Tree:
        return self._indexed(letter) if len(word) == 1 else symbol(letter)

    def _indexed(self, name: str) -> Tree:
        """A letter with its index, primes, and the argument of a function without a rule: ``x_1``, ``f'``, ``f(2)``."""
        if self.take("_"):
            name += "_" + self._verbatim()
        while self.take("'"):
            name += "'"
        if name[0] in FUNCTION_LETTERS:
            if [self.peek(ahead) for ahead in range(6)] == ["^", "{", "-", "1", "}", "("]:
                self.at += 5
                name += "^-1"
            if self.peek() == "(":
                name += self._bracket()
        return symbol(name)

    def _verbatim(self) -> str:
        if self.peek() != "{":
            if self.peek().isdecimal() and len(self.peek()) > 1:
                self._split(1)
            return self.next().strip("\x01 ")
        self.next()
        found: list[str] = []
        while not self.take("}"):
            found.append(self.next())
            if len(found) > MAX_INDEX_TOKENS or found[-1] in {"{", "^"}:
                raise Undecided
        return "".join(found).strip("\x01 ")

    def _bracket(self) -> str:
        start, depth = self.at, 0
        while True:
            token = self.next()
            depth += (token == "(") - (token == ")")
            if not depth:
                if self.at - start > MAX_ARGUMENT_TOKENS:
                    raise Undecided  # h(h+1) is a product, f(x+1) is none
                return "".join(self.tokens[start : self.at])
            if self.at - start > MAX_INDEX_TOKENS:
                raise Undecided

    def _is_pair(self) -> bool:
        """Whether ``(5,2)`` follows."""
        return self.peek() == "(" and self.peek(2) == "," and self.peek(4) == ")"

    def _counted(self) -> Tree:
        """``_5C_2`` and ``^5P_2``."""
        upper, letter = self.argument(), self.next()
        if letter not in {"C", "P"} or not self.take("_"):
            raise Undecided
        return _choice(letter, upper, self.argument())

    def _command(self, token: str) -> Tree:
        read = self._commands.get(token)
        if read is not None:
            return read()
        if token in _ROUNDED:
            op, closer = _ROUNDED[token]
            return Tree(op, (self._closed(closer),))
        name = token.removeprefix("\\")
        if name in ONE_ARGUMENT:
            return self.function(name)
        if name in GREEK:
            return self._indexed(name)
        raise Undecided

    def _fraction(self) -> Tree:
        is_bare = self.peek() != "{"
        tree = Tree("div", (self.argument(), self.argument()))
        self.last_was_bare_fraction = is_bare
        return tree

    def _binomial(self) -> Tree:
        return Tree("binom", (self.argument(), self.argument()))

    def _boxed(self) -> Tree:
        if self.peek() != "{":
            raise Undecided
        return self.argument()

    def _conjugate(self) -> Tree:
        """A bar over a complex number. Over letters or figures it is a segment, or digits."""
        tree = self.argument()
        if not any(node.value == "i" for node in leaves(tree) if node.op == "const"):
            raise Undecided
        return Tree("fn", (tree,), "conj")

    def _arrow(self) -> Tree:
        """A vector between two points is no product of their letters; one letter is what it is without its arrow."""
        name = self._verbatim()
        return symbol(name if len(name) == 1 else f"\\vec {name}")

    def _absolute(self) -> Tree:
        if self.bars:
            raise Undecided
        self.bars = 1
        tree = Tree("abs", (self.sum(),))
        self.bars = 0
        if not self.take("|"):
            raise Undecided
        return tree

    def _root(self) -> Tree:
        degree = number(2)
        if self.take("["):
            degree = self._closed("]")
        if len(self.peek()) > 1 and self.peek()[0].isdigit():
            raise Undecided  # \sqrt12 prints a root of 1 and means one of 12
        return Tree("root", (self.argument(), degree))


def _choice(letter: str, upper: Tree, lower: Tree) -> Tree:
    tree = Tree("binom", (upper, lower))
    return tree if letter == "C" else Tree("mul", (tree, Tree("fact", (lower,))))
