"""Hostile text: nothing in it is markup, and formulas are typeset only if they are known to be harmless."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagster_project.explorer.latex import MAX_DEPTH, MAX_FORMULA, is_safe
from dagster_project.explorer.safe_text import MAX_FORMULAS, escape, one_line, rich
from tests.dagster_project.explorer.conftest import HOSTILE

TAG = re.compile(r"<[^>]*>")
OURS = re.compile(r'<span class="tex" data-mode="(?:inline|display)">|<span class="cut">|</span>')


def formulas(text: str) -> list[tuple[str, str]]:
    found = re.findall(r'<span class="tex" data-mode="(\w+)">(.*?)</span>', rich(text), re.DOTALL)
    return [(mode, html.unescape(source)) for mode, source in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("$x^2$", [("inline", "x^2")]),
        (r"\(a\) and \[b\] and $$c$$", [("inline", "a"), ("display", "b"), ("display", "c")]),
        (r"\begin{align*}a&=b\\c&<d\end{align*}", [("display", r"\begin{align*}a&=b\\c&<d\end{align*}")]),
        (r"$\begin{pmatrix}1\\2\end{pmatrix}$", [("inline", r"\begin{pmatrix}1\\2\end{pmatrix}")]),
        (r"\begin{eqnarray}a\end{eqnarray}", [("display", r"\begin{align}a\end{align}")]),
        ("costs $5 and $6", []),
        ("$5 to $6 and $x$", [("inline", "x")]),
        (r"\$5 and \$6", []),
        ("$ x $", []),
        ("$x", []),
        ("$$", []),
        (r"$\boxed{\frac{12}{\sqrt{2}}}$", [("inline", r"\boxed{\frac{12}{\sqrt{2}}}")]),
        (r"$50\%$", [("inline", r"50\%")]),
        (r"$50% hidden$", []),
        (r"$a\\%hidden$", []),
        (r"$\left\{x \mid x > 0\right\}$", [("inline", r"\left\{x \mid x > 0\right\}")]),
    ],
)
def test_formulas_are_found(text: str, found: list[tuple[str, str]]) -> None:
    assert formulas(text) == found


@pytest.mark.parametrize(
    "formula",
    [
        r"\href{javascript:alert(1)}{x}",
        r"\url{http://x}",
        r"\includegraphics{x}",
        r"\htmlClass{a}{b}",
        r"\htmlData{a=b}{c}",
        r"\def\a{\a\a}\a",
        r"\newcommand{\a}{b}",
        r"\gdef\a{b}",
        r"\let\a\b",
        r"\rule{100em}{100em}",
        r"\kern100em",
        r"\hspace{100em}",
        r"\phantom{hidden}",
        r"\color{white}{hidden}",
        r"\char`a",
        r"\verb|x|",
        r"\begin{CD}a\end{CD}",
        r"\begin {href}x\end{href}",
        r"\begin",
        r"\frac{1",
        r"}{",
        "x" * (MAX_FORMULA + 1),
        "{" * (MAX_DEPTH + 1) + "}" * (MAX_DEPTH + 1),
        r"\frac" * 301,
        "a\x00b",
        "a\u202eb",
        "",
        " ",
    ],
)
def test_what_is_not_known_to_be_harmless_is_not_typeset(formula: str) -> None:
    assert not is_safe(formula)
    assert formulas(f"a ${formula}$ b") == []


@given(st.text(alphabet=st.sampled_from("$\\()[]{}<>&\"'`% ax1\n") | st.characters(), max_size=80))
def test_nothing_becomes_markup_and_nothing_is_lost(text: str) -> None:
    for shown in (rich(text), escape(text), one_line(text)):
        assert not TAG.findall(OURS.sub("", shown))
        assert not set(OURS.sub("", shown)) & set("<>\"'`{}$\\@")
    assert html.unescape(escape(text)).count("a") >= text.count("a")
    assert html.unescape(TAG.sub("", rich(text))).count("x") >= text.count("x")


def test_what_cannot_be_seen_is_shown() -> None:
    assert "⟨U+001B⟩" in escape(HOSTILE)
    assert "⟨U+202E⟩" in escape(HOSTILE)
    assert "⟨U+0000⟩" in escape(HOSTILE)
    assert "⟨U+D800⟩" in escape("\ud800")
    assert escape("é ∑ 中\n\t") == "é ∑ 中\n\t"


@pytest.mark.parametrize(
    "text", ["$" * 10**6, "\\(" * 10**5, r"\begin{align}" * 10**5, "$x$" * 10**5, "{" * 10**6, "a" * 10**7]
)
def test_length_is_bounded_in_time_and_size(text: str) -> None:
    start = time.process_time()
    shown = rich(text)
    assert time.process_time() - start < 2
    assert len(shown) < 400_000
    assert shown.count('class="tex"') <= MAX_FORMULAS
    assert "more characters" in shown
