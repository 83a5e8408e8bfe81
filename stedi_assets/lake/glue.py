"""The Glue Data Catalog for PyIceberg, on a bad network: it waits for a bounded time, and answers may get lost.

``lake`` says what is in the catalog, and ``iceberg`` which catalog a lake has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from pyiceberg.catalog import METADATA_LOCATION
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException

from stedi_assets import aws

if TYPE_CHECKING:
    from pyiceberg.table import Table

# The client's own setting is a minute, ten times.
CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 5})


class LakeGlueCatalog(GlueCatalog):
    """A Glue catalog that does not wait long, and recognises its own commits.

    Args:
        name: Name of the catalog.
        properties: Properties of PyIceberg's catalogs.
    """

    # Names of metadata files are unique. Looking for a file of the same name would cost two requests a commit.
    _write_metadata = staticmethod(GlueCatalog._write_metadata_no_exist_check)  # noqa: SLF001 - of the base class

    def __init__(self, name: str, **properties: str) -> None:
        # In a session of its own, since boto3's shared session keeps the credentials that it found first.
        client = boto3.Session().client("glue", region_name=aws.region(), config=CONFIG)
        super().__init__(name, client=client, **properties)

    def metadata_locations(self, database: str) -> dict[str, str]:
        """Where the present metadata of each Iceberg table of a database is; none if there is no such database."""
        pages = self.glue.get_paginator("get_tables").paginate(DatabaseName=database)
        try:
            tables = [table for page in pages for table in page["TableList"]]
        except self.glue.exceptions.EntityNotFoundException:
            return {}
        found = {table["Name"]: table.get("Parameters", {}).get(METADATA_LOCATION) for table in tables}
        return {name: location for name, location in found.items() if location}

    def _is_s3tables_database(self, database_name: str) -> bool:  # noqa: ARG002 - PyIceberg's signature
        # A lake has folders of its own, which S3 Tables would not allow. PyIceberg asks Glue at each commit.
        return False

    def _convert_glue_to_iceberg(self, glue_table: dict[str, Any]) -> Table:
        # A table made by hand may have no parameters at all, which PyIceberg takes for a fault of Glue.
        return super()._convert_glue_to_iceberg({"Parameters": {}, **glue_table})

    def _update_glue_table(
        self, database_name: str, table_name: str, table_input: dict[str, Any], version_id: str
    ) -> None:
        """Update a table in Glue, which accepts an update of the table's present version alone.

        Where Glue's answer is lost, boto3 sends the update again. Glue refuses the second update, since the first one
        has changed the version. PyIceberg would take the commit for failed, and delete the manifests that the table
        now needs.
        """
        try:
            super()._update_glue_table(database_name, table_name, table_input, version_id)
        except CommitFailedException:
            now = self.load_table((database_name, table_name))
            committed = {now.metadata_location, *(entry.metadata_file for entry in now.metadata.metadata_log)}
            if table_input["Parameters"]["metadata_location"] not in committed:
                raise
