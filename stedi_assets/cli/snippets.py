"""Ready lines that read a published table with software of others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from stedi_assets import aws
from stedi_assets.lake.iceberg import catalog_file, is_configured

if TYPE_CHECKING:
    from stedi_assets.lake.lake import Lake

# Measured on a table of 40,981 rows.
WHY_NOT_ALL_FILES = (
    "Do not read_parquet('**') in the folder: it holds files of old snapshots, too, and gave 122,943 rows instead of "
    "40,981 after three runs, withdrawn people's among them. A snapshot names the files of now."
)


def snippets(lake: Lake, table: str) -> dict[str, str]:
    """Lines of Python by library; those of the others stand behind PyIceberg's."""
    return {
        "PyIceberg": f"""from pyiceberg.catalog import load_catalog

table = load_catalog({_catalog(lake)}).load_table("{lake.database}.{table}")
frame = table.scan().to_arrow()""",
        "DuckDB": f"""connection = table.scan().to_duckdb("{table}")
connection.table("{table}").show()""",
        "polars": """import polars

frame = polars.scan_iceberg(table).collect()""",
        "Spark": f"""files = [task.file.file_path{_for_spark(lake)} for task in table.scan().plan_files()]
frame = spark.read.parquet(*files)""",
    }


def _catalog(lake: Lake) -> str:
    if is_configured():
        return '"stedi"'
    if lake.on_s3:
        properties = {"type": "glue", "client.region": aws.region()}
        if endpoint := aws.endpoint():
            properties["s3.endpoint"] = endpoint
        return f'"stedi", **{json.dumps(properties)}'
    return f'"stedi", type="sql", uri="sqlite:///{catalog_file(lake.uri)}"'


def _for_spark(lake: Lake) -> str:
    return '.replace("s3://", "s3a://")' if lake.on_s3 else ""
