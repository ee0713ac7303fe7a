"""Paths as people write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from resources.paths import expanded


def test_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/somewhere")
    assert expanded("~/x") == Path("/somewhere/x")
    assert expanded(Path("~")) == Path("/somewhere")


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "x/~", "/a/b", "."])
def test_what_stays(path: str) -> None:
    assert expanded(path) == Path(path)
