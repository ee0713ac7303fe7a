"""The verdict that unwinds a reader: the text is outside of what is read exactly."""

from __future__ import annotations


class Undecided(Exception):  # noqa: N818 - a verdict that unwinds the parser, no error of anyone
    """The text is outside of what is read exactly, has two common readings, or is over a budget."""
