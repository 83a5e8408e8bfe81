"""A contract as Athena DDL. What the lake itself makes tables from is in ``lake.iceberg``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stedi_assets.contracts.contract import Contract


def athena_ddl(contract: Contract, database: str) -> str:
    """The statement that makes a table, empty, as Athena takes it; ``${LAKE_URI}`` stands for the lake's address.

    Args:
        contract: The table's contract.
        database: Catalog database of the table.
    """
    columns = ",\n".join(
        f"    `{column.name}` {column.type} COMMENT {_text(column.description)}"
        for column in contract.columns
    )
    return (
        f"-- {contract.name}: {contract.description}\n"
        "-- Made by `make docs` from the table's contract. Runs make the table themselves, with names as here;\n"
        "-- Athena would put them in small letters. So this is to be read, or for a catalog that no run writes to.\n"
        "-- Athena takes no parameters in DDL. Fill in where the lake is:\n"
        f"--     LAKE_URI=s3://my-bucket/lake envsubst < sql/ddl/{contract.name}.sql\n"
        f"CREATE TABLE IF NOT EXISTS {database}.{contract.name} (\n"
        f"{columns}\n"
        ")\n"
        f"LOCATION '${{LAKE_URI}}/{contract.folder}'\n"
        "TBLPROPERTIES ('table_type' = 'ICEBERG', 'format' = 'parquet');\n"
    )


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
