"""Contracts as Dagster shows them: column schema, lineage. The only module here that knows Dagster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stedi_assets.contracts.contract import Contract

OWNERS = ["team:data-platform"]


def definition_metadata(
    contract: Contract, origins: Mapping[str, tuple[tuple[str, str], ...]]
) -> dict[str, Any]:
    """Metadata of a table's definition.

    Args:
        contract: The table's contract.
        origins: For each column, the (table, column) pairs that it is made from.
    """
    columns = [
        dg.TableColumn(
            name=column.name,
            type=column.type,
            description=column.description,
            constraints=dg.TableColumnConstraints(
                nullable=column.nullable,
                unique=contract.key == (column.name,),
                other=[rule.name for rule in contract.rules if rule.rule.column == column.name],
            ),
            tags={"privacy": column.privacy.replace(" ", "_")},
        )
        for column in contract.columns
    ]
    lineage = {
        name: [dg.TableColumnDep(asset_key=table, column_name=column) for table, column in pairs]
        for name, pairs in origins.items()
    }
    # The open-source UI has no page for column lineage; a table shows it to everybody.
    rows = [
        dg.TableRecord(
            {"column": name, "made_from": ", ".join(f"{table}.{column}" for table, column in pairs)}
        )
        for name, pairs in origins.items()
    ]
    metadata: dict[str, Any] = {"dagster/column_schema": dg.TableSchema(columns=columns)}
    if origins:
        metadata["dagster/column_lineage"] = dg.TableColumnLineage(lineage)
        metadata["lineage"] = dg.MetadataValue.table(rows)
    return metadata
