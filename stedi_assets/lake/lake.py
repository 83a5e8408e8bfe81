"""The lake: its addresses, its file system, its catalog, and the tables in it.

``contracts`` says what a table means, and ``publication`` how it is published. A folder and a bucket differ in their
address alone.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from stedi_assets import aws
from stedi_assets.contracts.folders import FOLDERS
from stedi_assets.lake.aws_errors import require_bucket
from stedi_assets.lake.durable import sync_files
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.evolution import require_known_columns
from stedi_assets.lake.files import StoredFile, files_in_bucket, files_in_folder, is_hidden
from stedi_assets.lake.iceberg import (
    catalog_exists,
    has_own_catalog,
    iceberg_schema,
    open_catalog,
    table_properties,
)
from stedi_assets.lake.ownership import ElsewhereError, foreign, owns, require_unused
from stedi_assets.lake.snapshot import UNPUBLISHED, Snapshot, snapshot_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import fsspec
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

    from stedi_assets.contracts.contract import Contract
    from stedi_assets.settings import Settings


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
        # When a step waited for storage in vain, by the monotonic clock.
        self.silent_since: float | None = None

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog of the lake's tables.

        Raises:
            LakeError: The bucket cannot be reached, or the file of the catalog is damaged.
        """
        if self.on_s3:
            # The bucket is asked before Glue; ``require_bucket`` says why.
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
        """Options of fsspec for the lake's file system."""
        if self.on_s3:
            return {
                "use_listings_cache": False,
                "client_kwargs": {"region_name": aws.region()},
                **aws.fsspec_options(self._kms_key_id),
            }
        return {"auto_mkdir": True}

    def address(self, path: str) -> str:
        """Make the address, with its scheme, of a path below the lake."""
        return f"{self.uri}/{path}" if self.on_s3 else f"file://{self.uri}/{path}"

    def find_table(self, name: str) -> Table | None:
        """Load a table as it is now; None if the catalog has no table of this name.

        Raises:
            LakeError: The table belongs to another lake, is no Iceberg table, or its metadata cannot be read.
        """
        from pyiceberg.exceptions import (
            NoSuchIcebergTableError,
            NoSuchPropertyException,
            NoSuchTableError,
            ValidationError,
        )

        if not catalog_exists(self.uri):
            return None
        try:
            table = self.catalog.load_table((self.database, name))
        except (NoSuchIcebergTableError, NoSuchPropertyException):
            raise LakeError(
                f"{name} in the database {self.database} is no Iceberg table, so that no run made it: rename or delete "
                "it, or set STEDI_DATABASE to a database of this lake's own"
            ) from None
        except NoSuchTableError:
            return None
        except ElsewhereError as error:
            raise self._foreign(name, error.address) from None
        except (ValidationError, UnicodeDecodeError) as error:
            raise LakeError(
                f"the metadata of {name} cannot be read ({type(error).__name__}): restore the table's metadata folder "
                "and catalog from one backup, or make the table anew (docs/move-a-lake.md)"
            ) from None
        if not owns(self.uri, name, table.location()):
            raise self._foreign(name, table.location())
        return table

    def table_names(self) -> list[str]:
        """List the names of the tables in the catalog's database, whatever made them; no table is loaded.

        Tables of ours come first, in the order of the pipeline.
        """
        if not catalog_exists(self.uri) or not self.catalog.namespace_exists(self.database):
            return []
        found = {name[-1] for name in self.catalog.list_tables(self.database)}
        return [*(name for name in FOLDERS if name in found), *sorted(found - FOLDERS.keys())]

    def metadata_locations(self) -> dict[str, str]:
        """Where the present metadata of each table is; every change of a table gives it another file.

        Glue tells it of all tables in the database in one request.
        """
        if not catalog_exists(self.uri):
            return {}
        if self.on_s3:
            from stedi_assets.lake.glue import LakeGlueCatalog

            if isinstance(self.catalog, LakeGlueCatalog):
                return self.catalog.metadata_locations(self.database)
        return {name: table.metadata_location for name in FOLDERS if (table := self.find_table(name))}

    def _foreign(self, name: str, address: str) -> LakeError:
        own_catalog = has_own_catalog(self.uri)
        return foreign(self.uri, name, address, database=self.database, has_own_catalog=own_catalog)

    def ensure_table(self, contract: Contract) -> Table:
        """Load a table as it is now; an empty table is made if the catalog has none.

        Raises:
            LakeError: As ``find_table`` raises; or the folder holds a table that the catalog does not know.
            SchemaError: A newer version of this package has given the table columns that the contract lacks.
        """
        from pyiceberg.exceptions import NoSuchNamespaceError, TableAlreadyExistsError

        if (table := self.find_table(contract.name)) is not None:
            require_known_columns(table, contract)
            return table
        location = self.address(contract.folder)
        require_unused(contract.name, self.database, self.list_files(f"{location}/metadata"))
        create = partial(
            self.catalog.create_table,
            (self.database, contract.name),
            iceberg_schema(contract),
            location=location,
            properties=table_properties(contract),
        )
        try:
            try:
                return create()
            except NoSuchNamespaceError:
                self.catalog.create_namespace_if_not_exists(self.database)
                return create()
        except TableAlreadyExistsError:
            # Another run made the table between the two calls.
            if (table := self.find_table(contract.name)) is None:
                raise
            return table

    def path(self, address: str) -> str:
        """Spell an address as the file system does: without its scheme, and without a slash at the end."""
        path: str = self.filesystem._strip_protocol(address)  # noqa: SLF001 - fsspec has no public name for this
        return path

    def list_files(self, folder: str) -> list[StoredFile]:
        """List the files in a folder of the lake and in the folders below, in order; a missing folder has none.

        Args:
            folder: Address of the folder.

        Raises:
            LakeError: A folder cannot be listed, or something in it is no file.
        """
        root = self.path(folder)
        found = files_in_bucket(self.filesystem, root) if self.on_s3 else files_in_folder(root)
        return sorted(found, key=lambda file: file.path)

    def parquet_files(self, folder: str) -> tuple[str, ...]:
        """List the addresses of the Parquet files in a folder; unfinished files of an engine are left out.

        An engine may write no file for an empty frame, or not even the folder.

        Raises:
            LakeError: As ``list_files`` raises.
        """
        root = self.path(folder)
        return tuple(
            self.filesystem.unstrip_protocol(file.path)
            for file in self.list_files(folder)
            if file.path.endswith(".parquet") and not is_hidden(file.path.removeprefix(root))
        )

    def sync(self, files: Iterable[str]) -> None:
        """Bring files that an engine wrote to disk, by their addresses; S3 has already made an object durable."""
        if not self.on_s3:
            sync_files(map(self.path, files), root=self.uri)

    def snapshot(self, table: str) -> Snapshot:
        """Load the current snapshot of a table; ``UNPUBLISHED`` if the catalog has no such table."""
        found = self.find_table(table)
        return UNPUBLISHED if found is None else snapshot_of(found)
