"""Reading YAML and TOML: lines, the core schema, and files that mean harm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.language.files import MAX_BYTES, MAX_VALUES, read_toml, read_yaml
from resources.errors import RecipeError

SCALARS: dict[str, Any] = {
    "no": "no",
    "on": "on",
    "yes": "yes",
    "true": True,
    "False": False,
    "~": None,
    "": None,
    "null": None,
    "12": 12,
    "-3": -3,
    "1_000_000": 1_000_000,
    "1_00": "1_00",
    "010": "010",
    "1:30": "1:30",
    "0.95": 0.95,
    ".5": 0.5,
    "1e6": 1e6,
    "1.5e-3": 1.5e-3,
    "2024-01-01": "2024-01-01",
    "1.2.3": "1.2.3",
    "'12'": "12",
    "9" * 40: "9" * 40,
    "!!int 5": 5,
    "=": "=",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items(), ids=[text or "empty" for text in SCALARS])
def test_scalars_of_the_core_schema(tmp_path: Path, text: str, value: object) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"key: {text}\n")
    found = read_yaml(path).value["key"]
    assert found == value
    assert type(found) is type(value)


def test_lines_of_keys_and_items(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# first\na:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n", encoding="utf-8-sig")
    document = read_yaml(path)
    assert document.value == {"a": {"b": 1, "c": ["x", {"d": 2}]}}
    asked = [("a",), ("a", "b"), ("a", "c", 1, "d"), ("a", "nothing", "below"), ("nothing",)]
    assert [document.place(*loc).line for loc in asked] == [2, 3, 6, 2, 2]


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("# nothing\n")
    assert read_yaml(path).value == {}


def test_aliases_are_unfolded(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &x {b: 1}\nc: *x\n")
    assert read_yaml(path).value == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_merge_key_is_an_ordinary_key_and_so_unknown_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: &x {b: 1}\nc: {<<: *x}\n")
    assert read_yaml(path).value["c"] == {"<<": {"b": 1}}


BOMB = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{new}: &{new} [{','.join(['*' + old] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE: dict[str, tuple[bytes, str]] = {
    "bomb of aliases": (BOMB.encode(), f"unfolds to more than {MAX_VALUES:,} values"),
    "alias of itself": (b"a: &x [*x]\n", ":1: the YAML is nested too deep. Nest at most 40 levels"),
    "deep nesting": (b"a: " + b"[" * 5000, ":1: the YAML is nested too deep"),
    "tag that makes an object": (
        b"a: 1\nb: !!python/object/apply:os.system [x]\n",
        ":2: the tag '!!python/object/apply:os.system' does not belong here. Remove the tag",
    ),
    "tag that does not fit": (b"a: !!float x\n", ":1: the tag '!!float' does not belong here"),
    "own tag": (b"a: !env HOME\n", ":1: the tag '!env' does not belong here"),
    "list as a key": (b"? [a]\n: 1\n", ":1: the key 'a list or a mapping' is no text. Write the key in quotes"),
    "number as a key": (b"a:\n  1: 2\n", ":2: the key '1' is no text. Write the key in quotes"),
    "no finite number": (b"a: 1e999\n", ":1: the number '1e999' is not finite. Write a number, or put it in quotes"),
    "infinity": (b"a: -.inf\n", ":1: the number '-.inf' is not finite"),
    "two documents": (b"a: 1\n---\nb: 2\n", ":2: the YAML cannot be read: but found another document. Mend the YAML"),
    "no mapping": (b"- a\n", ":1: the file is no mapping of keys to values. Write `key: value` lines"),
    "no UTF-8": (b"a: 1\nb: \xff\n", ":2: the file is not UTF-8 text. Save the file as UTF-8"),
    "control character": (b"a: \x01\n", ":1: the YAML cannot be read: unacceptable character"),
    "too large": (b"a: '" + b"x" * MAX_BYTES + b"'", f":1: the file is larger than {MAX_BYTES:,} bytes"),
    "unknown alias": (b"a: *b\n", ":1: the YAML cannot be read: found undefined alias 'b'"),
}


@pytest.mark.parametrize(("data", "error"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_one_error(tmp_path: Path, data: bytes, error: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(data)
    with pytest.raises(RecipeError) as caught:
        read_yaml(path)
    assert str(path) + error in str(caught.value) or error in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the file cannot be read: Is a directory"):
        read_yaml(tmp_path)


@settings(max_examples=150, deadline=None)
@given(text=st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"#,? \n\t%@`~1<"), max_size=40))
def test_any_text_is_a_document_or_one_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text)
    try:
        value: object = read_yaml(path).value
    except RecipeError as error:
        value = str(error)
    assert isinstance(value, dict) or (isinstance(value, str) and "\n" not in value)


def test_lines_of_toml(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text('[project]\nstore = "x"\n\n[recipes."a-b"]\nfolder = "y"\n[recipes.c] # note\n"profile" = "z"\n')
    document = read_toml(path)
    asked = [("project", "store"), ("recipes", "a-b"), ("recipes", "a-b", "folder"), ("recipes", "c", "profile")]
    assert [document.place(*loc).line for loc in asked] == [2, 4, 5, 7]


def test_broken_toml_has_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("a = 1\na = 2\n")
    with pytest.raises(RecipeError, match=r"a\.toml:2: the TOML cannot be read: Cannot overwrite a value\. Mend"):
        read_toml(path)
