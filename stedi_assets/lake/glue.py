"""The Glue Data Catalog as PyIceberg uses it, made to bear a bad network: bounded waits, and answers that get lost.

What is in the catalog belongs in ``lake``; which catalog a lake has, in ``iceberg``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException

from stedi_assets import aws

if TYPE_CHECKING:
    from pyiceberg.table import Table

# As s3fs waits for S3. By itself the client would wait for a minute, ten times.
CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 5})


class LakeGlueCatalog(GlueCatalog):
    """A Glue catalog that does not wait long, and knows its own commits again.

    Args:
        name: Name of the catalog.
        properties: PyIceberg's.
    """

    # Names of metadata files are unique: looking whether one is there costs two requests a commit.
    _write_metadata = staticmethod(GlueCatalog._write_metadata_no_exist_check)  # noqa: SLF001 - of the base class

    def __init__(self, name: str, **properties: str) -> None:
        # In a session of its own, since boto3's common one keeps the credentials that it first found.
        client = boto3.Session().client("glue", region_name=aws.region(), config=CONFIG)
        super().__init__(name, client=client, **properties)

    def _convert_glue_to_iceberg(self, glue_table: dict[str, Any]) -> Table:
        # A table made by hand may have no parameters at all, which PyIceberg takes for a fault of Glue.
        return super()._convert_glue_to_iceberg({"Parameters": {}, **glue_table})

    def _update_glue_table(
        self, database_name: str, table_name: str, table_input: dict[str, Any], version_id: str
    ) -> None:
        """Update a table in Glue, which refuses an update of another version than the present one.

        Where the answer to an update is lost, boto3 sends it again, and Glue refuses it for the first one's sake.
        PyIceberg would take the commit for failed and delete its manifests, which the table now needs.
        """
        try:
            super()._update_glue_table(database_name, table_name, table_input, version_id)
        except CommitFailedException:
            now = self.load_table((database_name, table_name))
            committed = {now.metadata_location, *(entry.metadata_file for entry in now.metadata.metadata_log)}
            if table_input["Parameters"]["metadata_location"] not in committed:
                raise
