"""The two streams of the command line: data goes to stdout, talk to stderr. What is said there is in terminal/."""

from __future__ import annotations

from rich.console import Console

PLAIN_WIDTH = 200
"""Columns where there is no terminal: a table in a log must not be folded."""


class _Talk(Console):
    """Rich ends the program when nobody reads any more; a build goes on in silence."""

    def on_broken_pipe(self) -> None:
        self.quiet = True


def out() -> Console:
    """Where data goes. As wide as needed when it is no terminal: a table in a file must not be folded."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def talk() -> Console:
    """Where talk goes. Prints turn markup off themselves: names and errors can hold brackets."""
    console = _Talk(stderr=True, highlight=False)
    return console if console.is_terminal else _Talk(stderr=True, highlight=False, width=PLAIN_WIDTH)
