r"""Which letters are a product, which are the name of a function, a Greek letter, or a word."""

from __future__ import annotations


def word_list(text: str) -> tuple[str, ...]:
    """The words of ``text``: long lists read better as one line of words."""
    return tuple(text.split())


def _words(text: str) -> frozenset[str]:
    return frozenset(word_list(text))


GREEK = _words(
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Sigma Upsilon Phi Psi Omega ell"
)
ONE_ARGUMENT = _words("sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln exp log lg sgn Re Im arccot cis")
"""Functions that take what follows them: ``\\sin 2x`` is the sine of all of it."""
TRIGONOMETRIC = _words("sin cos tan cot sec csc cis")
NO_PRODUCTS = _words(
    "sin cos tan cot sec csc log ln lg exp gcd lcm mod min max det deg div abs inf nan no am pm of cis to is if or and "
    "per for the not but out any all sum odd dx dy dt dz cm km kg mph lbs"
)
"""Short runs of letters that are names and no products of variables."""
FUNCTION_LETTERS = frozenset("fghFGHPQ")
"""Before a bracket these read as functions, and ``f(2)`` is no product."""


def is_word(token: str) -> bool:
    """Whether bare letters read as a word. Three or four ascending letters without e, i, o, u are a product (abc)."""
    if not (token.isascii() and token.isalpha()) or token in {"pi", "sqrt"} or token in ONE_ARGUMENT or token in GREEK:
        return False
    if len(token) < 3:
        return token.lower() in {"no", "on", "up", "am", "pm"}
    if token[0].isupper() and token[1:].islower():
        return True
    is_ascending = all(a < b for a, b in zip(token, token[1:], strict=False))
    return len(token) > 4 or not is_ascending or not set("eiou").isdisjoint(token)
