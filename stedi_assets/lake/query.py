"""SQL over the lake's published tables, read-only, by DuckDB in this process: no Dagster, no Spark.

Every table is the snapshot that is current when the connection is made. How answers are printed belongs in ``cli``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from stedi_assets.lake.snapshot import snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlglot
    from pyiceberg.table import Table

    from stedi_assets.lake.lake import Lake

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
        snapshot = snapshot_of(table)
        connection.execute(f'CREATE VIEW "{lake.database}"."{name}" AS {_select(table, snapshot.files)}')
        files += snapshot.files
    connection.execute(f'USE "{lake.database}"')
    connection.execute(f"SET allowed_paths = {_literal(files)}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _select(table: Table, files: tuple[str, ...]) -> str:
    types = {field.name: str(field.field_type) for field in table.schema().fields}
    if files:
        columns = ", ".join(f'"{name}"' for name in types)
        return f"SELECT {columns} FROM read_parquet({_literal(files)})"  # noqa: S608 - quoted names of the catalog
    # No file says what the columns of an empty table are.
    columns = ", ".join(f'NULL::{_DUCKDB_TYPES[kind]} AS "{name}"' for name, kind in types.items())
    return f"SELECT {columns} WHERE false"


def _literal(texts: Iterable[str]) -> str:
    quoted = ("'" + text.replace("'", "''") + "'" for text in texts)
    return f"[{', '.join(quoted)}]"


def statements_of(text: str) -> dict[str, str]:
    """The statements of a file in Athena's SQL, as DuckDB takes them, by the name that their first comment gives.

    Raises:
        ValueError: The text is not Athena's SQL, or uses something that DuckDB has no word for.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        parsed = [statement for statement in sqlglot.parse(text, read="athena") if statement is not None]
        return {
            _name(statement, number): statement.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)
            for number, statement in enumerate(parsed, start=1)
        }
    except SqlglotError as error:
        raise ValueError(str(error)) from None


def _name(statement: sqlglot.Expr, number: int) -> str:
    # A comment before WITH hangs on one of the statement's parts.
    comments = (comment for node in statement.walk() for comment in node.comments or ())
    return next(comments, f"statement {number}").partition(":")[0].strip()
