"""Reading segments in small pieces: memory is a few pages of each file, whatever its row groups hold."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from resources.requests.segments import damaged
from resources.store.layout import explain_os_error

BATCH_BYTES = 1 << 20
"""Text in one batch: many files are read at once."""
MAX_BATCH_ROWS = 8192
_BUFFER_BYTES = 1 << 16
"""Compressed bytes read ahead in each column; without it Arrow reads whole row groups (16 MB of text each)."""


def batches(path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The rows of a Parquet file of the store, about :data:`BATCH_BYTES` at a time.

    Raises:
        StoreError: The file is damaged or gone.
    """
    import pyarrow.parquet as pq

    with _explained(path):
        handle = path.open("rb")
    with handle:
        with _explained(path):
            file = pq.ParquetFile(handle, pre_buffer=False, buffer_size=_BUFFER_BYTES)
            found = file.iter_batches(_batch_rows(file.metadata), columns=columns, use_threads=False)
        while True:
            with _explained(path):
                batch = next(found, None)
            if batch is None:
                return
            yield pa.Table.from_batches([batch])


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """What Arrow and the system say of ``path``, and nothing that the user of its rows says."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # Arrow's own
            raise damaged(path, str(error)) from error
        raise explain_os_error(error, str(path)) from error
    except pa.ArrowException as error:
        raise damaged(path, str(error)) from error


def _batch_rows(metadata: Any) -> int:
    size = sum(metadata.row_group(at).total_byte_size for at in range(metadata.num_row_groups))
    return min(max(BATCH_BYTES * metadata.num_rows // max(size, 1), 1), MAX_BATCH_ROWS)
