"""Words, choice letters, dates and times of day: answers that are no formula."""

from __future__ import annotations

import re
from collections.abc import Sequence

from assets.answers.forms.reals import ALL_REALS
from assets.answers.policy import Policy
from assets.answers.reading.names import is_word, word_list
from assets.answers.reading.tokens import AND, OR, TEXT
from assets.answers.reading.undecided import Undecided

_WORDS = re.compile(r"[^\W\d_]+(?:[\s'\u2019,.-]+[^\W\d_]+)*\.?")
_NAMED_CHOICE = re.compile(r"(?:option|choice|answer)\s*:?\s*\(?([A-Za-z])\)?\.?", re.IGNORECASE)
_FORMULA = re.compile(r"pi|[a-z](?:\s*-\s*[a-z])*")
_ROMAN = re.compile(r"[IVX]{2,5}")
_NUMBERED = re.compile(r"[^\W\d_]{2,} ?\d{1,9}")
_CHOICE = re.compile(r"(?:\((?=.\)))?([A-Z])[).:]?|\[(?=.\])([A-Z])\]")
_CHOICES = re.compile(r"[A-Z]{1,4}(?:(?:\s*,|\s+and|\s+or|\s*&)+\s*[A-Z]{1,4})+")
_PHRASE = re.compile(r"[^\W_]+(?:[\s'\u2019,.:;-]+[^\W_]+)*[.!]?")
_HEADINGS = re.compile(
    r"(?:(?:thus|so|hence|therefore),? )?(?:the )?(?:final |correct )?answer(?: is|:)"
    r"|approximately|about|around|roughly|exactly|approx\.?"
)
"""Texts before an answer that say nothing about it; as after \\approx, a rounded number is what it says."""
_NUMBER_SETS = {"\u2124": "Z", "\u2115": "N", "\u211a": "Q", "\u2102": "C"}
_NO_CALENDAR = frozenset({"-", "+", "*", "/", "="})
MAX_CALENDAR = 16
"""Tokens of a date or time."""
_ONES = word_list(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
_TENS = word_list("twenty thirty forty fifty sixty seventy eighty ninety")
_SMALL = {word: at for at, word in enumerate(_ONES)} | {"hundred": 100, "onehundred": 100}
_SMALL |= {tens: 10 * at for at, tens in enumerate(_TENS, 2)}
_SMALL |= {tens + _ONES[one]: 10 * at + one for at, tens in enumerate(_TENS, 2) for one in range(1, 10)}
_SAME_WORDS = {
    "nosolutions": "nosolution", "nosolutionexists": "nosolution", "nosolutionsexist": "nosolution",
    "thereisnosolution": "nosolution", "therearenosolutions": "nosolution", "norealsolutions": "norealsolution",
    "therearenorealsolutions": "norealsolution", "dne": "doesnotexist", "limitdoesnotexist": "doesnotexist",
}  # fmt: skip
"""Other words for the same thing."""
_ALL_REALS = frozenset(word_list("allrealnumbers allreals allrealnumber anyrealnumber everyrealnumber"))
_SETS = {
    "positiverealnumbers": "t:(q:0,oo)", "positivereals": "t:(q:0,oo)", "nonnegativerealnumbers": "t:[q:0,oo)",
    "nonnegativereals": "t:[q:0,oo)", "negativerealnumbers": "t:(-oo,q:0)", "integers": "u:Z",
}  # fmt: skip
_MONTHS = word_list("january february march april may june july august september october november december")
_DATE = re.compile(
    r"(?:(?P<a>[a-z]{3,9})\.? (?P<b>\d{1,2})(?:st|nd|rd|th)?"
    r"|(?P<c>\d{1,2})(?:st|nd|rd|th)? (?:of )?(?P<d>[a-z]{3,9})\.?)"
    r"(?:,? (?P<year>\d{4}))?"
)
_TIME = re.compile(r"(\d{1,2})(?: ?: ?(\d{2}(?::\d{2})?))? ?(?:(?P<half>a|p)\.? ?m\.?|(?P<noon>noon|midnight))")
_LABELLED = re.compile(TEXT + r"\s*\(([A-Z])\)[\s~]*")
_JOINTS = frozenset({",", ";", AND, OR, "+", "-", "*", "/", "^", "="})
_JOINED_REST = re.compile(r"\s*(?:,|;|&|and\b|or\b)")
_LETTERS_FIRST = re.compile(r"[^\W\d_]{2,}|$")
_NUMERIC_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_ISO_DATE = re.compile(r"([12]\d{3})-([01]\d)-([0-3]\d)")
_NOT_LETTERS = re.compile(r"[^0-9a-z:,. ]+")


def single(token: str, policy: Policy) -> str | None:
    """One token: a choice letter, a word, a text group, an empty set, a set of numbers."""
    if token[0] == TEXT:
        content = token[1:].strip(" ~")
        if found := _CHOICE.fullmatch(content):
            return f"c:{found[1] or found[2]}"
        if _CHOICES.fullmatch(content):
            return None  # B and D: a list
        if found := _NAMED_CHOICE.fullmatch(content):
            return f"c:{found[1].upper()}"
        is_phrase = _WORDS.fullmatch(content) and "," not in content and not _FORMULA.fullmatch(content)
        return word(content, policy) if is_phrase and not _is_product(content) else None
    if token == "\u2205":
        return "l:()"
    if token in _NUMBER_SETS:
        return f"u:{_NUMBER_SETS[token]}"
    if len(token) == 1 and token.isascii() and token.isupper():
        return f"c:{token}"
    is_name = len(token) > 1 and token.isascii() and token.isalpha() and token.isupper()
    return word(token, policy) if is_name or is_word(token) else None


def _is_product(content: str) -> bool:
    r"""Whether a text is letters of a formula: ``\text{xy}``."""
    return len(content) == 2 and content.islower() and not is_word(content)


def word(text: str, policy: Policy) -> str:
    """The key of words: case, spaces and hyphens do not matter; small numbers in words are numbers."""
    plain = "".join(character for character in text.casefold() if character.isalnum())
    if plain in _ALL_REALS:
        return ALL_REALS
    if plain.removeprefix("all") in _SETS:
        return _SETS[plain.removeprefix("all")]
    if policy.words_are_numbers and plain in _SMALL:
        return f"q:{_SMALL[plain]}"
    return "oo" if plain == "infinity" else "w:" + _SAME_WORDS.get(plain, plain)


def words(tokens: Sequence[str], policy: Policy) -> str | None:
    """Words only: at least one that is no variable, nothing else but letters."""
    if not any(token[0] == TEXT or is_word(token) for token in tokens):
        return None
    text = [token.removeprefix(TEXT) for token in tokens if token not in {"-", "'", ".", ","}]
    if not text or not _LETTERS_FIRST.match(text[0].strip(" ~")):
        return None  # a number first: what follows is its unit
    if not all(_PHRASE.fullmatch(part.strip(" ~")) or not part.strip(" ~") for part in text):
        return None
    if any(character.isdigit() for part in text for character in part):
        return _with_number(tokens)
    return word("".join(text), policy)


def _with_number(tokens: Sequence[str]) -> str:
    """``Team 12``. Other words with numbers may say what a formula says: ``all reals except 3``."""
    shown = " ".join(token.removeprefix(TEXT).strip(" ~") for token in tokens)
    if not _NUMBERED.fullmatch(shown):
        raise Undecided
    return "w:" + shown.casefold().replace(" ", "")


def choice(tokens: Sequence[str]) -> str | None:
    """``(A)``, ``A.``, ``A)`` and the same around a text group."""
    bare = [token for token in tokens if token not in {"(", ")", ".", "[", "]", "{", "}"}]
    if len(bare) != 1 or len(tokens) > 5 or not tokens:
        return None
    if tokens[0] == "(" and _ROMAN.fullmatch(bare[0].strip(TEXT + " ")):
        return "w:" + bare[0].strip(TEXT + " ").casefold()
    found = _CHOICE.fullmatch(bare[0].removeprefix(TEXT).strip())
    return f"c:{found[1]}" if found and found[1] else None


def calendar(tokens: Sequence[str]) -> str | None:
    """A date, or a time of day with a.m., p.m. or noon; None for anything else."""
    if len(tokens) == 5 and (found := _NUMERIC_DATE.fullmatch("".join(tokens))):
        return f"d:{int(found[1])}/{int(found[2])}/{found[3]}"  # which of the two is the month, nobody says
    if len(tokens) == 5 and (found := _ISO_DATE.fullmatch("".join(tokens))):
        return f"d:{int(found[1])}-{int(found[2])}-{int(found[3])}"
    if len(tokens) > MAX_CALENDAR or not any(token[0] == TEXT or token.isalpha() for token in tokens):
        return None
    if not _NO_CALENDAR.isdisjoint(tokens):
        return None
    text = " ".join(token.lstrip(TEXT).strip(" ~") for token in tokens).casefold()
    text = _NOT_LETTERS.sub(" ", text).replace(" ,", ",").replace(" .", ".").replace(" :", ":").replace(": ", ":")
    text = " ".join(text.split())
    return _date(text) or _time(text)


def _date(text: str) -> str | None:
    found = _DATE.fullmatch(text)
    if not found:
        return None
    name = found["a"] or found["d"]
    month = next((i for i, full in enumerate(_MONTHS, 1) if name in (full, full[:3])), 0)
    if not month:
        return None
    return f"d:{int(found['year']) if found['year'] else ''}-{month}-{int(found['b'] or found['c'])}"


def _time(text: str) -> str | None:
    found = _TIME.fullmatch(text)
    if not found:
        return None
    rest = found[2] or "00"
    if found["noon"] or not 1 <= int(found[1]) <= 12:
        return f"h:{int(found[1])}:{rest}{found['noon'] or found['half']}"
    hour = int(found[1]) % 12 + (12 if found["half"] == "p" else 0)
    return f"h:{hour}:{rest}"


def without_heading(tokens: list[str]) -> list[str]:
    r"""Without ``\text{Answer: }`` before the rest."""
    if len(tokens) < 2 or tokens[0][0] != TEXT:
        return tokens
    head = tokens[0][1:].rstrip(" ~")
    if head.endswith((":", "=")):
        if any(token[0] == TEXT and token.rstrip(" ~").endswith((":", "=")) for token in tokens[1:]):
            raise Undecided  # Alice: 5, Bob: 6
        return tokens[1:]
    return tokens[1:] if _HEADINGS.fullmatch(head.strip().casefold()) else tokens


def without_opening(content: str) -> str:
    r"""The rest of a text that begins as a heading: ``\text{The answer is 5}``."""
    found = _HEADINGS.match(content.strip().casefold())
    return content.strip()[found.end() :].lstrip(" :") if found else content


def labelled_choice(tokens: Sequence[str]) -> tuple[str, int] | None:
    r"""``\text{(B)} 12``: the letter, and how many tokens it takes. None unless it is set off by brackets or a text."""
    if (
        len(tokens) > 3
        and tokens[3] not in _JOINTS
        and tokens[0] == "("
        and tokens[2] == ")"
        and (found := _CHOICE.fullmatch(tokens[1].strip(TEXT)))
    ):
        return f"c:{found[1]}", 3
    found = _LABELLED.match(tokens[0])
    if not found or len(tokens[0]) <= 3 or _JOINED_REST.match(tokens[0], found.end()):
        return None
    if found.end() == len(tokens[0]) and len(tokens) > 1 and tokens[1] in _JOINTS:
        return None
    return f"c:{found[1]}", 1 if found.end() == len(tokens[0]) else 0
