"""The YAML head of a dataset card: what the Hub refuses, and what it only remarks on.

The Hub's own rules are not published as a list. These are the ones that its documentation names for dataset cards.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

HEAD = re.compile(r"\A\s*---[ \t]*\r?\n(?:(.*?)\r?\n)?---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
MAX_HEAD = 1024 * 1024
"""Characters of a head that are read."""
LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*|code|multilingual")
LICENCES = frozenset(
    {
        *("apache-2.0", "mit", "openrail", "bigscience-openrail-m", "creativeml-openrail-m"),
        *("bigscience-bloom-rail-1.0", "bigcode-openrail-m", "afl-3.0", "artistic-2.0", "bsl-1.0", "bsd"),
        *("bsd-2-clause", "bsd-3-clause", "bsd-3-clause-clear", "c-uda", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-2.5"),
        *("cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0"),
        *("cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0"),
        *("cc-by-nc-sa-4.0", "cdla-sharing-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0", "wtfpl", "ecl-2.0"),
        *("epl-1.0", "epl-2.0", "etalab-2.0", "eupl-1.1", "eupl-1.2", "agpl-3.0", "gfdl", "gpl", "gpl-2.0", "gpl-3.0"),
        *("lgpl", "lgpl-2.1", "lgpl-3.0", "isc", "h-research", "intel-research", "lppl-1.3c", "ms-pl", "apple-ascl"),
        *("apple-amlr", "mpl-2.0", "odc-by", "odbl", "openmdw-1.0", "openrail++", "osl-3.0", "postgresql", "ofl-1.1"),
        *("ncsa", "unlicense", "zlib", "pddl", "lgpl-lr", "deepfloyd-if-license"),
        *("fair-noncommercial-research-license", "llama2", "llama3", "llama3.1", "llama3.2", "llama3.3", "llama4"),
        *("grok2-community", "gemma", "other", "unknown"),
    }
)
SIZES = frozenset(
    {
        *("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M"),
        *("10M<n<100M", "100M<n<1B", "1B<n<10B", "10B<n<100B", "100B<n<1T", "n>1T"),
    }
)


class _Loader(yaml.SafeLoader):
    """YAML as the Hub reads it: a key that stands twice is an error. Aliases are refused: they can grow without end."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Read one node."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not read")
        return super().compose_node(parent, index)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"duplicated mapping key {key.value!r}")
            seen.add(key.value)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def check_card(content: str) -> tuple[list[str], list[str], dict[str, Any]]:
    """Errors, warnings and the head of a card. A card with errors cannot be committed."""
    match = HEAD.match(content)
    if match is None:
        if content.lstrip().startswith("---"):
            return ["the YAML head is not closed by '---'"], [], {}
        return [], ["empty or missing yaml metadata in repo card"], {}
    text = match.group(1) or ""
    if len(text) > MAX_HEAD:
        return ["the YAML head is too long"], [], {}
    try:
        head = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        return [f"the YAML head cannot be read: {line}"], [], {}
    if head is None:
        return [], ["empty or missing yaml metadata in repo card"], {}
    if not isinstance(head, dict):
        return ["the YAML head is not a mapping"], [], {}
    return _errors(head), [], head


def _errors(head: dict[Any, Any]) -> list[str]:
    found = []
    for key, (is_right, expected) in RULES.items():
        if key in head and not is_right(head[key]):
            found.append(f'"{key}" must be {expected}')
    return found


def _texts(value: Any) -> list[str] | None:
    """A string or a list of strings, as a list; None for anything else."""
    values = value if isinstance(value, list) else [value]
    return values if all(isinstance(item, str) for item in values) else None


def _each(value: Any, is_right: Callable[[str], Any]) -> bool:
    texts = _texts(value)
    return texts is not None and all(is_right(text) for text in texts)


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and _texts(value) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_configs(value: Any) -> bool:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return False
    names = [item.get("config_name") for item in value]
    return all(_is_text(name) for name in names) and len(set(names)) == len(names) and all(map(_has_files, value))


def _has_files(config: dict[Any, Any]) -> bool:
    files = config.get("data_files")
    if isinstance(files, list) and files and isinstance(files[0], dict):
        return all(
            isinstance(f, dict) and _is_text(f.get("split")) and _texts(f.get("path")) is not None for f in files
        )
    return files is None or _texts(files) is not None


def _is_info(value: Any) -> bool:
    values = value if isinstance(value, list) else [value]
    return all(isinstance(item, dict) for item in values)


RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "license": (
        lambda value: _each(value, LICENCES.__contains__),
        "one of the licenses that the Hub knows, or 'other'",
    ),
    "license_name": (_is_text, "a string"),
    "license_link": (_is_text, "a string"),
    "language": (lambda value: _each(value, LANGUAGE.fullmatch), "ISO 639 codes (quote 'no': YAML reads it as false)"),
    "tags": (_is_list_of_text, "a list of strings"),
    "task_categories": (_is_list_of_text, "a list of strings"),
    "task_ids": (_is_list_of_text, "a list of strings"),
    "pretty_name": (_is_text, "a string"),
    "size_categories": (lambda value: _each(value, SIZES.__contains__), "one of " + ", ".join(sorted(SIZES))),
    "configs": (_is_configs, "a list of configs, each with its own config_name, and data_files with split and path"),
    "dataset_info": (_is_info, "a mapping, or a list of mappings"),
    "viewer": (lambda value: isinstance(value, bool), "true or false"),
}
