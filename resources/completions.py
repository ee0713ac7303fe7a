"""Makes sure that every solution found its completion: a text that is lost must be an error, never a reject."""

from __future__ import annotations

import duckdb

from resources.errors import StoreError

_MISSING = """
select min(s.request_key)::varchar, count(*), min(s.stage)
from solutions as s
anti join (select request_key from completions where text is not null) as c using (request_key)
"""


def require_completions(session: duckdb.DuckDBPyConnection, found: int, *, where: str) -> None:
    """Compare ``found`` joined rows with the rows of the view ``solutions``; both views are those of a job.

    Raises:
        StoreError: Some solution has no completion. Names the first request, and the stage that can ask again.
    """
    total = int(session.sql("select count(*) from solutions").fetchall()[0][0])
    if total == found:
        return
    key, missing, stage = session.sql(_MISSING).fetchall()[0]
    raise StoreError(
        f"{missing} of {total} solutions have no completion in the request store, first {key}",
        where=where,
        fix=f"Restore the folder `requests` of the store, or build again the stage {stage!r}, which asked for it",
    )
