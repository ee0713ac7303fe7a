"""What names of files say: seeds, chunks, and the order in which files are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.completion_files.naming import check_chunks, has_seeds, ordered
from resources.errors import FileError


def names(*paths: str) -> list[tuple[str, int | None, int | None]]:
    return [(file.path.as_posix(), file.seed, file.chunk) for file in ordered([Path(path) for path in paths])]


def test_seeds_and_chunks_are_read_in_the_order_of_their_numbers() -> None:
    assert names(
        "run/output-rs10.jsonl",
        "run/output-rs2_chunk_10.jsonl.gz",
        "run/output-rs2_chunk_2.jsonl",
        "run/output-rs0.jsonl",
    ) == [
        ("run/output-rs0.jsonl", 0, None),
        ("run/output-rs2_chunk_2.jsonl", 2, 2),
        ("run/output-rs2_chunk_10.jsonl.gz", 2, 10),
        ("run/output-rs10.jsonl", 10, None),
    ]


def test_other_names_have_no_seed_and_their_numbers_count() -> None:
    assert names("part-10.parquet", "part-9.parquet", "answers.jsonl") == [
        ("answers.jsonl", None, None),
        ("part-9.parquet", None, None),
        ("part-10.parquet", None, None),
    ]
    assert names("output_chunk_1.jsonl", "output_chunk_0.jsonl-async") == [
        ("output_chunk_0.jsonl-async", None, 0),
        ("output_chunk_1.jsonl", None, 1),
    ]
    assert not has_seeds(ordered([Path("output.jsonl")]))
    assert has_seeds(ordered([Path("output-rs3.jsonl-async")]))


@pytest.mark.parametrize(
    ("paths", "words"),
    [
        (("a/output-rs0.jsonl", "b/output-rs0.jsonl"), "two files have the seed 0"),
        (("output.jsonl", "output-rs0.jsonl"), "no seed in its name"),
        (("output.jsonl", "./output.jsonl"), "named twice"),
    ],
)
def test_files_that_would_be_mixed_up_are_refused(paths: tuple[str, ...], words: str) -> None:
    with pytest.raises(FileError, match=words):
        names(*paths)


def test_places_are_known_only_if_all_chunks_before_are_whole() -> None:
    def check(*paths: str) -> None:
        check_chunks(ordered([Path(path) for path in paths]))

    check("output-rs0_chunk_0.jsonl", "output-rs0_chunk_1.jsonl", "output-rs1_chunk_0.jsonl", "output-rs2.jsonl")
    check("output_chunk_0.jsonl", "output_chunk_1.jsonl-async")
    with pytest.raises(FileError, match="chunk 1 before it"):
        check("output-rs0_chunk_0.jsonl", "output-rs0_chunk_2.jsonl")
    with pytest.raises(FileError, match="chunk 0 before it"):
        check("output-rs0_chunk_1.jsonl")
    with pytest.raises(FileError, match="chunk 0 before it"):
        check("output_chunk_0.jsonl-async", "output_chunk_1.jsonl")
