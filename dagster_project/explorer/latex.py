r"""Which formulas may be typeset. Only commands that are known to draw mathematics, in bounded length and depth.

KaTeX runs in the reader's browser with ``trust`` off and bounded expansion; this list is the second wall. Anything that
defines macros (``\def``), makes links (``\href``), loads (``\includegraphics``), makes HTML (``\htmlClass``), hides
text (``\phantom``, ``%``) or draws boxes of a chosen size (``\rule``, ``\kern``) is not in it: such a formula is shown
as it is written.
"""

from __future__ import annotations

import re

MAX_FORMULA = 1500
"""Characters of one formula. A long derivation has some 400."""

MAX_DEPTH = 30
"""Braces inside each other."""

MAX_COMMANDS = 300
"""Commands of one formula; bounds the work of the browser (none of those that are allowed expands without bound)."""

_STRUCTURE = """
frac dfrac tfrac cfrac sqrt binom dbinom tbinom over choose left right middle big Big bigg Bigg bigl bigr Bigl Bigr
biggl biggr Biggl Biggr begin end text textbf textit textrm textsf texttt mathrm mathbf mathit mathsf mathtt mathbb
mathcal mathscr mathfrak boldsymbol bm operatorname displaystyle textstyle scriptstyle limits nolimits overline
underline overbrace underbrace overset underset stackrel boxed fbox cancel bcancel xcancel not substack hline cline
tag nonumber notag quad qquad mbox hat widehat bar vec dot ddot tilde widetilde check acute grave breve mathring
overrightarrow overleftarrow overleftrightarrow xrightarrow xleftarrow pmod bmod mod pod
"""
_GREEK = """
alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa varkappa lambda mu nu xi omicron pi varpi
rho varrho sigma varsigma tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi
Omega digamma aleph beth
"""
_FUNCTIONS = """
sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln lg exp lim limsup liminf max min sup inf det
dim ker gcd deg hom arg Pr sum prod coprod int iint iiint oint bigcup bigcap bigvee bigwedge bigoplus bigotimes
bigsqcup
"""
_SIGNS = """
le leq leqslant ge geq geqslant ne neq lt gt ll gg equiv sim simeq approx cong propto parallel perp mid nmid in ni
notin subset subseteq subsetneq supset supseteq supsetneq cup cap setminus emptyset varnothing forall exists nexists
neg lnot land lor wedge vee oplus ominus otimes odot times div cdot ast star circ bullet pm mp to gets mapsto implies
impliedby iff rightarrow leftarrow leftrightarrow Rightarrow Leftarrow Leftrightarrow longrightarrow longleftarrow
Longrightarrow Longleftarrow Longleftrightarrow longmapsto uparrow downarrow updownarrow nearrow searrow swarrow
nwarrow hookrightarrow rightharpoonup rightleftharpoons therefore because lfloor rfloor lceil rceil langle rangle
lvert rvert lVert rVert vert Vert lbrace rbrace lbrack rbrack ldots cdots vdots ddots dots dotsc dotsb dotsm dotsi
infty partial nabla prime backslash angle measuredangle triangle square Box blacksquare diamond Diamond degree hbar
ell Re Im wp surd top bot models vdash pounds euro checkmark dagger ddagger S P sharp flat natural colon diamondsuit
heartsuit clubsuit spadesuit asymp doteq prec succ preceq succeq trianglelefteq rtimes ltimes uplus sqcup sqcap
"""
ALLOWED = frozenset(f"{_STRUCTURE} {_GREEK} {_FUNCTIONS} {_SIGNS}".split())
r"""Commands made of letters. Those of one sign (``\,``, ``\{``) are all harmless in KaTeX."""

_ENVIRONMENTS = """
matrix pmatrix bmatrix vmatrix Vmatrix Bmatrix smallmatrix array cases rcases aligned alignedat gathered split align
align* alignat alignat* gather gather* equation equation* eqnarray eqnarray* multline multline*
"""
ENVIRONMENTS = frozenset(_ENVIRONMENTS.split())

_COMMAND = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\s*\{([^{}]{0,20})\}")
_COMMENT = re.compile(r"(?<!\\)(?:\\\\)*%")
_UNRENDERED = {"eqnarray": "align", "eqnarray*": "align*", "multline": "gather", "multline*": "gather*"}
"""Environments that KaTeX does not have, and their nearest kin."""


def is_safe(formula: str) -> bool:
    """Whether a formula (without its delimiters) may be handed to KaTeX."""
    if len(formula) > MAX_FORMULA or not formula.strip() or not formula.isprintable() and not _is_spaced(formula):
        return False
    commands = _COMMAND.findall(formula)
    if len(commands) > MAX_COMMANDS or any(name.isalpha() and name not in ALLOWED for name in commands):
        return False
    if any(name not in ENVIRONMENTS for name in _ENVIRONMENT.findall(formula)):
        return False
    if formula.count("\\begin") + formula.count("\\end") != len(_ENVIRONMENT.findall(formula)):
        return False
    return not _COMMENT.search(formula) and _is_balanced(formula)


def as_katex(formula: str) -> str:
    """The formula as KaTeX reads it: environments that it lacks become their nearest kin, characters stay."""
    return _ENVIRONMENT.sub(lambda m: m[0].replace(m[1], _UNRENDERED.get(m[1], m[1])), formula)


def _is_spaced(text: str) -> bool:
    return all(c.isprintable() or c in "\n\t\r" for c in text)


def _is_balanced(formula: str) -> bool:
    depth = 0
    for match in re.finditer(r"\\.|[{}]", formula, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if not 0 <= depth <= MAX_DEPTH:
            return False
    return depth == 0
