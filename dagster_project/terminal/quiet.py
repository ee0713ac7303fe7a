"""A display is never what fails: a build of hours must not die of a closed terminal or a full log disk."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
Self = TypeVar("Self")


def quietly(method: Callable[Concatenate[Self, P], None]) -> Callable[Concatenate[Self, P], None]:
    """``method``, with its errors written to Python's debug log and not raised. Ctrl-C still passes."""

    @functools.wraps(method)
    def guarded(self: Self, *arguments: P.args, **named: P.kwargs) -> None:
        try:
            method(self, *arguments, **named)
        except Exception:
            logging.getLogger(__name__).debug("a progress display failed", exc_info=True)

    return guarded
