"""SQL over the lake's published tables, read-only, by DuckDB in this process: no Dagster, no Spark.

DuckDB reaches files through ``PublishedFiles`` alone, so that even a statement that ``require_query`` let pass by
mistake changes nothing. How answers are printed belongs in ``cli``.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from stedi_assets.errors import StediError
from stedi_assets.lake.published_files import SCHEME, PublishedFiles
from stedi_assets.lake.readable import readable_tables
from stedi_assets.text import suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import sqlglot
    from pyiceberg.schema import Schema

    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.snapshot import Snapshot

_DUCKDB_TYPES = {"string": "VARCHAR", "long": "BIGINT", "double": "DOUBLE", "list<string>": "VARCHAR[]"}
# EXPLAIN, its options, and the statement that it explains.
_EXPLAIN = re.compile(r"EXPLAIN\s+(?:ANALYZE\s+)?(?:\([^()]*\)\s*)?(.*)", re.IGNORECASE | re.DOTALL)
_NAME = re.compile(r"\w+")
_UNKNOWN_TABLE = re.compile(r"Catalog Error: Table with name (.+) does not exist!")
_NO_TABLES = "the lake has no tables yet; make them with: stedi run"
# What asks which tables there are, rather than for tables by name.
_OF_THE_CATALOG = re.compile(r"\b(?:show\b|information_schema\b|(?:duckdb|pg|sqlite)_)", re.IGNORECASE)


class QueryError(StediError):
    """A query cannot be answered; the message says why."""


def require_query(text: str) -> None:
    """Let one SELECT pass, or the EXPLAIN of one; DuckDB's own parser says what a text is.

    Raises:
        QueryError: The text is no SQL, has no statement or several, or has one of another kind.
    """
    statements = _statements(text)
    if len(statements) != 1:
        raise QueryError(f"give one SELECT: the query has {len(statements)} statements")
    kinds = [statements[0].type]
    if kinds == [duckdb.StatementType.EXPLAIN] and (found := _EXPLAIN.fullmatch(statements[0].query)):
        kinds = [statement.type for statement in _statements(found[1])]
    if kinds != [duckdb.StatementType.SELECT]:
        raise QueryError("give one SELECT, or EXPLAIN and one SELECT: a query only reads, and cannot write")


def _statements(text: str) -> list[duckdb.Statement]:
    try:
        return duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise QueryError(str(error)) from None


@contextmanager
def open_queries(lake: Lake, queries: Sequence[str]) -> Iterator[Queries]:
    """Load the tables that queries name, once for all queries.

    Raises:
        QueryError: ``require_query`` refuses one of the queries; then no table is loaded.
    """
    for query in queries:
        require_query(query)
    with duckdb.connect() as connection:
        yield Queries(lake, queries, connection)


class Queries:
    """Answers queries of the lake, each table as it was when this was made.

    The tables are in a schema of the database's name, which is also the default one.

    Attributes:
        tables: The tables that the queries name, or all tables where a query asks which tables there are.
        of_the_catalog: Whether a query asks which tables there are.
    """

    def __init__(self, lake: Lake, queries: Sequence[str], connection: duckdb.DuckDBPyConnection) -> None:
        self._lake = lake
        self._connection = connection
        files = _connect(connection, lake)
        named = [_tables_of(query, connection) for query in queries]
        self.of_the_catalog = None in named
        names = lake.table_names() if self.of_the_catalog else sorted(set().union(*filter(None, named)))
        self.tables = readable_tables(lake, names)
        for name, (schema, snapshot) in self.tables.snapshots.items():
            _make_view(connection, files, name, schema, snapshot)

    def answer(self, query: str, parameters: Mapping[str, str] | None = None) -> duckdb.DuckDBPyConnection:
        """Run one of the queries.

        Args:
            query: The query.
            parameters: The value of each ``$name`` in it.

        Raises:
            QueryError: DuckDB refuses the query, or a table that the query names is not there or cannot be read.
        """
        try:
            return self._connection.execute(query, parameters)
        except duckdb.CatalogException as error:
            if not self.of_the_catalog and self.tables.unreadable:
                raise QueryError("; ".join(self.tables.unreadable.values())) from None
            raise QueryError(self._unknown(str(error))) from None
        except duckdb.PermissionException:
            raise QueryError("a query reads published tables and nothing else") from None
        except duckdb.Error as error:
            raise QueryError(_without_stack(str(error))) from None

    def _unknown(self, message: str) -> str:
        """What to say when DuckDB does not know a table, or something else."""
        published = self._lake.table_names()
        if not (found := _UNKNOWN_TABLE.match(message)):
            return message
        tables = f"the tables are {', '.join(published)}" if published else _NO_TABLES
        return f"there is no table {found[1]}{suggestion(found[1].lower(), published) or ';'} {tables}"


@contextmanager
def open_snapshots(
    lake: Lake, snapshots: Mapping[str, tuple[Schema, Snapshot]]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open snapshots as views, by names of the caller's choice."""
    with duckdb.connect() as connection:
        files = _connect(connection, lake)
        for name, (schema, snapshot) in snapshots.items():
            _make_view(connection, files, name, schema, snapshot)
        yield connection


