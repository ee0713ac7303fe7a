"""The only place where OpenVINO is imported.

Importing it would report to an analytics service and write into the home folder. It works without that part, which is
therefore hidden from it first, whoever asks for the library.
"""

from __future__ import annotations

import sys
from typing import Any


def genai() -> Any:
    """The module ``openvino_genai``."""
    _without_telemetry()
    import openvino_genai

    return openvino_genai


def openvino() -> Any:
    """The module ``openvino``."""
    _without_telemetry()
    import openvino

    return openvino


def _without_telemetry() -> None:
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
