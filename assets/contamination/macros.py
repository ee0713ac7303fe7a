"""LaTeX commands that say how a formula looks, and commands that say the same as another."""

from __future__ import annotations

from collections.abc import Mapping

_VANISH = (
    *("left", "right", "middle", "big", "bigl", "bigr", "bigm", "bigg", "biggl", "biggr", "biggm"),
    *("displaystyle", "textstyle", "scriptstyle", "limits", "nolimits", "quad", "qquad", "thinspace", "space"),
    *("text", "textbf", "textit", "textrm", "textnormal", "textsf", "texttt", "textsc", "emph", "underline"),
    *(
        "mathrm",
        "mathbf",
        "mathit",
        "mathsf",
        "mathtt",
        "mathcal",
        "mathbb",
        "mathfrak",
        "boldsymbol",
        "bm",
        "rm",
        "bf",
    ),
    *("operatorname", "mbox", "hbox", "fbox", "boxed", "phantom", "mathstrut", "strut", "noindent", "centering", "bf"),
    *("begin", "end", "ldots", "dots", "dotsc", "dotsb", "cdots", "vdots", "ddots", "lbrace", "rbrace"),
)
_SAME: Mapping[str, tuple[str, ...]] = {
    "frac": ("dfrac", "tfrac", "cfrac"),
    "binom": ("dbinom", "tbinom"),
    "*": ("times", "cdot", "ast"),
    "/": ("div",),
    "<=": ("le", "leq", "leqslant"),
    ">=": ("ge", "geq", "geqslant"),
    "<": ("lt",),
    ">": ("gt",),
    "|": ("mid", "vert", "lvert", "rvert"),
    "neq": ("ne",),
    "to": ("rightarrow",),
    "circ": ("degree",),
    "infty": ("infinity",),
    "emptyset": ("varnothing",),
    "epsilon": ("varepsilon",),
    "phi": ("varphi",),
    "theta": ("vartheta",),
    "overline": ("bar",),
    "triangle": ("bigtriangleup",),
}
MACROS: Mapping[str, str] = {
    **dict.fromkeys(_VANISH, ""),
    **{other: command for command, others in _SAME.items() for other in others},
}
"""Command, without its backslash and in lower case -> the word that it counts as; empty: it vanishes."""

ENVIRONMENTS = frozenset(
    {"align", "aligned", "alignat", "array", "cases", "center", "displaymath", "eqnarray", "equation", "flushleft"}
    | {"gather", "gathered", "itemize", "enumerate", "math", "multline", "split", "tabular"}
)
"""Names of environments that are layout, with or without a star: they vanish with their ``begin`` and ``end``.
Others (matrices, asy code) are words."""
