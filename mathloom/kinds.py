"""The whole protocol of a kind, for those who write one in Python. The protocol itself lives in ``assets.kinds``."""

from assets.kinds import (
    Ask,
    GenerationKind,
    Input,
    Job,
    Kind,
    Law,
    Prompts,
    Settings,
    Table,
    TableKind,
    Writer,
    operational,
)
from resources.engines.protocol import Prompt, Sampling
from resources.errors import MathloomError, RecipeError

__all__ = [
    "Ask",
    "GenerationKind",
    "Input",
    "Job",
    "Kind",
    "Law",
    "MathloomError",
    "Prompt",
    "Prompts",
    "RecipeError",
    "Sampling",
    "Settings",
    "Table",
    "TableKind",
    "Writer",
    "operational",
]
