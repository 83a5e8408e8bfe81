"""The history of a lake as one run writes it: SQLite databases that stay open until the run ends.

Dagster 1.13 connects to a database of SQLite anew for each event, and SQLAlchemy then compiles each statement anew.
Whenever the only connection is closed, SQLite moves its log into the database, too. Of a run that found a small
delivery, this was a fifth of the processor time. Dagster also writes an event in up to three transactions, and waits
for the disk at the end of each. Here, an event has one transaction in each database that it is written to, and so has
all that a run plans. The databases are the same as Dagster's own, so that the UI reads and writes them meanwhile.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from sqlalchemy import create_engine

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dagster import EventLogEntry
    from dagster._serdes import ConfigurableClassData
    from sqlalchemy.engine import Connection, Engine


def _engine(address: str) -> Engine:
    """An engine that keeps its connections; a writer waits as long for another one as Dagster's own.

    An error does not quote what was to be written, since Dagster prints it.
    """
    wait = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
    return create_engine(address, connect_args=wait, hide_parameters=True)


class _Begun(threading.local):
    """The transactions that a thread has begun and will end together, by database; None while each ends by itself."""

    connections: dict[str, Connection] | None = None


class _Events(SqliteEventLogStorage):
    """The events: a database a run, and one of what is asked of all runs."""

    def __init__(self, base_dir: str) -> None:
        self._engines: dict[str, Engine] = {}
        self._begun = _Begun()
        super().__init__(base_dir)

    def store_event(self, event: EventLogEntry) -> None:
        with self._one_transaction():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        with self._one_transaction():
            for event in events:
                super().store_event(event)

    @contextmanager
    def _one_transaction(self) -> Iterator[None]:
        """Write what follows in one transaction of each database, since the disk is waited for at the end of each."""
        begun = self._begun.connections = {}
        try:
            yield
            # First the run's, as Dagster does.
            for connection in begun.values():
                connection.commit()
        finally:
            self._begun.connections = None
            for connection in begun.values():
                connection.close()

    def run_connection(self, run_id: str | None = None) -> Any:  # noqa: ANN401 - as Dagster has it
        return self._kept(str(run_id))

    def index_connection(self) -> Any:  # noqa: ANN401 - as Dagster has it
        return self._kept(INDEX_SHARD_NAME)

    @contextmanager
    def _kept(self, shard: str) -> Iterator[Connection]:
        begun = self._begun.connections
        if begun is None:
            with self._engine_of(shard).begin() as connection:
                yield connection
            return
        if shard not in begun:
            begun[shard] = self._engine_of(shard).connect()
            begun[shard].begin()
        yield begun[shard]

    def _engine_of(self, shard: str) -> Engine:
        # SQLite writes without a word to a file that somebody else has removed. Dagster's own connection fails.
        if not Path(self.path_for_shard(shard)).exists() and (engine := self._engines.pop(shard, None)):
            engine.dispose()
        if shard not in self._engines:
            # Dagster makes the database, if there is none, with its first connection.
            with super().run_connection(shard):
                # Another thread may have come first; Dagster lets one at a time get here.
                self._engines.setdefault(shard, _engine(self.conn_string_for_shard(shard)))
        return self._engines[shard]

    def dispose(self) -> None:
        for engine in self._engines.values():
            engine.dispose()
        super().dispose()


class _Runs(SqliteRunStorage):
    """The runs."""

    def __init__(self, address: str) -> None:
        self._kept = _engine(address)
        super().__init__(address)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with self._kept.begin() as connection:
            yield connection

    def dispose(self) -> None:
        self._kept.dispose()
        super().dispose()


class OpenHistory(DagsterSqliteStorage):
    """Dagster's storage in a folder, of which events and runs stay open.

    Args:
        base_dir: The folder.
        inst_data: How Dagster's configuration names this storage.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)  # which makes the databases if there are none
        self._event_log_storage = _Events(f"{base_dir}/history/runs")
        self._run_storage = _Runs(create_db_conn_string(f"{base_dir}/history", "runs"))

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Any) -> OpenHistory:  # noqa: ANN401 - as Dagster has it
        """Make the storage that Dagster's configuration names."""
        return cls(config_value["base_dir"], inst_data)
