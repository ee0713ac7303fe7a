r"""Answers as a library: what stands in a box, its key, and whether two are the same. They live in ``assets.answers``.

``from mathloom import equivalent``, then ``equivalent(r"\frac12", "0.5").relation``.
"""

from assets.answers.extract import extract_boxed
from assets.answers.key import Key, canonical_key
from assets.answers.policy import DEFAULT, Policy
from assets.answers.verdict import Verdict, equivalent
from assets.answers.vote import Vote, vote

__all__ = ["DEFAULT", "Key", "Policy", "Verdict", "Vote", "canonical_key", "equivalent", "extract_boxed", "vote"]
