"""Tables that another version of this package made: which columns they lack, and how they get them.

What a table must have is said in ``contracts``. How rows get their values in new columns belongs in
``landing.upgrade``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.errors import StediError
from stedi_assets.lake.iceberg import iceberg_schema, table_properties

if TYPE_CHECKING:
    from pyiceberg.table import Table, Transaction

    from stedi_assets.contracts.contract import Contract


class SchemaError(StediError):
    """A table was made by another version of this package; the message names the table and the remedy."""


def missing_columns(table: Table, contract: Contract) -> list[str]:
    """List the columns of a contract that its table does not have, in order."""
    present = set(table.schema().column_names)
    return [column.name for column in contract.columns if column.name not in present]


def require_known_columns(table: Table, contract: Contract) -> None:
    """Refuse a table that a newer version of this package has upgraded: rows written now would lack its new columns.

    Raises:
        SchemaError: The table has a column that its contract does not have.
    """
    known = {column.name for column in contract.columns}
    if newer := [field.name for field in table.schema().fields if field.name not in known]:
        raise SchemaError(
            f"{contract.name} has columns that this version of stedi-assets does not know ({', '.join(newer)}): "
            "install the version that wrote the table"
        )


def require_columns(table: Table, contract: Contract) -> None:
    """Refuse to read a table that lacks columns: a reader would take them for empty, and each person for nobody.

    Raises:
        SchemaError: An earlier version made the table, or a newer one has upgraded it.
    """
    require_known_columns(table, contract)
    if missing := missing_columns(table, contract):
        remedy = "run `stedi upgrade`" if is_made_of_files(contract) else "materialize it first"
        raise SchemaError(
            f"{contract.name} was made by an earlier version of stedi-assets and lacks columns "
            f"({', '.join(missing)}): {remedy}"
        )


def is_made_of_files(contract: Contract) -> bool:
    """Whether a table is made of landing files, as landing, quarantine and ledger are, and not of other tables."""
    return any(column.name == "source_file" for column in contract.columns)


def add_columns(transaction: Transaction, contract: Contract) -> None:
    """Add the columns that a table lacks, in the places where its contract has them, within a transaction.

    Properties come with them, since they keep the values of new columns that name a person out of the metadata.
    """
    present = set(transaction.table_metadata.schema().column_names)
    if all(column.name in present for column in contract.columns):
        return
    transaction.set_properties(table_properties(contract))
    before = None
    with transaction.update_schema() as update:
        for field in iceberg_schema(contract).fields:
            if field.name not in present:
                update.add_column(field.name, field.field_type, doc=field.doc)
                update.move_after(field.name, before) if before else update.move_first(field.name)
            before = field.name
