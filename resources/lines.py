"""Lines of a file, gzipped or not, in bounded memory; and what goes wrong with a file, in words.

What a line means, and which error its reader raises, is the reader's.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from resources.errors import MathloomError

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_lines(
    path: Path, longest: int, error: type[MathloomError], *, is_zipped: bool
) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their numbers from 1, without their ends and a byte order mark.

    None stands for a line of more than ``longest`` bytes, which is skipped over. Memory: one line.

    Raises:
        MathloomError: ``error``, when the file is UTF-16.
    """
    with cast(IO[bytes], gzip.open(path, "rb") if is_zipped else path.open("rb")) as handle:
        number = 0
        while line := handle.readline(longest + 1):
            number += 1
            if number == 1 and line.startswith(_UTF16):
                raise error("the file is UTF-16", where=str(path), fix="Save it as UTF-8 (iconv -f UTF-16 -t UTF-8)")
            if len(line) > longest and not line.endswith(b"\n"):
                while (rest := handle.readline(longest)) and not rest.endswith(b"\n"):
                    pass
                yield number, None
            else:
                yield number, (line.removeprefix(_BOM) if number == 1 else line).rstrip(b"\r\n")


@contextmanager
def in_words(path: Path, error: type[MathloomError], *, absent: str, damaged: str) -> Iterator[None]:
    """What the system and the formats' libraries raise, as one line of ``error``.

    ``absent`` and ``damaged`` are the remedies for a file that is not there, or not whole.
    """
    try:
        yield
    except FileNotFoundError:
        raise error("there is no such file", where=str(path), fix=absent) from None
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowException) as cause:
        line = " ".join(str(cause).split())[:200]
        raise error(f"the file is damaged: {line}", where=str(path), fix=damaged) from cause
    except OSError as cause:
        raise error(
            f"the file cannot be read: {cause.strerror or cause}",
            where=str(path),
            fix="Check that it is a file and that you may read it",
        ) from cause
