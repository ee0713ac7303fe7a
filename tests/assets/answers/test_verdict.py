"""``equivalent``: keys first, then the symbolic step; reflexive, symmetric, and never an exception."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.answers.policy import Policy
from assets.answers.symbolic.step import SymbolicStep
from assets.answers.verdict import Verdict, equivalent
from resources.errors import MathloomError

UNDECIDED = (r"\sum_{k=1}^{n} k", r"\frac{n(n+1)}{2}")


@pytest.fixture(scope="module")
def step() -> Iterator[SymbolicStep]:
    with SymbolicStep(workers=1, budget_s=None) as made:
        yield made


def test_keys_settle_what_they_can_without_any_process(step: SymbolicStep) -> None:
    for a, b, relation, tier in [
        (r"\frac12", "0.5", "equal", "key"),
        (r"\frac12", r" \frac12 ", "equal", "text"),
        ("2", "3", "different", "key"),
        (r"50\%", "0.5", "different", "key"),
        ("?!", "?!", "equal", "text"),
    ]:
        found = equivalent(a, b, symbolic=step)
        assert (found.relation, found.tier) == (relation, tier)
        assert 0.0 <= found.ms < 1_000.0
        assert found.key_b.status in {"decided", "undecided"}
    assert step._pool.pid is None


def test_the_step_settles_the_rest_and_remembers(step: SymbolicStep) -> None:
    assert equivalent(*UNDECIDED, symbolic=None).relation == "unknown"
    tiers = [(found.relation, found.tier) for _ in range(2) for found in [equivalent(*UNDECIDED, symbolic=step)]]
    assert tiers == [("equal", "symbolic"), ("equal", "cache")]
    assert equivalent(UNDECIDED[1], UNDECIDED[0], symbolic=step).relation == "equal"
    assert equivalent(r"\sum_{k=1}^{10^{9}} k!", "1", symbolic=step).relation == "unknown"


def test_the_step_must_have_the_same_policy(step: SymbolicStep) -> None:
    with pytest.raises(MathloomError, match="Give both the same policy"):
        equivalent("1", "2", Policy(strip_units=False), symbolic=step)


ALPHABET = list("xyn0123456789+-*/^_=<>(){}[]|!,.;:%$ ") + [
    r"\frac", r"\sqrt", r"\pi", r"\pm", r"\text{cm}", r"\sum", r"\int", r"\infty", r"\cup", r"\le", "\\\\", "\ud800",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(ALPHABET), max_size=12).map("".join)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(a=TEXTS, b=TEXTS)
def test_reflexive_symmetric_and_never_an_exception(step: SymbolicStep, a: str, b: str) -> None:
    assert equivalent(a, a, symbolic=step).relation == "equal"
    found, turned = equivalent(a, b, symbolic=step), equivalent(b, a, symbolic=step)
    assert isinstance(found, Verdict)
    assert found.relation == turned.relation
    assert (found.key_a, found.key_b) == (turned.key_b, turned.key_a)


SCRIPT = r"""
import sys
from mathloom import equivalent
assert equivalent(r"\frac12", "0.5").relation == "equal"
assert not {"sympy", "dagster", "duckdb"} & set(sys.modules)
found = equivalent(r"\sum_{k=1}^{n} k", r"\frac{n(n+1)}{2}")
from assets.answers.verdict import shared_step
from assets.answers.policy import DEFAULT
sys.stdout.write(f"{found.relation} {found.tier} {shared_step(DEFAULT)._pool.pid} {'sympy' in sys.modules}")
"""


def test_three_lines_of_a_library(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    relation, tier, zygote, has_sympy = done.stdout.split()
    assert (relation, tier, has_sympy) == ("equal", "symbolic", "False")
    assert not Path(f"/proc/{zygote}").exists()
