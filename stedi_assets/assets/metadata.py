"""Contracts as Dagster shows them: description, column schema, lineage."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stedi_assets.contracts.contract import Contract

OWNERS = ["team:data-platform"]
# A schedule refreshes every table each night, and a failed run has the morning to be put right.
FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36), warn_window=timedelta(hours=26))
# One alone: each is a picture in the catalog and the graph, which leaves the less room for a table's name.
KINDS_OF_TABLES = {"iceberg"}


def about(contract: Contract, made_from: Iterable[str], module: str) -> str:
    """The description of a table in Markdown: a row, its origin, its readers, a query, and where to read on.

    Args:
        contract: The table's contract.
        made_from: The assets that it is made from.
        module: The module that makes it.
    """
    return (
        f"{contract.description}\n\n"
        f"- **Made from** {', '.join(f'`{name}`' for name in made_from)}\n"
        f"- **Who may read it:** {contract.readers}\n"
        f"- **Its rules and columns:** `docs/tables.md#{contract.name}`\n"
        f"- **Its code:** `{module.replace('.', '/')}.py`\n\n"
        f"Ask it with `stedi sql`, or with Athena:\n\n```sql\n{contract.query}\n```\n"
    )


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
