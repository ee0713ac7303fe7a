"""The two streams of the command line: data goes to stdout, talk to stderr. What is said there is in terminal/."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from typing import TextIO

from rich.console import Console, ConsoleDimensions

PLAIN_WIDTH = 200
"""Columns where there is no terminal: a table in a log must not be folded."""


class _Talk(Console):
    """A console of its own file: rich asks the standard streams, which can be pointed elsewhere meanwhile."""

    @property
    def size(self) -> ConsoleDimensions:
        with contextlib.suppress(OSError, ValueError):
            if self._width is None and "COLUMNS" not in self._environ:
                return ConsoleDimensions(*os.get_terminal_size(self.file.fileno()))
        return super().size

    @size.setter
    def size(self, new_size: tuple[int, int]) -> None:
        self._width, self._height = new_size

    def on_broken_pipe(self) -> None:
        """Rich ends the program when nobody reads any more; a build goes on in silence."""
        self.quiet = True


def out() -> Console:
    """Where data goes. As wide as needed when it is no terminal: a table in a file must not be folded."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def talk() -> Console:
    """Where talk goes. Prints turn markup off themselves: names and errors can hold brackets."""
    console = _Talk(stderr=True, highlight=False)
    if console.is_terminal:
        return _Talk(file=_terminal(), stderr=True, highlight=False)
    return _Talk(stderr=True, highlight=False, width=PLAIN_WIDTH)


@functools.cache
def _terminal() -> TextIO | None:
    """The terminal behind stderr, by a descriptor of our own; None where stderr has none.

    While a step runs, Dagster points descriptor 2 to a pipe, for its log of the step. On it no line could be drawn
    twice, and every drawing would be kept in that log.
    """
    with contextlib.suppress(OSError, ValueError):
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding=sys.stderr.encoding, errors="backslashreplace")
    return None
