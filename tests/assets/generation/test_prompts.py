"""Prompt files: what they accept, what they say when they are wrong, and that values stay values."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.generation.prompts import PromptFile, PromptFolder
from assets.generation.templates import MAX_PROMPT
from resources.errors import RecipeError

RAW = """\
mode: raw
description: Solves.
examples:
  - problem: What is 1 + 1?
    solution: It is 2.
template: |
  {% for example in examples %}
  Problem:
  {{ example.problem }}

  Solution:
  {{ example.solution }}

  {% endfor %}
  Problem:
  {{ problem }}

  Solution:
stop: ["\\n\\nProblem:"]
"""
CHAT = """\
mode: chat
messages:
  - role: system
    content: Answer in a box.
  - role: user
    content: |-
      {{ problem }}
      {% if level %}Level: {{ level }}{% endif %}
"""


def write(folder: Path, text: str, name: str = "solve") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_raw_prompt_is_the_text_as_it_stands(tmp_path: Path) -> None:
    prompt = PromptFile.load(write(tmp_path, RAW))
    assert prompt.variables == {"problem"}
    assert prompt.stop == ("\n\nProblem:",)
    rendered = prompt.render({"problem": "What is 2 + 2?", "unused": 1})
    assert rendered.mode == "raw"
    assert rendered.text == (
        "Problem:\nWhat is 1 + 1?\n\nSolution:\nIt is 2.\n\nProblem:\nWhat is 2 + 2?\n\nSolution:\n"
    )


def test_a_chat_prompt_keeps_its_roles(tmp_path: Path) -> None:
    prompt = PromptFile.load(write(tmp_path, CHAT))
    assert prompt.variables == {"problem", "level"}
    rendered = prompt.render({"problem": "P", "level": ""})
    assert rendered.messages == (("system", "Answer in a box."), ("user", "P\n"))


@pytest.mark.parametrize(
    "hostile",
    ["{{ 7 * 7 }}", "{% for x in y %}", "{# gone #}", "{{ ''.__class__.__mro__ }}", "<b>&amp;", "\x00\u202e{{"],
)
def test_values_are_never_templates(tmp_path: Path, hostile: str) -> None:
    prompt = PromptFile.load(write(tmp_path, RAW))
    assert prompt.render({"problem": hostile}).text.endswith(f"Problem:\n{hostile}\n\nSolution:\n")


@settings(max_examples=50, deadline=None)
@given(value=st.text())
def test_any_value_comes_out_as_it_went_in(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = write(tmp_path_factory.getbasetemp(), "mode: raw\ntemplate: 'A{{ problem }}B'\n", "any")
    assert PromptFile.load(path).render({"problem": value}).text == f"A{value}B"


def test_the_content_hash_is_of_what_changes_a_request(tmp_path: Path) -> None:
    first = PromptFile.load(write(tmp_path, RAW)).content_hash
    assert PromptFile.load(write(tmp_path, RAW.replace("Solves.", "Solves it."))).content_hash == first
    for old, new in (("It is 2.", "It is two."), ("Solution:\nstop", "Answer:\nstop"), ('nProblem:"]', 'nQ:"]')):
        assert old in RAW
        assert PromptFile.load(write(tmp_path, RAW.replace(old, new))).content_hash != first


@dataclass(frozen=True)
class Bad:
    id: str
    text: str
    line: int
    says: str
    fix: str = ""


BAD = [
    Bad("unknown key", "mode: raw\ntemplate: a\nstops: []\n", 3, "unknown key 'stops'", "Write 'stop'"),
    Bad("no mode", "template: a\n", 1, "the key 'mode' is missing", "Add `mode:`"),
    Bad("wrong mode", "template: a\nmode: rwa\n", 2, "`mode` is 'rwa'"),
    Bad("no template", "mode: raw\n", 1, "mode raw needs `template`"),
    Bad("both", "mode: chat\ntemplate: a\nmessages: [{role: user, content: b}]\n", 1, "takes no `template`"),
    Bad("role", "mode: chat\nmessages:\n  - role: human\n    content: b\n", 3, "`messages.0.role` is 'human'"),
    Bad("number", "mode: raw\ntemplate: a\nexamples:\n  - problem: 7\n", 4, "valid string", "in quotes"),
    Bad("unused examples", "mode: raw\nexamples: [{a: b}]\ntemplate: x\n", 2, "used by no template"),
    Bad("empty stop", "mode: raw\ntemplate: a\nstop: ['']\n", 3, "end every answer"),
    Bad("no YAML", "mode: raw\ntemplate: [a\n", 3, "the YAML cannot be read"),
    Bad("twice", "mode: raw\ntemplate: a\nmode: chat\n", 3, "stands twice, first in line 1"),
    Bad("alias", "mode: raw\ntemplate: &a x\ndescription: *a\n", 3, "aliases have no place"),
    Bad("no mapping", "- a\n", 1, "the file is no mapping"),
    Bad("python tag", "mode: !!python/object/apply:os.system [ls]\n", 1, "could not determine a constructor"),
    Bad("syntax", "mode: raw\ntemplate: |\n  one\n  {% if %}\n", 4, "the template is no Jinja"),
    Bad("syntax in line", "mode: raw\ntemplate: '{{ a'\n", 2, "the template is no Jinja"),
    Bad("filter", "mode: raw\ntemplate: |\n  {{ a | center(9999) }}\n", 3, "No filter named 'center'"),
    Bad("call", "mode: raw\ntemplate: |\n  {{ a.upper() }}\n", 3, "a template has no call"),
    Bad("include", "mode: raw\ntemplate: |\n  x\n  {% include '/etc/passwd' %}\n", 4, "a template has no include"),
    Bad("deep", "mode: raw\nexamples: " + "[" * 50 + "]" * 50, 2, "nested too deep"),
    Bad("deep template", "mode: raw\ntemplate: '{{ " + "(" * 5000 + "a" + ")" * 5000 + " }}'\n", 2, "too deep"),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.id)
def test_a_wrong_file_is_one_line_with_its_place(tmp_path: Path, bad: Bad) -> None:
    path = write(tmp_path, bad.text)
    with pytest.raises(RecipeError, match=re.escape(bad.says)) as caught:
        PromptFile.load(path)
    assert caught.value.where == f"{path}:{bad.line}"
    assert bad.fix in caught.value.fix
    assert "\n" not in str(caught.value)


FILLING = [
    Bad("attribute", "{{ problem.__class__ }}", 4, "unsafe"),
    Bad("repetition", "{{ problem * 1000000000 }}", 4, "the operator * is not for templates"),
    Bad("format", "{{ '%999999999d' % 1 }}", 4, "the operator % is not for templates"),
    Bad("power", "{{ 9 ** 99999999 }}", 4, "the operator ** is not for templates"),
    Bad("example key", "x\n  {{ examples[0].solutoin }}", 5, "no attribute 'solutoin'"),
    Bad("division", "x\n  {{ 1 / 0 }}", 5, "division by zero"),
]


@pytest.mark.parametrize("bad", FILLING, ids=lambda bad: bad.id)
def test_a_template_that_cannot_be_filled_in_names_its_line(tmp_path: Path, bad: Bad) -> None:
    text = f"mode: raw\nexamples: [{{problem: a}}]\ntemplate: |\n  {bad.text}\n  {{{{ examples[0].problem }}}}\n"
    path = write(tmp_path, text)
    with pytest.raises(RecipeError, match=re.escape(bad.says)) as caught:
        PromptFile.load(path).render({"problem": "P"})
    assert caught.value.where == f"{path}:{bad.line}"


def test_a_missing_variable_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "mode: raw\ntemplate: |\n  a\n  {{ problm }}\n")
    prompt = PromptFile.load(path)
    with pytest.raises(RecipeError, match="needs 'problm', which is not given. Write 'problem'") as caught:
        prompt.render({"problem": "P", "level": ""})
    assert caught.value.where == f"{path}:4"
    with pytest.raises(RecipeError, match="Use one of: xyz"):
        prompt.check_variables(["xyz"])
    prompt.check_variables(["problm"])


@pytest.mark.parametrize(
    "template",
    ["{{ problem }}{{ problem }}", "{% for a in problem %}{% for b in problem %}{{ problem }}{% endfor %}{% endfor %}"],
    ids=["long", "growing"],
)
def test_a_prompt_has_a_bound(tmp_path: Path, template: str) -> None:
    prompt = PromptFile.load(write(tmp_path, f"mode: raw\ntemplate: '{template}'\n"))
    started = time.monotonic()
    with pytest.raises(RecipeError, match="more than 200,000 characters"):
        prompt.render({"problem": "x" * (MAX_PROMPT - 1)})
    assert time.monotonic() - started < 1


def test_a_folder_reads_each_file_once_and_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, RAW)
    write(tmp_path, CHAT, "augment_math")
    folder = PromptFolder(tmp_path)
    assert folder.names() == ["augment_math", "solve"]
    assert folder.render("solve", {"problem": "P"}).text.endswith("Problem:\nP\n\nSolution:\n")
    path.unlink()
    assert folder.stop("solve") == ("\n\nProblem:",)
    assert len(folder.content_hash("solve")) == 64
    with pytest.raises(RecipeError, match="there is no prompt 'augment_maths'. Write 'augment_math'"):
        folder.file("augment_maths")
    with pytest.raises(RecipeError, match=r"Add zzz.yaml there"):
        folder.file("zzz")


@pytest.mark.parametrize("name", ["../solve", "a/../../solve", "/etc/hostname"])
def test_a_prompt_lies_in_its_folder(tmp_path: Path, name: str) -> None:
    write(tmp_path, RAW)
    (tmp_path / "inner").mkdir()
    with pytest.raises(RecipeError, match="there is no prompt"):
        PromptFolder(tmp_path / "inner").file(name)


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="the file cannot be read"):
        PromptFile.load(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"mode: raw\ntemplate: \xff\n")
    with pytest.raises(RecipeError, match="not UTF-8") as caught:
        PromptFile.load(tmp_path / "latin.yaml")
    assert caught.value.where.endswith("latin.yaml:2")
    (tmp_path / "large.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(RecipeError, match="more than 1,048,576 bytes"):
        PromptFile.load(tmp_path / "large.yaml")


def test_rendering_is_fast(tmp_path: Path) -> None:
    """20,000 a second are asked for; a tenth of it is the bound here, for a busy machine."""
    prompt = PromptFile.load(write(tmp_path, RAW))
    started = time.monotonic()
    for number in range(2_000):
        prompt.render({"problem": f"What is {number} + 1?"})
    assert time.monotonic() - started < 1
