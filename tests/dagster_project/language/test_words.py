"""The words of the files: described, and usable as JSON Schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagster_project.language import words
from dagster_project.language.words import profile_json_schema, recipe_json_schema

MODELS = [value for value in vars(words).values() if isinstance(value, type) and issubclass(value, words.BaseModel)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_word_is_described_and_frozen(model: Any) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []
    assert model.__doc__
    assert model.model_config.get("frozen") or model is words.BaseModel


def test_schemas_for_editors() -> None:
    recipe = recipe_json_schema()
    assert recipe["additionalProperties"] is False
    assert set(recipe["required"]) == {"recipe", "stages"}
    assert {"with", "set", "for_each"} <= set(recipe["$defs"]["StageWords"]["properties"])
    assert recipe["$defs"]["StageWords"]["additionalProperties"] is True
    assert set(profile_json_schema()["required"]) == {"profile"}


def test_every_word_is_in_the_reference() -> None:
    page = (Path(__file__).parents[3] / "docs" / "recipe_language.md").read_text(encoding="utf-8")
    said = {field.alias or name for model in MODELS for name, field in model.model_fields.items()}
    assert sorted(word for word in {*said, *words.CARD_WORDS} if word not in page) == []
