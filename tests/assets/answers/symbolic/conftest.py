"""One set of worker processes with sympy for all tests of the symbolic step: they take half a second to start."""

from collections.abc import Iterator

import pytest

from assets.answers.symbolic.step import SymbolicStep


@pytest.fixture(scope="session")
def step() -> Iterator[SymbolicStep]:
    with SymbolicStep(budget_s=None, workers=2) as made:
        yield made
