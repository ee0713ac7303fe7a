"""Words and symbols that are written in several ways, and what counts as the one way.

Small on purpose: what is missing here costs a little similarity, what is wrong here joins different problems.
"""

from __future__ import annotations

from collections.abc import Mapping

_SAME = """
cm centimeter centimeters centimetre centimetres cms
mm millimeter millimeters millimetre millimetres
km kilometer kilometers kilometre kilometres kms
meter meters metre metres
mile miles mi
yard yards yd yds
foot feet ft
inch inches
gram grams gm
kg kilogram kilograms kilo kilos kgs
mg milligram milligrams
pound pounds lb lbs
ounce ounces oz
ton tons tonne tonnes
liter liters litre litres
ml milliliter milliliters millilitre millilitres
gallon gallons gal
second seconds sec secs
minute minutes min mins
hour hours hr hrs
percent percentage pct %
degree degrees circ deg
cent cents
mph
he she
his her hers him
themself himself herself themselves
calculate compute determine evaluate find
le leq leqslant lte
ge geq geqslant gte
ne neq
* cdot times
emptyset varnothing
phi varphi
epsilon varepsilon
theta vartheta
infty infinity
cup union
cap intersection
mod pmod bmod
color colour
colors colours
gray grey
favorite favourite
neighbor neighbour
traveled travelled
traveling travelling
center centre
"""

_NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty
"""
_TENS = "thirty forty fifty sixty seventy eighty ninety hundred"

_COMMANDS = """
text textbf textit textrm textsf texttt mathrm mathbf mathit mathsf mathtt mathbb mathcal mbox hbox boldsymbol bf rm it
left right middle big bigg bigl bigr biggl biggr displaystyle textstyle limits nolimits
frac dfrac tfrac cfrac d t c quad qquad hspace vspace hfill phantom mspace space allowbreak newline noindent nonumber
dots ldots cdots dotsc dotsb vdots label tag
"""

_COMMON = """
a all an and another are as assume at by calculate can compute consider determine each evaluate every express find five
for four from given he her here his how if in is it its let many most my no on one our point points prove round show
simplify since solve some suppose ten that the their then there these they this those three to today two we what when
where which while who write you your
"""

_GREEK = """
α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu ν nu ξ xi π pi ρ rho σ sigma
τ tau υ upsilon φ phi χ chi ψ psi ω omega Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Φ Phi Ψ Psi Ω Omega
"""

_WORDS = "dollar dollars usd please"

SAME: Mapping[str, str] = {word: group[0] for group in map(str.split, _SAME.split("\n")) for word in group}
"""Word or symbol -> the word that it counts as."""

NUMBERS: Mapping[str, str] = {
    **{word: str(value) for value, word in enumerate(_NUMBERS.split())},
    **{word: str(value) for value, word in zip([*range(30, 101, 10)], _TENS.split(), strict=True)},
}
"""Number word -> its digits. "hundred" alone is 100; "two hundred" stays two tokens."""

IGNORED: frozenset[str] = frozenset(_WORDS.split())
"""Words that say nothing about which problem it is: `$5` and `5 dollars` are one price."""

IGNORED_COMMANDS: frozenset[str] = frozenset(_COMMANDS.split())
r"""LaTeX commands that only set type, or that are written in other ways as often (`\frac{1}{2}`, `1/2`)."""

COMMON: frozenset[str] = frozenset(_COMMON.split())
"""Words that start sentences: with a capital they are still no names, however few texts were seen."""

SYMBOLS: Mapping[str, str] = {
    **dict(zip(_GREEK.split()[::2], _GREEK.split()[1::2], strict=True)),
    **{"≤": "leq", "⩽": "leq", "≥": "geq", "⩾": "geq", "≠": "neq", "√": "sqrt", "∞": "infty", "°": "degree"},
    **{"∪": "cup", "∩": "cap", "∈": "in", "△": "triangle", "∠": "angle", "⊥": "perp", "∥": "parallel", "∅": "emptyset"},
    **{"→": "to", "⌊": "lfloor", "⌋": "rfloor", "⌈": "lceil", "⌉": "rceil", "∑": "sum", "∫": "int", "…": " "},
    **{"×": "*", "·": "*", "⋅": "*", "∙": "*", "−": "-", "–": "-", "—": " ", "‘": "'", "’": "'", "“": " ", "”": " "},
    **{"¢": "cent", "£": " ", "€": " ", "÷": "/", "∶": ":", "⁄": "/"},
}  # fmt: skip
"""Characters beyond ASCII -> how LaTeX or a keyboard writes them."""
