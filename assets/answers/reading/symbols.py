r"""Spellings outside of ASCII and plain macros: one spelling for each, before tokens are cut.

Characters that print like LaTeX become that LaTeX (``½``, ``x²``, ``√``, ``≤``), and macros that only move, size or
colour things vanish.
"""

from __future__ import annotations

import re
import unicodedata

_GREEK = {
    "\u03b1": "alpha", "\u03b2": "beta", "\u03b3": "gamma", "\u03b4": "delta", "\u03b5": "epsilon", "\u03b6": "zeta",
    "\u03b7": "eta", "\u03b8": "theta", "\u03b9": "iota", "\u03ba": "kappa", "\u03bb": "lambda", "\u03bc": "mu",
    "\u03bd": "nu", "\u03be": "xi", "\u03c0": "pi", "\u03c1": "rho", "\u03c3": "sigma", "\u03c4": "tau",
    "\u03c5": "upsilon", "\u03c6": "phi", "\u03c7": "chi", "\u03c8": "psi", "\u03c9": "omega", "\u03d5": "phi",
    "\u0394": "Delta", "\u03a9": "Omega", "\u03a3": "Sigma",
}  # fmt: skip
_SIGNS = {
    "\u2212": "-", "\u2013": "-", "\u2010": "-", "\u2011": "-", "\ufe63": "-", "\uff0d": "-", "\u00d7": r"\times ",
    "\u00b7": "*", "\u22c5": "*", "\u2219": "*", "\u2217": "*", "\u00f7": "/", "\u2044": "/", "\u2215": "/",
    "\u221a": r"\sqrt ", "\u221b": r"\sqrt[3]", "\u221c": r"\sqrt[4]", "\u221e": r"\infty ", "\u2264": r"\le ",
    "\u2265": r"\ge ", "\u2a7d": r"\le ", "\u2a7e": r"\ge ", "\u2260": r"\neq ", "\u2248": r"\approx ",
    "\u00b1": r"\pm ", "\u2213": r"\mp ", "\u222a": r"\cup ", "\u2229": r"\cap ", "\u2208": r"\in ",
    "\u2205": r"\emptyset ", "\u2216": r"\setminus ", "\u211d": r"\mathbb{R}", "\u2124": r"\mathbb{Z}",
    "\u2115": r"\mathbb{N}", "\u211a": r"\mathbb{Q}", "\u2102": r"\mathbb{C}", "\u2032": "'", "\u2019": "'",
    "\u2026": r"\ldots ", "\u22ef": r"\ldots ", "\u2220": r"\angle ", "\u230a": r"\lfloor ", "\u230b": r"\rfloor ",
    "\u2308": r"\lceil ", "\u2309": r"\rceil ", "\u27e8": r"\langle ", "\u27e9": r"\rangle ", "\u2228": r"\lor ",
    "\u2227": r"\land ", "\u2261": r"\equiv ", "\u221d": r"\propto ", "\u2223": "|", "\u00a0": " ", "\u2009": " ",
    "\u202f": " ", "\u2003": " ", "\u2002": " ", "\u200b": "", "\u2061": "", "\u2062": "", "\u200a": " ",
    "\uff0c": ",", "\uff08": "(", "\uff09": ")", "\uff05": "%", "\uff1d": "=", "\uff0b": "+", "\u2218": r"\circ ",
    "\u00ba": "\u00b0", "\u2103": "\u00b0C", "\u00b5": r"\mu ",
}  # fmt: skip
_RAISED = dict(
    zip(
        "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207a\u207b\u207f\u2071",
        "0123456789+-ni",
        strict=True,
    )
)
_LOWERED = dict(zip("\u2080\u2081\u2082\u2083\u2084\u2085\u2086\u2087\u2088\u2089\u2099", "0123456789n", strict=True))
_TABLE = str.maketrans({**{letter: f"\\{name} " for letter, name in _GREEK.items()}, **_SIGNS})
_RAISED_RUN = re.compile(f"[{''.join(_RAISED)}]+")
_LOWERED_RUN = re.compile(f"[{''.join(_LOWERED)}]+")
_WIDE = re.compile("[\uff01-\uff5e]+")
_VULGAR = re.compile("[\u00bc-\u00be\u2150-\u215e\u2189]")

_LONG_ROOT = re.compile("\u221a\\s*([0-9]+(?:\\.[0-9]+)?)")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ(?![A-Za-z]))|\\degree(?![A-Za-z])")
_CLASSED = re.compile(r"\\math(?:bin|rel|ord|punct|inner|open|close)\s*\{\s*([^{}]{1,8})\s*\}")
_LONE_SIGN = re.compile(r"\{([:=<>])\}")
_DELIMITERS = re.compile(r"(?<!\\)\\[()\[\]]")
_BLANK_SIDE = re.compile(r"\\(?:left|right)\s*\.")
_DROPPED = re.compile(r"\\(?:hspace|vspace|label|color)\*?\s*\{[^{}]*\}|\\[hv]?phantom\s*(?:\{[^{}]*\}|.)")
_LINE_SPACE = re.compile(r"\\\\\s*\[-?[\d.]{1,6}\s*[a-z]{2}\]")
_COLOURED = re.compile(r"\\(?:textcolor|colorbox)\s*\{[^{}]*\}")


def plain_symbols(text: str) -> str:
    r"""``text`` with one spelling of each sign; plain ASCII passes almost untouched."""
    if not text.isascii():
        text = _RAISED_RUN.sub(lambda found: "^{" + "".join(_RAISED[c] for c in found[0]) + "}", text)
        text = _LOWERED_RUN.sub(lambda found: "_{" + "".join(_LOWERED[c] for c in found[0]) + "}", text)
        text = _WIDE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)
        text = _LONG_ROOT.sub(r"\\sqrt{\1}", text)
        text = _VULGAR.sub(_fraction, text).translate(_TABLE)
    if "\\" in text:
        text = _DEGREES.sub("\u00b0", text)
        text = _DELIMITERS.sub("", text)
        text = _BLANK_SIDE.sub("", _CLASSED.sub(r"\1", text))
        text = _LINE_SPACE.sub(r"\\\\", _COLOURED.sub("", _DROPPED.sub("", text)))
    return _LONE_SIGN.sub(r"\1", text)


def _fraction(found: re.Match[str]) -> str:
    top, _, bottom = unicodedata.normalize("NFKC", found[0]).partition("\u2044")
    return f"\\frac{{{top}}}{{{bottom}}}"
