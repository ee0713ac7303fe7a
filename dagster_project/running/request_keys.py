"""The request keys that stand in Parquet files: what a step reads of the request store, so that it opens no other file.

Memory: 16 bytes a row with a key.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from assets.schemas import ID
from resources.requests.index import Keys, as_keys

COLUMN = "request_key"


def request_keys(paths: Iterable[Path]) -> Keys | None:
    """All keys of the column ``request_key``, with repetitions, shape (n, 16). None if no file has such a column."""
    found = []
    for path in paths:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
        if COLUMN in schema.names and schema.field(COLUMN).type == ID:
            column = file.read([COLUMN]).column(COLUMN)
            found.append(as_keys(column.drop_null()) if column.null_count else as_keys(column))
    return (np.concatenate(found) if len(found) > 1 else found[0]) if found else None
