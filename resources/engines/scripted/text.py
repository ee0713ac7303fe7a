"""What the scripted engine says: reads the last problem of a prompt, works out an answer, words a solution.

Pure functions of their arguments. Chances and failures are decided in ``resources/engines/scripted/engine.py``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from resources.identity import digest128

READ_LIMIT = 2_000
"""Characters of a problem that are searched for numbers: a hostile megabyte costs no more than a long problem."""

_NUMBER = re.compile(r"\d{1,9}(?:,\d{3})*")
_EXPRESSION = re.compile(r"(\d{1,9})\s*(\+|-|\*|/|×|÷|\\times|\\cdot|\\div)\s*(\d{1,9})")
_SIGNS = {"×": "*", r"\times": "*", r"\cdot": "*", "÷": "/", r"\div": "/"}
_CUES: Sequence[tuple[str, re.Pattern[str]]] = (
    ("/", re.compile(r"\b(?:equally|evenly|divide[ds]?|split|shared?|half of)\b", re.IGNORECASE)),
    ("*", re.compile(r"\b(?:each|every|times|per|twice|rows? of|packs? of|boxes of)\b", re.IGNORECASE)),
    ("-", re.compile(r"\b(?:left|remain\w*|fewer|less|gives?|gave|lost|eats?|ate|spen[dt]s?|sold)\b", re.IGNORECASE)),
    ("+", re.compile(r"\b(?:more|total|altogether|sum|together|in all|finds?|buys?|gets?)\b", re.IGNORECASE)),
)
"""First match wins. A word problem about sharing often says `each` too, so division stands before multiplication."""


class Sum(NamedTuple):
    """One step of arithmetic: ``a sign b``."""

    a: int
    sign: str
    b: int

    def value(self) -> tuple[int, int]:
        """Numerator and denominator, reduced; the denominator is positive."""
        a, sign, b = self
        if sign == "+":
            return a + b, 1
        if sign == "-":
            return a - b, 1
        if sign == "*":
            return a * b, 1
        common = math.gcd(a, b) or 1
        return a // common, b // common


@dataclass(frozen=True, slots=True)
class Shape:
    """How one solution is worded: drawn numbers and switches."""

    draws: Sequence[int]
    """Five or more integers that choose among wordings."""
    is_boxed: bool = True
    is_boxed_twice: bool = False
    has_tail: bool = False
    has_prefix: bool = False
    has_slip: bool = False
    """One line of arithmetic that is not true, beside the answer."""
    has_long_sum: bool = False
    is_short: bool = False
    is_long: bool = False
    is_respelled: bool = False
    """Writes an equal answer in another way (7 as 14/2)."""


def read_problem(text: str, problem_mark: str, solution_mark: str) -> str:
    """The last problem of a prompt: after the last ``problem_mark``, before the ``solution_mark`` that follows it."""
    start = text.rfind(problem_mark)
    body = text[start + len(problem_mark) :] if start >= 0 else text
    end = body.find(solution_mark)
    return (body[:end] if end >= 0 else body).strip()


def read_sum(problem: str) -> Sum:
    """The one step that ``problem`` asks for, as far as its numbers and words tell; the same text, the same sum."""
    text = problem[:READ_LIMIT]
    if found := _EXPRESSION.search(text):
        a, sign, b = found.groups()
        return _possible(int(a), _SIGNS.get(sign, sign), int(b))
    numbers = [int(number.replace(",", "")) for number in _NUMBER.findall(text)[:2]]
    spare = digest128("scripted", problem)
    numbers += [2 + byte % 50 for byte in spare[: 2 - len(numbers)]]
    sign = next((sign for sign, cue in _CUES if cue.search(text)), "+-*"[spare[2] % 3])
    a, b = (max(numbers), min(numbers)) if sign in "-/" else numbers
    return _possible(a, sign, b)


def _possible(a: int, sign: str, b: int) -> Sum:
    return Sum(a, "+" if sign == "/" and b == 0 else sign, b)


def near_miss(right: Sum, draw: int) -> Sum:
    """One of four usual slips: a number misread, or the wrong operation. Its value differs from the right one."""
    a, sign, b = right
    slips = (
        Sum(a + 1, sign, b),
        Sum(a, sign, b + 1),
        Sum(a, "-" if sign == "+" else "+", b),
        Sum(a, "*" if sign in "+-" else "+", b + 2),
    )
    for turn in range(4):
        slip = slips[(draw + turn) % 4]
        if slip.value() != right.value():
            return slip
    return Sum(right.value()[0], "+", 1) if right.value()[1] == 1 else Sum(a, "+", b + 1)


def answer_text(value: tuple[int, int], is_respelled: bool) -> str:
    """The answer as it stands in the box."""
    top, bottom = value
    if is_respelled:
        return rf"\frac{{{2 * top}}}{{{2 * bottom}}}"
    return str(top) if bottom == 1 else rf"\frac{{{top}}}{{{bottom}}}"


_OPENINGS = (
    "First we write down what the problem tells us: the numbers that matter are {a} and {b}.",
    "The problem gives two numbers, {a} and {b}, and asks for one.",
    "We are told about {a} and about {b}, so these are the values to work with.",
    "Let the first quantity be {a} and the second be {b}.",
    "Reading carefully, the given values are {a} and {b}.",
    "Start from the known facts, which are the values {a} and {b}.",
    "There are two facts here: one is {a} and the other one is {b}.",
    "To begin, note the two given values, {a} and then {b}.",
)
_PLANS = (
    "One operation is enough to join them, and the wording of the question says which one it is.",
    "The question asks how these two values combine, so a single step of arithmetic will do.",
    "Nothing else in the text changes the count, so we can go on to the calculation at once.",
    "The order of the two values matters, and we keep the order in which the story gives them.",
    "Before we calculate, note that both values are counted in the same unit.",
    "No conversion is needed, because both values describe the same kind of thing.",
    "The rest of the story is decoration; the calculation uses only these two values.",
    "With that settled, the remaining work is one line of arithmetic.",
)
_STEPS = (
    "So we get ${line}$.",
    "The calculation is ${line}$.",
    "Putting the numbers in gives ${line}$.",
    "This means that ${line}$.",
    "Working it out, ${line}$.",
    "Now ${line}$.",
    "Carrying out the step, we find ${line}$.",
    "In symbols, ${line}$.",
)
_CHECKS = (
    "The size of this result fits the numbers in the question.",
    "Going back over the step finds no mistake.",
    "A rough estimate gives about the same size.",
    "This is what the question asked for, in the unit of the question.",
    "Nothing is left over that the story would still need.",
    "The result is reasonable for a story of this kind.",
    "Doing the same step once more gives the same result.",
    "That settles the only unknown in the problem.",
)
_CLOSINGS = (
    "The answer is {box}.",
    "Therefore the answer is {box}.",
    "So the final answer is {box}.",
    "Hence we answer {box}.",
    "This gives {box}.",
    "In conclusion, the result is {box}.",
)
_TAILS = (
    " I hope this explanation helps. Feel free to look at it again.",
    "\n\nNote that the same method works for other numbers as well.",
    " We could have done the same with a drawing.",
)
_LONG = "Let us look at the same step once more and say every part of it in words, so that nothing is skipped. "


def solution_text(step: Sum, shape: Shape) -> str:
    """A worded solution of ``step`` as ``shape`` says: usually 200 to 600 characters, the box in the last sentence."""
    draws = shape.draws
    value = step.value()
    shown = answer_text(value, shape.is_respelled)
    box = rf"$\boxed{{{shown}}}$" if shape.is_boxed else f"${shown}$"
    line = _line(step, value, shape.has_long_sum)
    parts = [] if shape.is_short else [_pick(_OPENINGS, draws[0]).format(a=step.a, b=step.b), _pick(_PLANS, draws[1])]
    if shape.is_long:
        parts.append(_LONG * 50)
    parts.append(_pick(_STEPS, draws[2]).format(line=line))
    if shape.has_slip:
        parts.append(f"Checking with ${step.a} + {step.b} = {step.a + step.b + 3}$.")
    if not shape.is_short:
        parts.append(_pick(_CHECKS, draws[3]))
    if shape.is_boxed_twice:
        parts.append(f"That is {box}.")
    parts.append(_pick(_CLOSINGS, draws[4]).format(box=box))
    head = "My solution:\n" if shape.has_prefix else ""
    return head + " ".join(parts) + (_pick(_TAILS, draws[3]) if shape.has_tail else "")


def _line(step: Sum, value: tuple[int, int], has_long_sum: bool) -> str:
    top, bottom = value
    result = str(top) if bottom == 1 else f"{top}/{bottom}"
    if has_long_sum and step.sign == "+" and step.a > 2:
        return f"1 + {step.a - 1} + {step.b} = {result}"
    return f"{step.a} {step.sign} {step.b} = {result}"


def _pick(choices: Sequence[str], draw: int) -> str:
    return choices[draw % len(choices)]


_NAMES = ("Ada", "Bruno", "Chidi", "Dora", "Emil", "Farah", "Goran", "Hana", "Ivo", "Jun", "Kofi", "Lena")
_ITEMS = ("apples", "stamps", "marbles", "pages", "tickets", "shells", "cards", "seeds", "coins", "books")
_STORIES = (
    "{name} has {a} {item} and gets {b} more. How many {item} does {name} have altogether?",
    "{name} had {a} {item} and gave {b} of them away. How many {item} are left?",
    "{name} fills {a} boxes with {b} {item} in each box. How many {item} are there?",
    "{name} wants to split {a} {item} equally among {b} friends. How many {item} does one friend get?",
    "There are {a} {item} on one table and {b} on another. {name} counts them together. What is the total?",
    "{name} reads that {a} {item} were made on Monday and {b} fewer on Tuesday. How many were made on Tuesday?",
)


def new_problem_text(problem: str, draws: Sequence[int]) -> str:
    """A problem in the manner of ``problem``: half of the time its text with other numbers, else a story of its own."""
    if draws[0] % 2 and (changed := _renumber(problem, draws)) != problem:
        return changed
    a, b = 12 + draws[3] % 400, 2 + draws[4] % 60
    a, b = max(a, b), min(a, b)
    story = _pick(_STORIES, draws[1])
    if "equally" in story:
        a = b * (2 + draws[3] % 40)
    return story.format(name=_pick(_NAMES, draws[2]), item=_pick(_ITEMS, draws[2] // len(_NAMES)), a=a, b=b)


def _renumber(problem: str, draws: Sequence[int]) -> str:
    text = problem[:READ_LIMIT]
    parts: list[str] = []
    at = 0
    for order, found in enumerate(_NUMBER.finditer(text)):
        parts += [text[at : found.start()], str(int(found[0].replace(",", "")) + 1 + draws[1 + order % 4] % 97)]
        at = found.end()
    return "".join(parts) + text[at:]