def _connect(connection: duckdb.DuckDBPyConnection, lake: Lake) -> PublishedFiles:
    """Give a connection the schema of the lake's database, and no way to anything but published files."""
    files = PublishedFiles(lake.filesystem)
    connection.register_filesystem(files)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS memory.{_quoted(lake.database)}")
    connection.execute(f"USE memory.{_quoted(lake.database)}")
    _lock(connection)
    return files


def _make_view(
    connection: duckdb.DuckDBPyConnection,
    files: PublishedFiles,
    name: str,
    schema: Schema,
    snapshot: Snapshot,
) -> None:
    connection.execute(f"CREATE VIEW {_quoted(name)} AS {_select(files, schema, snapshot)}")


def _select(files: PublishedFiles, schema: Schema, snapshot: Snapshot) -> str:
    types = {field.name: _DUCKDB_TYPES[str(field.field_type)] for field in schema.fields}
    if not snapshot.files:
        # No file says what the columns of an empty table are.
        return f"SELECT {_listed(f'NULL::{kind} AS {_quoted(name)}' for name, kind in types.items())} WHERE false"
    # A file may be older than a column, which is NULL in its rows.
    columns = _listed(
        f"{_literal(name)}: {{name: {_literal(name)}, type: '{kind}', default_value: NULL}}"
        for name, kind in types.items()
    )
    paths = _listed(map(_literal, files.add(snapshot.files)))
    # DuckDB would make a column of a folder such as year=2024 in the lake's address.
    return f"SELECT * FROM read_parquet([{paths}], schema = MAP {{{columns}}}, hive_partitioning = false)"  # noqa: S608 - quoted


def _tables_of(query: str, connection: duckdb.DuckDBPyConnection) -> set[str] | None:
    """Names of the tables that a query reads; None if it asks which tables there are, or DuckDB cannot say."""
    if _OF_THE_CATALOG.search(query):
        return None
    try:
        names = connection.get_table_names(query)
    except duckdb.Error:
        return None
    return {name.lower() for name in names if _NAME.fullmatch(name)} or None


def _lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Leave a connection with the published files alone: no other file, no network, no extension."""
    for setting in (
        "disabled_filesystems = 'LocalFileSystem'",
        # Else DuckDB writes what does not fit into memory to the working directory.
        "temp_directory = ''",
        f"allowed_directories = ['{SCHEME}']",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _without_stack(message: str) -> str:
    """Leave out the stack that DuckDB puts into its message when Python code fails for it."""
    if "Traceback (most recent call last)" not in message:
        return message
    return next(line for line in message.splitlines()[1:] if not line.startswith(" "))


def statements_of(text: str) -> dict[str, str]:
    """Translate a file of Athena's SQL for DuckDB.

    Returns:
        The statements in DuckDB's SQL, by the name that the first comment of each gives, or by number.

    Raises:
        QueryError: The text is not Athena's SQL, has no statement, or uses something that DuckDB lacks.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    found: dict[str, str] = {}
    try:
        parsed = sqlglot.parse(text, read="athena")
        # sqlglot takes a comment behind the last statement for a semicolon.
        statements = [item for item in parsed if item and not isinstance(item, sqlglot.exp.Semicolon)]
        for number, statement in enumerate(statements, start=1):
            name = _name(statement)
            numbered = f"statement {number}"
            found[numbered if not name or name in found else name] = statement.sql(
                "duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE
            )
    except SqlglotError as error:
        raise QueryError(str(error)) from None
    if not found:
        raise QueryError("the file has no statement")
    return found


def _name(statement: sqlglot.Expr) -> str:
    # A comment before WITH hangs on one of the statement's parts.
    comments = (comment for node in statement.walk() for comment in node.comments or ())
    return next(comments, "").partition(":")[0].strip()
