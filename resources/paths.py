"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """``path`` with ``~`` as the home folder. A user that nobody knows (``~nobody/x``) stays as it is written.

    ``Path.expanduser`` raises there; so the file is not found instead, which every reader reports with its place.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - for exactly that difference
