r"""Which shape an answer has: tries each reader where one of its marks stands among the tokens."""

from __future__ import annotations

from assets.answers.forms import words
from assets.answers.forms.conditions import CONDITIONS, RELATIONS, end
from assets.answers.forms.families import MODULI, congruence, family, ordinal
from assets.answers.forms.labels import marked_name
from assets.answers.forms.lists import SEPARATORS, bracketed, listed
from assets.answers.forms.matrices import matrix
from assets.answers.forms.numerals import based, measures, ratio
from assets.answers.forms.reader import closing, joined, split, unwrap
from assets.answers.forms.relations import real_set, relation
from assets.answers.policy import Policy
from assets.answers.reading.parser import parse
from assets.answers.reading.tokens import AND, DOTS, OR, TEXT, TO, tokenize
from assets.answers.reading.undecided import Undecided
from assets.answers.reading.units import scale_of, unit_name, without_units
from assets.answers.values.expression import keys_of

MAX_NESTING = 6

_SETS = CONDITIONS - RELATIONS
_OTHER = frozenset({"_", ":", TO, "\u221e", "\\{"})
_JOINTS = {"\\vee": OR, "\\wedge": AND}
_WEDGES = frozenset(_JOINTS)
_MARKS = _SETS | RELATIONS | SEPARATORS | _OTHER


class ShapeReader:
    """Reads shapes within shapes, to a bounded depth."""

    def __init__(self, policy: Policy) -> None:
        """Keys follow ``policy``."""
        self.policy = policy
        self.nesting = 0

    def key(self, tokens: list[str], *, is_part: bool = False) -> str:
        """The text of the key of ``tokens``. Undecided when no reader knows them."""
        if not tokens or self.nesting > MAX_NESTING:
            raise Undecided
        if tokens == ["."]:
            raise Undecided
        tokens = _without_stop(unwrap(_without_stop(tokens)))
        if not tokens:
            raise Undecided  # an empty box
        self.nesting += 1
        try:
            return self._key(tokens, is_part)
        finally:
            self.nesting -= 1

    def _key(self, tokens: list[str], is_part: bool) -> str:
        if len(tokens) == 1:
            found = words.single(tokens[0], self.policy)
            if found is not None:
                return found
            if tokens[0][0] == TEXT:
                return self.key(tokenize(words.without_opening(tokens[0][1:])), is_part=is_part)
        if DOTS in tokens:
            return _pattern(tokens)
        if not is_part and (only := _only_member(tokens)):
            return self.key(only)
        found = self._shape(tokens)
        if found is not None:
            return found
        return self._value(tokens, is_part)

    def _shape(self, tokens: list[str]) -> str | None:
        if (bare := words.without_heading(tokens)) is not tokens:
            return self.key(bare)
        if any(token.startswith("\\begin") for token in tokens):
            return matrix(self, tokens) if not RELATIONS.intersection(tokens) else relation(self, tokens)
        found = words.choice(tokens) or words.calendar(tokens) or ordinal(tokens)
        if found is not None:
            return found
        return self._phrase(tokens) or self._set_or_relation(tokens)

    def _phrase(self, tokens: list[str]) -> str | None:
        """Residues, names of figures, choices with their content."""
        if MODULI.intersection(tokens):
            return congruence(tokens)
        if (name := marked_name(tokens)) is not None:
            return words.word(name, self.policy)
        chosen = words.labelled_choice(tokens)
        if chosen is not None:
            rest = tokens[chosen[1] :] if chosen[1] else [TEXT + tokens[0].partition(")")[2], *tokens[1:]]
            return f"{chosen[0]}={self.key(rest)}"
        return None

    def _set_or_relation(self, tokens: list[str]) -> str | None:
        if _WEDGES.intersection(tokens):  # between statements; between letters they are another operation
            if not RELATIONS.intersection(tokens) and "\\in" not in tokens:
                return None
            tokens = [_JOINTS.get(token, token) for token in tokens]
        present = _MARKS.intersection(tokens)
        if not present:
            return None
        if AND in present and (found := measures(self, tokens)) is not None:
            return found
        if "\\in" in present and (found := family(self, tokens)) is not None:
            return found
        if present & _SETS and (found := real_set(self, tokens)) is not None:
            return found
        return self._marked(tokens, present)

    def _marked(self, tokens: list[str], present: frozenset[str]) -> str | None:
        if tokens[-1] == "\u221e" and len(tokens) < 3:
            return end(tokens).key
        if present & {",", ";", "\u221e"} and (found := bracketed(self, tokens)) is not None:
            return found
        if (present & SEPARATORS or "\\{" in present) and (found := listed(self, tokens)) is not None:
            return found
        if present & RELATIONS and (found := relation(self, tokens)) is not None:
            return found
        if present & {":", TO} and (found := ratio(tokens)) is not None:
            return found
        return based(tokens) if "_" in present else None

    def _value(self, tokens: list[str], is_part: bool) -> str:
        found = words.words(tokens, self.policy) or measures(self, tokens)
        if found is not None:
            return found
        bare = without_units(tokens) if self.policy.strip_units else tokens
        scale = scale_of(bare[-1]) if len(bare) > 1 else 1
        if scale > 1:
            bare = ["(", *bare[:-1], ")", "*", str(scale)]
            return self._scalar(bare)
        if not self.policy.percent_is_unit and "%" in tokens:
            return f"{self._scalar([token for token in bare if token != '%'])}~%"
        shown = self._scalar(bare)
        if is_part and len(bare) < len(tokens):
            return f"{shown}~{_unit_of(tokens, bare)}"
        return shown

    def _scalar(self, tokens: list[str]) -> str:
        keys = keys_of(parse(tokens))
        if len(keys) == 1:
            return keys[0]
        return joined("l", sorted(keys) if self.policy.lists_are_unordered else keys)


def _without_stop(tokens: list[str]) -> list[str]:
    while len(tokens) > 1 and tokens[-1] == ".":
        tokens = tokens[:-1]
    return tokens


def _only_member(tokens: list[str]) -> list[str]:
    r"""What is alone in a set: ``\{5\}`` is 5, but a set or a condition in a set is not. Empty for anything else."""
    inner = tokens[1:-1]
    if tokens[0] != "\\{" or closing(tokens, 0) != len(tokens) - 1 or "\\{" in inner or "\u2205" in inner:
        return []
    return [] if len(split(inner, SEPARATORS | RELATIONS | {"|", ":", "\u00b1"})[0]) > 1 else inner


def _pattern(tokens: list[str]) -> str:
    """What goes on: its parts as formulas, between the signs as they stand."""
    tokens = tokens[1:-1] if tokens[0] == "\\{" and closing(tokens, 0) == len(tokens) - 1 else tokens
    parts, found = split(tokens, {",", ";", "+", "-", "*", "=", DOTS})
    shown = [_shown(part) for part in parts]
    return "p:" + "".join(a + b for a, b in zip(shown, [*found, ""], strict=True))


def _shown(part: list[str]) -> str:
    """A part as its key; figures that go on as they are written (0.33... is not 0.330...)."""
    if len(part) == 1 and "." in part[0]:
        return part[0]
    return "|".join(keys_of(parse(part))) if part else ""


def _unit_of(tokens: list[str], bare: list[str]) -> str:
    """What was taken off: currency before, or a unit after."""
    if tokens[: len(bare)] == bare:
        return unit_name(tokens[len(bare) :])
    return unit_name(tokens[: len(tokens) - len(bare)])
