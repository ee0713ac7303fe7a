"""Two sets of worker processes with sympy for all tests of the symbolic step: each takes half a second to start."""

from collections.abc import Iterator

import pytest

from assets.answers.symbolic.step import SymbolicStep


@pytest.fixture(scope="session")
def patient() -> Iterator[SymbolicStep]:
    """Its pairs have time on any machine: for tests of verdicts, which must not depend on it."""
    with SymbolicStep(budget_s=None, workers=2, seconds=10.0) as made:
        yield made


@pytest.fixture(scope="session")
def step() -> Iterator[SymbolicStep]:
    with SymbolicStep(budget_s=None, workers=2) as made:
        yield made
