"""Lines of files, and their faults in words: the error is the caller's, the words are the same for all."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from resources.errors import FileError, SeedError
from resources.lines import in_words, read_lines


@pytest.mark.parametrize("is_zipped", [False, True])
def test_lines_keep_their_numbers_and_long_ones_are_skipped(tmp_path: Path, *, is_zipped: bool) -> None:
    path = tmp_path / "rows"
    data = b"\xef\xbb\xbfone\r\n" + b"x" * 50 + b"\n\nlast"
    path.write_bytes(gzip.compress(data, mtime=0) if is_zipped else data)
    found = list(read_lines(path, 20, FileError, is_zipped=is_zipped))
    assert found == [(1, b"one"), (2, None), (3, b""), (4, b"last")]


@pytest.mark.parametrize("error", [FileError, SeedError])
def test_the_error_is_the_callers(tmp_path: Path, error: type[FileError]) -> None:
    path = tmp_path / "rows"
    with (
        pytest.raises(error, match=r"no such file.*Look there"),
        in_words(path, error, absent="Look there", damaged=""),
    ):
        path.open()
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(error, match="UTF-16"):
        list(read_lines(path, 20, error, is_zipped=False))
    with pytest.raises(error, match=r"damaged.*Again"), in_words(path, error, absent="", damaged="Again"):
        list(read_lines(path, 20, error, is_zipped=True))
