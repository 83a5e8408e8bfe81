"""SQL over the lake's published tables, read-only, by DuckDB in this process: no Dagster, no Spark.

Every table is the snapshot that is current when the connection is made. How answers are printed belongs in ``cli``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stedi_assets.lake.lake import Lake, PublishedTable

_DUCKDB_TYPES = {"string": "VARCHAR", "long": "BIGINT", "double": "DOUBLE", "list<string>": "VARCHAR[]"}


def connect(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Open a connection that has the published tables as views, and can reach nothing else.

    The views are in a schema of the database's name, which is also the default one.
    """
    connection = duckdb.connect()
    if lake.on_s3:
        connection.register_filesystem(lake.filesystem)
    connection.execute(f'CREATE SCHEMA "{lake.database}"')
    files: list[str] = []
    for name, table in lake.published_tables().items():
        connection.execute(f'CREATE VIEW "{lake.database}"."{name}" AS {_select(table)}')
        files += table.snapshot.files
    connection.execute(f'USE "{lake.database}"')
    connection.execute(f"SET allowed_paths = {_literal(files)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _select(table: PublishedTable) -> str:
    if table.snapshot.files:
        columns = ", ".join(f'"{name}"' for name in table.columns)
        # Names and addresses come from the catalog, quoted.
        return f"SELECT {columns} FROM read_parquet({_literal(table.snapshot.files)})"  # noqa: S608
    # No file says what the columns of an empty table are.
    columns = ", ".join(f'NULL::{_DUCKDB_TYPES[kind]} AS "{name}"' for name, kind in table.columns.items())
    return f"SELECT {columns} WHERE false"


def _literal(texts: Iterable[str]) -> str:
    quoted = ("'" + text.replace("'", "''") + "'" for text in texts)
    return f"[{', '.join(quoted)}]"
