"""Peak memory of one stage: the kernel's high-water mark of this process, set back before the stage."""

from __future__ import annotations

import contextlib
from pathlib import Path

_PROCESS = Path("/proc/self")


def reset_peak() -> None:
    """Set the high-water mark back to the present size (Linux; elsewhere nothing happens)."""
    with contextlib.suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")  # 5: reset VmHWM, see proc(5)


def peak_mb() -> float | None:
    """High-water mark of resident memory since :func:`reset_peak`, in MB; None where /proc is absent."""
    with contextlib.suppress(OSError):
        for line in (_PROCESS / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None
