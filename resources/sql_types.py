"""Column types: the DuckDB word that a header writes, and the Arrow type that the store keeps."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

_ARROW: dict[str, pa.DataType] = {
    "BOOLEAN": pa.bool_(),
    "TINYINT": pa.int8(),
    "SMALLINT": pa.int16(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "FLOAT": pa.float32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BLOB": pa.binary(),
    "UUID": pa.uuid(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
}
_ALIASES = {
    "BOOL": "BOOLEAN",
    "INT": "INTEGER",
    "INT32": "INTEGER",
    "INT64": "BIGINT",
    "LONG": "BIGINT",
    "REAL": "FLOAT",
    "STRING": "VARCHAR",
    "TEXT": "VARCHAR",
}
_PYTHON: dict[str, type] = {
    "BOOLEAN": bool,
    "TINYINT": int,
    "SMALLINT": int,
    "INTEGER": int,
    "BIGINT": int,
    "FLOAT": float,
    "DOUBLE": float,
    "VARCHAR": str,
}
TYPE_WORDS = tuple(word.lower() for word in _ARROW)
"""Words for a column; each may be followed by [] for a list."""
PARAM_WORDS = tuple(word.lower() for word in _PYTHON)
"""Words for a parameter; each may be followed by []."""


def sql_word(word: str) -> str:
    """The one spelling of a type (``int`` -> ``INTEGER``). Raises KeyError for an unknown one."""
    upper = word.strip().upper()
    if upper.endswith("[]"):
        return sql_word(upper[:-2]) + "[]"
    upper = _ALIASES.get(upper, upper)
    if upper not in _ARROW:
        raise KeyError(word)
    return upper


def is_sql_word(word: str) -> bool:
    """Whether ``word`` is one that :func:`sql_word` knows."""
    try:
        sql_word(word)
    except KeyError:
        return False
    return True


def arrow_type(word: str) -> pa.DataType:
    """Arrow type of a type word. Raises KeyError for an unknown one."""
    upper = sql_word(word)
    return pa.list_(arrow_type(upper[:-2])) if upper.endswith("[]") else _ARROW[upper]


def python_type(word: str) -> Any:
    """Python type of a parameter's type word. Raises KeyError for one that a setting cannot have."""
    upper = sql_word(word)
    return list[python_type(upper[:-2])] if upper.endswith("[]") else _PYTHON[upper]


def sql_type(kind: pa.DataType) -> str:
    """DuckDB's word for an Arrow type; the Arrow name itself for types that a header cannot declare."""
    if pa.types.is_large_string(kind):
        return "VARCHAR"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return sql_type(kind.value_type) + "[]"
    return next((word for word, arrow in _ARROW.items() if arrow.equals(kind)), str(kind))
