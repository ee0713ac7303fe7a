"""The YAML of a card: what the Hub and ``datasets`` read."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import yaml

from assets.release.card_facts import CardFacts
from assets.release.layout import ConfigFiles
from assets.release.licence_names import hub_name

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))
"""Size categories of the Hub, by the rows of the largest split."""


def head(facts: CardFacts) -> str:
    """The YAML, without the lines of dashes around it."""
    release = facts.release
    rows = max(facts.splits.values())
    values = {
        "license": hub_name(release.get("licence")),
        "language": words(release.get("language"), ["en"]),
        "task_categories": words(release.get("task_categories"), ["question-answering", "text-generation"]),
        "tags": words(release.get("tags"), ["math", "synthetic", "mathloom"]),
        "pretty_name": facts.title,
        "size_categories": [next((word for limit, word in _SIZES if rows < limit), "10M<n<100M")],
        "configs": [_config(files, facts.is_shared) for files in facts.configs],
        "dataset_info": [_info(files) for files in facts.configs],
    }
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)


def words(value: Any, default: list[str]) -> list[str]:
    """A word or a list of words of the recipe as a list."""
    if not value:
        return default
    return [value] if isinstance(value, str) else [str(item) for item in value]


def _config(files: ConfigFiles, is_shared: bool) -> dict[str, Any]:
    data_files = []
    for split, parts in files.splits.items():
        folder = parts[0].path.split("/")[0]
        paths: str | list[str] = [part.path for part in parts] if is_shared else f"{folder}/{split}-*"
        data_files.append({"split": split, "path": paths})
    default = {"default": True} if files.config == "default" else {}
    return {"config_name": files.config, "data_files": data_files} | default


def _info(files: ConfigFiles) -> dict[str, Any]:
    splits = [
        {
            "name": split,
            "num_bytes": sum(part.bytes_in_memory for part in parts),
            "num_examples": sum(part.row_count for part in parts),
        }
        for split, parts in files.splits.items()
    ]
    return {
        "config_name": files.config,
        "features": [{"name": f.name, "dtype": _dtype(f.type)} for f in files.schema],
        "splits": splits,
        "download_size": sum(part.bytes for part in files.unique()),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _dtype(kind: pa.DataType) -> str:
    return {"double": "float64", "float": "float32"}.get(str(kind), str(kind))  # else both use the same words
