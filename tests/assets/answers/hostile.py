"""A hundred inputs made to cost time, memory or trust: towers, factorials, nesting, digits, code, expansions."""

from __future__ import annotations

from collections.abc import Iterator


def hostile_answers(canary: str) -> dict[str, str]:
    """Name -> input. ``canary``: the file that code in an answer would make."""
    return {f"{group} {at}": text for group, texts in _groups(canary) for at, text in enumerate(texts)}


def _groups(canary: str) -> Iterator[tuple[str, list[str]]]:
    yield "towers", [
        "9^9^9^9^9^9", "9^{9^{9^{9^{9}}}}", "10^{10^{10}}", "(9^9)^{9^9}", "2^{2^{2^{2^{2^{2}}}}}", "e^{e^{e^{e^{9}}}}",
        "(10^{9999})^{9999}", "7^{-9^{9^{9}}}", "x^{x^{x^{x^{x^{x}}}}}", "0.5^{-9^{9^9}}",
    ]  # fmt: skip
    yield "factorials", [
        "9!!!!!!!!", "(200!)^{64}", "1000000000!", "((9!)!)!", "\\binom{10^9}{10^8}", "(10^{6})!!", "(x!)!",
        "1000000!+1",
        "\\binom{99999}{49999}", "\\prod_{k=1}^{10^9} k!",
    ]  # fmt: skip
    yield "nesting", [
        "(" * 900 + "1" + ")" * 900, "\\sqrt" * 390 + "2", "\\frac1" * 390 + "2", "\\text{" * 300 + "}" * 300,
        "{" * 1_000_000, "(" * 200_000, "\\left(" * 300 + "\\right)" * 300, "\\frac{" * 300, "[" * 900 + "]" * 900,
        "\\sqrt{2+" * 100 + "1" + "}" * 100, "\\{" * 600 + "\\}" * 600, "|" * 1_000, "\\begin{pmatrix}" * 60,
        "x^{" * 500 + "2" + "}" * 500, "-" * 1_500 + "1", "\\boxed{" * 250 + "1" + "}" * 250,
    ]  # fmt: skip
    yield "digits", [
        "7" * 100_000, rf"\frac{{{'7' * 900}}}{{{'3' * 900}}}", "0." + "3" * 100_000, "1" * 1_900 + "x",
        "9" * 999 + "!",
        "1e999999999", "1e-999999999", "0.\\overline{" + "123456789" * 200 + "}", "1_" + "2" * 500, "7" * 1_900 + "_2",
        "1," * 999, "1,234" * 400, "1." * 900, "3:" * 900 + "1",
    ]  # fmt: skip
    yield "expansions", [
        "(a+b+c+d+x+y+z)^{12}", "(a+b+c)^{9}(x+y+z)^{9}" * 8, "(1+\\sqrt2+\\sqrt3+\\sqrt5+\\sqrt7)^{12}",
        "\\sqrt{" + "1000000007" * 9 + "}", "+".join(f"x^{{{5000 + i}}}" for i in range(66)), "\\pm1" * 100,
        "\\frac{1}{" * 20 + "x^{4000}+1" + "}" * 20, "(x+1)^{99999}", "(x+y)^{999}(x-y)^{999}(y-z)^{999}",
        "\\sin(" * 22 + "x" + ")" * 22, "+".join(f"\\sqrt{{{i}}}" for i in range(2, 90)), "(1+i)^{10^{7}}",
        "\\sin(10^{30})", "\\begin{pmatrix}" + "1&" * 180 + "1\\end{pmatrix}", "\\cup".join(["(1,\\sqrt2)"] * 30),
        "x=" * 190 + "1", "\\sum_{n=1}^{10^{9}} n^{n}", "\\int_0^{\\infty} e^{-x^{x}} dx",
        "\\lim_{n\\to\\infty} n!^{1/n}",
    ]  # fmt: skip
    touch = f"open('{canary}','w')"
    yield "code", [
        f"__import__('os').system('touch {canary}')", f"(lambda: exec(\"{touch}\"))()", f"eval(\"{touch}\")",
        f"[x for x in [{touch}]]", f"\\text{{__import__('pathlib').Path('{canary}').touch()}}", f"{touch}.close()",
        f"\\input{{|touch {canary}}}", f"\\write18{{touch {canary}}}", f"$(touch {canary})", f"`touch {canary}`",
        f"().__class__.__base__.__subclasses__(); {touch}", f"exec(compile(\"{touch}\",'','exec'))",
        f"Symbol('x').__class__.__init__.__globals__['__builtins__']['open']('{canary}','w')",
        f"sympify(\"__import__('os').mknod('{canary}')\")", f"x\n{touch}\n",
        f"{{{{ cycler.__init__.__globals__.os }}}}{touch}",
    ]  # fmt: skip
    yield "text", [
        "\x00" * 1_000, "\ud800", "\u202e" * 500 + "1", "\x1b[2J\x1b]0;x\x07", "1" + " " * 1_900 + "x", "\u0661\u0662",
        "1" + "\\text{ a b c}" * 120, "\\" * 1_999, "$" * 1_999, "&" * 500, "\u00bd" * 500, "\u00b2" * 900, "%" * 500,
        "<script>alert(1)</script>", "\ufeff1", "\u0338=", "\\unicode{x41}", "and " * 400, ". " * 900,
    ]  # fmt: skip
