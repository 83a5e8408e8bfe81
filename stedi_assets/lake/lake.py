"""Tables of the lake: stage a frame beside a table, publish what was staged in one commit, read a snapshot.

Nothing here knows what a table means or when it may be published: contracts are audited between ``stage`` and
``publish`` by the caller. A folder and a bucket differ by their address alone.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.expressions import AlwaysFalse, AlwaysTrue, BooleanExpression

from stedi_assets import encryption
from stedi_assets.lake.errors import require_bucket
from stedi_assets.lake.iceberg import catalog_exists, iceberg_schema, open_catalog, table_properties
from stedi_assets.s3a import aws_region

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import fsspec
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.engine import SparkEngine
    from stedi_assets.settings import Settings


class PublishConflictError(RuntimeError):
    """Another run published the table since this run began with it; nothing was published by this one."""


class ForeignDeletesError(RuntimeError):
    """A foreign writer left row-level deletes in a table; the message says what to do about it."""


@dataclass(frozen=True)
class Staged:
    """A result beside its table, written and not yet published.

    Attributes:
        contract: The table's contract.
        base: The table as it was before the result was computed; publishing succeeds only on it.
        folder: Address of the staged folder.
        files: Addresses of the Parquet files in it; none when the result is empty.
        replaces: Which published rows go when it is published; all of them unless said otherwise.
    """

    contract: Contract
    base: Table
    folder: str
    files: tuple[str, ...]
    replaces: BooleanExpression = field(default_factory=AlwaysTrue)


@dataclass(frozen=True)
class Snapshot:
    """A published state of a table.

    Attributes:
        snapshot_id: Iceberg's number of it; None before the first publication.
        committed_at_ms: When it was published, epoch ms UTC.
        rows: Number of rows.
        files: Addresses of its data files.
        bytes: Size of its data files.
    """

    snapshot_id: int | None
    committed_at_ms: int | None
    rows: int
    files: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class PublishedTable:
    """A published state of a table, and the Iceberg types of its columns, by name."""

    snapshot: Snapshot
    columns: dict[str, str]


# Publishing, when retention commits to the table at the same moment.
_ATTEMPTS = 5

UNPUBLISHED = Snapshot(None, None, 0, (), 0)


class Lake:
    """The lake that the settings name.

    Args:
        settings: Where the lake is and what its catalog database is called.
    """

    def __init__(self, settings: Settings) -> None:
        self.uri = settings.lake_uri
        self.on_s3 = settings.on_s3
        self.database = settings.database
        self._kms_key_id = settings.kms_key_id

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog of the lake's tables.

        Raises:
            LakeError: As ``filesystem`` does.
        """
        if self.on_s3:
            # Looked at before Glue is: see ``require_bucket``.
            _ = self.filesystem
        return open_catalog(self.uri, self._kms_key_id)

    @cached_property
    def filesystem(self) -> fsspec.AbstractFileSystem:
        """The file system of the lake; its listings are never cached.

        Raises:
            LakeError: The bucket cannot be reached, as far as the first request tells.
        """
        import fsspec

        filesystem, _ = fsspec.url_to_fs(self.uri, **self.storage_options)
        if self.on_s3:
            require_bucket(filesystem, self.uri)
        return filesystem

    @property
    def storage_options(self) -> dict[str, Any]:
        """What fsspec is told of the lake's file system."""
        if self.on_s3:
            return {
                "use_listings_cache": False,
                "client_kwargs": {"region_name": aws_region()},
                **encryption.fsspec_options(self._kms_key_id),
            }
        return {"auto_mkdir": True}

    def address(self, path: str) -> str:
        """The address, with its scheme, of a path below the lake."""
        return f"{self.uri}/{path}" if self.on_s3 else f"file://{self.uri}/{path}"

    def table(self, contract: Contract) -> Table:
        """Load a table as it is now; make it, empty, if it is not there."""
        name = (self.database, contract.name)
        try:
            return self.catalog.load_table(name)
        except NoSuchTableError:
            pass
        self.catalog.create_namespace_if_not_exists(self.database)
        try:
            return self.catalog.create_table(
                name,
                iceberg_schema(contract),
                location=self.address(contract.folder),
                properties=table_properties(contract),
            )
        except TableAlreadyExistsError:
            # Another run made it between the two calls.
            return self.catalog.load_table(name)

    def new_folder(self, contract: Contract) -> str:
        """The address of a new folder for staged files; never one in use, since leftovers could be read."""
        return f"{self.address(contract.folder)}/data/{uuid.uuid4().hex}"

    def stage(self, contract: Contract, frame: DataFrame, engine: SparkEngine, base: Table) -> Staged:
        """Write a frame once, into a new folder beside its table.

        Args:
            contract: The table's contract.
            frame: Its new content.
            engine: The engine of the frame.
            base: The table, loaded before the frame's inputs were.
        """
        folder = self.new_folder(contract)
        frame.write.parquet(engine.path(folder))
        return Staged(contract, base, folder, self.parquet_files(folder))

    def parquet_files(self, folder: str) -> tuple[str, ...]:
        """Addresses of the Parquet files in a folder; an empty frame may have left none, or no folder."""
        try:
            found = self.filesystem.find(folder)
        except FileNotFoundError:
            return ()
        return tuple(
            self.filesystem.unstrip_protocol(path) for path in sorted(found) if path.endswith(".parquet")
        )

    def read_staged(self, staged: Staged, engine: SparkEngine) -> DataFrame:
        """What was staged, as a frame."""
        return read_files(staged.contract, staged.files, engine)

    def publish(self, staged: Staged, properties: Mapping[str, str]) -> Snapshot:
        """Make what was staged the content of its table, in one commit.

        Args:
            staged: What to publish.
            properties: Written into the snapshot's summary.

        Raises:
            PublishConflictError: The table is no longer the one that ``staged`` was computed for.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _commit(staged, dict(properties))
            except CommitFailedException as error:
                now = self.catalog.load_table((self.database, staged.contract.name))
                # Not compared whole: a snapshot whose parent expires loses the name of it.
                is_same = now.metadata.current_snapshot_id == staged.base.metadata.current_snapshot_id
                if attempt == _ATTEMPTS or not is_same:
                    raise PublishConflictError(
                        f"{staged.contract.name}: another run published this table meanwhile, so this run published "
                        "nothing; run it again"
                    ) from error
                # Retention expired snapshots at the same moment; the rows are what they were.
                staged = replace(staged, base=now)
            else:
                break
        return snapshot_of(staged.base)  # which the commit brought up to date

    def snapshot(self, contract: Contract) -> Snapshot:
        """The table as it is published now; nothing is made if it is not there."""
        if not catalog_exists(self.uri):
            return UNPUBLISHED
        try:
            return snapshot_of(self.catalog.load_table((self.database, contract.name)))
        except NoSuchTableError:
            return UNPUBLISHED

    def published_tables(self) -> dict[str, PublishedTable]:
        """Every published table of the database, by name, whatever made it."""
        if not catalog_exists(self.uri) or not self.catalog.namespace_exists(self.database):
            return {}
        tables = [self.catalog.load_table(name) for name in sorted(self.catalog.list_tables(self.database))]
        return {
            table.name()[-1]: PublishedTable(
                snapshot_of(table), {field.name: str(field.field_type) for field in table.schema().fields}
            )
            for table in tables
            if table.current_snapshot() is not None
        }


def _commit(staged: Staged, summary: dict[str, str]) -> None:
    """Put staged files in the place of the rows that they replace, in one commit on the table as it was loaded."""
    is_new = staged.base.current_snapshot() is None
    with staged.base.transaction() as transaction:
        if not is_new and staged.replaces != AlwaysFalse():
            transaction.delete(staged.replaces, snapshot_properties=summary)
        if staged.files:
            transaction.add_files(
                list(staged.files), snapshot_properties=summary, check_duplicate_files=False
            )
        elif is_new:
            # A table that was published empty differs from one that never was: it has a snapshot.
            with transaction.update_snapshot(snapshot_properties=summary).fast_append():
                pass


def snapshot_of(table: Table) -> Snapshot:
    """The current snapshot of a loaded table.

    Raises:
        ForeignDeletesError: Another writer left row-level deletes in the table, which plain Parquet readers
            would bring back.
    """
    current = table.current_snapshot()
    if current is None:
        return UNPUBLISHED
    tasks = list(table.scan(snapshot_id=current.snapshot_id).plan_files())
    if any(task.delete_files for task in tasks):
        raise ForeignDeletesError(
            f"{table.name()[-1]}: a foreign writer left row-level deletes; rewrite the table without them"
        )
    return Snapshot(
        snapshot_id=current.snapshot_id,
        committed_at_ms=current.timestamp_ms,
        rows=sum(task.file.record_count for task in tasks),
        files=tuple(sorted(task.file.file_path for task in tasks)),
        bytes=sum(task.file.file_size_in_bytes for task in tasks),
    )


def read_files(contract: Contract, files: Sequence[str], engine: SparkEngine) -> DataFrame:
    """Parquet files of a table as a frame with its contract's schema; no files make an empty frame."""
    if not files:
        return engine.session.createDataFrame([], contract.spark_schema)
    paths = [engine.path(file) for file in files]
    frame = engine.session.read.schema(contract.spark_schema).parquet(*paths)
    # A Connect server resolves a frame's files again for each query of it, but a view's only once. Measured with
    # Sail 0.7: three requests to S3 for each file and use of it, or one.
    view = f"{contract.name}_{uuid.uuid4().hex}"
    frame.createTempView(view)
    return engine.session.table(view)
