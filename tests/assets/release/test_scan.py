"""The scan of a release: what it finds, what it must not take for a secret, and that it shows nothing of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.release.private import GIVEN_WORDS, PATH_WORDS, is_private, paths_in, secrets_in
from assets.release.public import inline
from assets.release.scan import MOST, Finding, scan_folder
from resources.errors import ReleaseError
from resources.sql import open_session

# Made here, so that no file of the tree holds what looks like a key.
MIXED = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
SECRETS = {
    "hf_" + MIXED[:34]: "a token of the Hugging Face Hub",
    "sk-ant-api03-" + MIXED: "a key of Anthropic",
    "sk-proj-" + MIXED: "a key that begins with sk-",
    "sk-" + MIXED: "a key that begins with sk-",
    "ghp_" + MIXED[:36]: "a token of GitHub",
    "github_pat_" + MIXED + "_x": "a token of GitHub",
    "AKIA" + "ABCD1234EFGH5678": "a key of AWS",
    "xoxb-" + "123456789012-" + MIXED[:12]: "a token of Slack",
    "glpat-" + MIXED[:20]: "a token of GitLab",
    "AIza" + MIXED[:35]: "a key of Google",
    "-----BEGIN " + "RSA PRIVATE KEY-----": "a private key",
    "-----BEGIN " + "PRIVATE KEY-----": "a private key",
    "https://anna:" + "hunter22@host.example/x": "a password in an address",
}
PATHS = [
    "/home/me/data",
    "see /Users/me/x",
    '"/' + 'root/.cache"',
    "(/tmp/x)",
    "C:\\Users\\me",
    "C:\\\\Users\\\\me",
    "D:/Users/me/x",
    "file:///x",
    "file://host/x",
    "=/var/folders/ab",
]
HARMLESS = [
    "\\frac{1}{2} + \\sqrt{2} \\rightarrow x",
    "sk-learn-2-and-other-hyphenated-words-of-a-long-name",
    "task-based-risk-free-approach-to-the-solution-of-1",
    "hf_hub_download",
    "AKIA",
    "the ratio is 3://4",
    "https://host.example/home/page",
    "https://user:password@host.example",
    "https://${USER}:${TOKEN}@host.example",
    "http://[::1]:8000/v1@x",
    "hf://datasets/org/name@v1.0.0",
    "1/home/2",
    "./home/x and ~/models/m.gguf",
    "km/h /hour /homeward",
    "AIzathoth",
    "a" * 64,
    "-----BEGIN PUBLIC KEY-----",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "release"
    found.mkdir()
    return found


Scan = Callable[..., list[Finding]]


@pytest.fixture
def scan(folder: Path, tmp_path: Path) -> Iterator[Scan]:
    session: duckdb.DuckDBPyConnection = open_session(
        memory_limit="200MB", threads=2, temp=tmp_path / "spill", folders=[folder]
    )
    yield lambda *secrets: scan_folder(session, folder, secrets)
    session.close()


def _parquet(path: Path, metadata: dict[str, str] | None = None, **columns: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    pq.write_table(table.replace_schema_metadata(metadata) if metadata else table, path)


@pytest.mark.parametrize(("secret", "what"), SECRETS.items())
def test_secrets_in_text_and_in_rows(folder: Path, scan: Scan, secret: str, what: str) -> None:
    (folder / "README.md").write_text(f"one\n\ntoken={secret}\nlast\n")
    _parquet(folder / "data" / "train.parquet", problem=["a", "b"], generated_solution=["c", f"so {secret} is"])
    found = scan()
    assert found == [
        Finding("README.md", what, "line 3"),
        Finding("data/train.parquet", what, "row 1, column 'generated_solution'"),
    ]
    assert secret[6:] not in str(found)


@pytest.mark.parametrize("path", PATHS)
def test_paths_in_text_and_in_provenance_and_never_in_rows(folder: Path, scan: Scan, path: str) -> None:
    (folder / "BUILD.json").write_text(f'{{\n"model": {path}\n}}')
    _parquet(folder / "data" / "train.parquet", problem=[path], expected_answer=[path], problem_source=["x"])
    _parquet(folder / "provenance" / "train.parquet", answer=[path], model=[path], k=[1])
    assert scan() == [
        Finding("BUILD.json", PATH_WORDS, "line 2"),
        Finding("provenance/train.parquet", PATH_WORDS, "row 0, column 'model'"),
    ]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret(folder: Path, scan: Scan, text: str) -> None:
    (folder / "README.md").write_text(f"{text}\n{text}")
    _parquet(folder / "data" / "train.parquet", problem=[text], model=[text])
    assert scan() == []
    assert not is_private(text)


def test_values_of_the_environment(folder: Path, scan: Scan) -> None:
    hostile = 'it\'s "a" $value\\ with %_ *'
    (folder / "README.md").write_text(f"a {hostile} b")
    _parquet(folder / "data" / "train.parquet", problem=[hostile])
    found = scan(hostile, "", hostile)
    assert [(f.path, f.what) for f in found] == [("README.md", GIVEN_WORDS), ("data/train.parquet", GIVEN_WORDS)]


def test_metadata_of_parquet(folder: Path, scan: Scan) -> None:
    _parquet(folder / "a.parquet", {"note": "/home/me/x"}, n=[1])
    field = pa.field("n", pa.int64(), metadata={"description": "hf_" + MIXED[:34]})
    pq.write_table(pa.table({"n": [1]}, schema=pa.schema([field])), folder / "b.parquet")
    assert [(f.path, f.place) for f in scan()] == [("a.parquet", "metadata"), ("b.parquet", "metadata")]


def test_columns_of_every_shape_and_hostile_names(folder: Path, scan: Scan) -> None:
    secret = "hf_" + MIXED[:34]
    _parquet(
        folder / "data" / "x.parquet",
        **{
            'a"); drop table x; --': [secret, None],
            "every": [[secret], None],
            "names": [{"x": secret}, None],
            "raw": [secret.encode(), b"\xff"],
        },
    )
    assert [f.place for f in scan()] == [
        "row 0, column 'a\"); drop table x; --'",
        "row 0, column 'every'",
        "row 0, column 'names'",
        "row 0, column 'raw'",
    ]


def test_bundled_rows_may_hold_paths_and_no_secrets(folder: Path, scan: Scan) -> None:
    (folder / "recipe" / "mine").mkdir(parents=True)
    text = '{"problem": "cd /home/me/x"}\n' + "hf_" + MIXED[:34]
    (folder / "recipe" / "mine" / "seeds.jsonl").write_text(text)
    (folder / "recipe" / "mine" / "seeds.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    _parquet(folder / "recipe" / "mine" / "seeds.parquet", question=["/home/me/x"])
    (folder / "recipe" / "mine" / "seeds.json").write_text('[{"problem": "cd /home/me/x"}]')
    (folder / "recipe" / "mine" / "recipe.yaml").write_text("path: /home/me/x")
    assert [(f.path.rsplit("/")[-1], f.place) for f in scan()] == [
        ("recipe.yaml", "line 1"),
        ("seeds.jsonl", "line 2"),
        ("seeds.jsonl.gz", "line 2"),
    ]


@pytest.mark.parametrize("before", [(1 << 20) - 20, (1 << 20) - 1, 1 << 20, (1 << 20) + 5, (1 << 21) - 1024])
def test_across_the_border_of_two_pieces(folder: Path, scan: Scan, before: int) -> None:
    filling = ("x" * 99 + "\n") * (before // 100) + "y" * (before % 100)
    (folder / "a.txt").write_text(filling + "\nhf_" + MIXED[:34] + "\n/home/me/x\n")
    lines = before // 100
    assert scan() == [
        Finding("a.txt", "a token of the Hugging Face Hub", f"line {lines + 2:,}"),
        Finding("a.txt", PATH_WORDS, f"line {lines + 3:,}"),
    ]


def test_an_address_cut_by_a_border_is_no_path(folder: Path, scan: Scan) -> None:
    for cut in range(20, 30):
        address = "https://host.example/home/page"
        (folder / f"{cut}.txt").write_text("x" * ((1 << 20) - (1 << 10) - cut) + "\n" + address + "z" * 3000)
    assert scan() == []


def test_one_line_of_many_megabytes_and_bytes_that_are_no_text(folder: Path, scan: Scan) -> None:
    (folder / "big.bin").write_bytes(b"\x00\xff" * 3_000_000 + b" hf_" + MIXED[:34].encode())
    assert [f.place for f in scan()] == ["line 1"]


def test_findings_of_a_file_are_bounded(folder: Path, scan: Scan) -> None:
    (folder / "a.txt").write_text("/home/me/x\n" * 1000)
    _parquet(folder / "b.parquet", model=["/home/me/x"] * 1000)
    assert len(scan()) == 2 * MOST


@pytest.mark.parametrize("name", ["a.parquet", "a.gz"])
def test_a_broken_file_is_one_error(folder: Path, scan: Scan, name: str) -> None:
    (folder / name).write_bytes(b"no such format")
    with pytest.raises(ReleaseError, match=f"^{name}: it cannot be looked through: ") as caught:
        scan()
    assert "\n" not in str(caught.value)


def test_where_it_begins() -> None:
    secret = "hf_" + MIXED[:34]
    assert list(secrets_in(f"a {secret} b {secret}", ["zz"])) == [
        ("a token of the Hugging Face Hub", 2),
        ("a token of the Hugging Face Hub", 42),
    ]
    assert list(paths_in("/home/me/x\n/home/me/y")) == [(PATH_WORDS, 0), (PATH_WORDS, 10)]


def _code(text: str) -> str:
    return f"`{text}`"


@pytest.mark.parametrize("written", [inline, _code, str])
@pytest.mark.parametrize("secret", [*SECRETS, "k9Zt_not*for#you&<41>"])
def test_markdown_is_read_as_it_is_shown(folder: Path, scan: Scan, secret: str, written: Callable[[str], str]) -> None:
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n{written(f'see {secret} there')}\n")
    found = scan("k9Zt_not*for#you&<41>")
    assert {(finding.path, finding.place) for finding in found} == {("CHANGELOG.md", "line 3")}


@pytest.mark.parametrize("path", PATHS)
def test_markdown_hides_no_path(folder: Path, scan: Scan, path: str) -> None:
    (folder / "README.md").write_text(inline(path))
    assert [finding.what for finding in scan()] == [PATH_WORDS]


def test_each_line_with_a_secret_is_named(folder: Path, scan: Scan) -> None:
    (folder / "README.md").write_text("a secret-1\nb\nc secret-1")
    assert [f.place for f in scan("secret-1")] == ["line 1", "line 3"]


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_columns_of_text_in_every_form(folder: Path, scan: Scan, kind: pa.DataType) -> None:
    column = pa.array(["a", "see hf_" + MIXED[:34]])
    _parquet(folder / "x.parquet", model=column.cast(kind))
    assert [f.place for f in scan()] == ["row 1, column 'model'"]


@pytest.mark.parametrize("is_ascii", [True, False])
def test_json_hides_no_secret(folder: Path, scan: Scan, is_ascii: bool) -> None:
    secret = 'k9"Zt\\f\u00fcr-41'
    text = json.dumps({"settings": secret}, ensure_ascii=is_ascii)
    (folder / "BUILD.json").write_text(text)
    _parquet(folder / "provenance" / "train.parquet", sampling=[text])
    assert [(f.path, f.what) for f in scan(secret)] == [
        ("BUILD.json", GIVEN_WORDS),
        ("provenance/train.parquet", GIVEN_WORDS),
    ]
