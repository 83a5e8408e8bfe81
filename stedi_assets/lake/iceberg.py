"""Schemas and properties of Iceberg tables, made from contracts, and the catalog that holds the tables.

``contracts`` says what a table has, and ``publication`` how a table is written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets import aws
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.ownership import LAKE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyiceberg.catalog import Catalog
    from pyiceberg.schema import Schema

    from stedi_assets.contracts.contract import Contract

# The name under which PyIceberg's own configuration may describe another catalog (REST, Hive, …).
CATALOG = "stedi"

# Named, since PyIceberg makes it by name. Its other file layer imports pandas, a second on each command, and has an S3
# client with ways of its own.
_FILE_IO = "stedi_assets.lake.file_io.LakeFileIO"

TABLE_PROPERTIES = {
    # PyIceberg answers a commit conflict by rebasing and trying again. For a refresh that is wrong: the rows of both
    # runs would be in the table. Without retries a commit is a compare-and-set.
    "commit.retry.num-retries": "0",
    # Snapshots hold rows, and metadata files only name snapshots. Without this every commit leaves a metadata file.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


def table_properties(contract: Contract) -> dict[str, str]:
    """Make the properties of a new table: properties of all tables, a description, no bounds of personal columns.

    PyIceberg writes the least and the greatest value of each column into manifests. An e-mail would stay there when
    its row is deleted.
    """
    unbounded = {
        f"write.metadata.metrics.column.{column.name}": "counts"
        for column in contract.columns
        if column.privacy != "none"
    }
    return {**TABLE_PROPERTIES, **unbounded, "comment": contract.description}


def open_catalog(lake_uri: str, kms_key_id: str | None) -> Catalog:
    """Open the catalog: SQLite in a folder, Glue on S3, or what PyIceberg is configured to use as ``stedi``.

    Raises:
        LakeError: The file of the catalog is damaged.
    """
    from pyiceberg.catalog import load_catalog

    files = {"py-io-impl": _FILE_IO, LAKE: lake_uri, **aws.pyiceberg_properties(kms_key_id)}
    if is_configured():
        # Whatever file layer the configuration names: another one would touch the files of other lakes.
        return load_catalog(CATALOG, **files)
    if lake_uri.startswith("s3://"):
        from stedi_assets.lake.glue import LakeGlueCatalog

        return LakeGlueCatalog(CATALOG, **files, **s3_properties())
    Path(lake_uri).mkdir(parents=True, exist_ok=True)
    return _open_sqlite(catalog_file(lake_uri), files)


def _open_sqlite(file: Path, properties: Mapping[str, str]) -> Catalog:
    from pyiceberg.catalog import load_catalog
    from sqlalchemy.exc import DatabaseError

    try:
        return load_catalog(CATALOG, type="sql", uri=f"sqlite:///{file}", **properties)
    except DatabaseError as error:
        raise LakeError(
            f"the catalog {file} cannot be opened ({error.orig}): restore the file from a backup"
        ) from None


def catalog_exists(lake_uri: str) -> bool:
    """Whether there is a catalog; to open the catalog of a folder makes it."""
    return not has_own_catalog(lake_uri) or catalog_file(lake_uri).exists()


def has_own_catalog(lake_uri: str) -> bool:
    """Whether the catalog is a file in the lake, which moves with it."""
    return not (lake_uri.startswith("s3://") or is_configured())


def is_configured() -> bool:
    """Whether PyIceberg's own configuration describes a catalog of the name ``CATALOG``."""
    from pyiceberg.utils.config import Config

    return bool(Config().get_catalog_config(CATALOG))


def catalog_file(lake_uri: str) -> Path:
    """The file in a folder that is the folder's own catalog."""
    return Path(lake_uri, "catalog.db")


def s3_properties() -> dict[str, str]:
    """Make PyIceberg's properties from the region and endpoint of the standard AWS chain."""
    region = aws.region()
    properties: dict[str, str] = {}
    if region:
        # Without the region PyArrow asks S3 for the bucket's, which costs seconds.
        properties["s3.region"] = region
    if endpoint := aws.endpoint():
        properties["s3.endpoint"] = endpoint
    return properties


def iceberg_schema(contract: Contract) -> Schema:
    """Make the Iceberg schema of a contract, with column descriptions.

    Every field is optional, since engines write Parquet columns as optional. The audit says which values must be there.
    """
    from pyiceberg.schema import Schema
    from pyiceberg.types import DoubleType, IcebergType, ListType, LongType, NestedField, StringType

    scalars: dict[str, IcebergType] = {"string": StringType(), "bigint": LongType(), "double": DoubleType()}
    fields = []
    for position, column in enumerate(contract.columns, start=1):
        declared = scalars.get(column.type) or ListType(
            # Identifiers are unique in a schema; no table has a thousand columns.
            element_id=1000 + position,
            element_type=StringType(),
            element_required=False,
        )
        fields.append(NestedField(position, column.name, declared, required=False, doc=column.description))
    return Schema(*fields)
