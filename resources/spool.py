"""Rows set aside in a DuckDB session until all are there, so that they can be read back joined and sorted.

A kind that works through texts batch by batch meets them in the order of the request store and must write in the order
of ids. What it keeps of each row is small; DuckDB holds it, spills it above the memory limit, and sorts it. Only for
rows of one step: nothing here outlives the session.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from resources.sql import quote_name, sql_errors


class Spool:
    """One table in memory, named ``name``, made of ``columns`` (name -> DuckDB type).

    The session's own connection may have an open result meanwhile: writing and reading use cursors of their own. A
    cursor does not see temporary views, so queries given to :meth:`read` name spools only.
    """

    def __init__(self, session: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, str]) -> None:
        """Make the table, empty; one that an earlier attempt left is replaced."""
        self.name = name
        self.row_count = 0
        self._session = session
        self._writer = session.cursor()
        typed = ", ".join(f"{quote_name(column)} {kind}" for column, kind in columns.items())
        self._writer.execute(f"create or replace table {quote_name(name)} ({typed})")

    def add(self, rows: pa.Table) -> None:
        """Append ``rows``; columns are matched by name."""
        incoming = f"incoming_{self.name}"
        self._writer.register(incoming, rows)
        try:
            with sql_errors(f"rows set aside in {self.name!r}"):
                self._writer.execute(
                    f"insert into {quote_name(self.name)} by name select * from {quote_name(incoming)}"  # noqa: S608
                )
        finally:
            self._writer.unregister(incoming)
        self.row_count += rows.num_rows

    def read(self, query: str, size: int = 8192) -> pa.RecordBatchReader:
        """Result of ``query`` as a stream of batches of at most ``size`` rows."""
        with sql_errors(f"rows set aside in {self.name!r}"):
            return self._session.cursor().sql(query).to_arrow_reader(size)

    def close(self) -> None:
        """Give the memory back."""
        self._writer.execute(f"drop table if exists {quote_name(self.name)}")
        self._writer.close()
