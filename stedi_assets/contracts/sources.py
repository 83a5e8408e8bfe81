"""Landing contracts as the record reader needs them: fields and the row rules that send a record to quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from stedi_assets.records.source import Field, Source

if TYPE_CHECKING:
    from stedi_assets.contracts.contract import Contract

# Columns of landing tables that the record reader adds to the fields of a source.
ADDED = frozenset({"person", "device", "source_file", "source_position", "ingested_at"})


def source_of(contract: Contract) -> Source:
    """The source whose records a landing contract describes; warnings quarantine nothing."""
    fields = tuple(
        Field(
            column.name,
            cast("Literal['string', 'bigint', 'double']", column.type),
            required=not column.nullable,
        )
        for column in contract.columns
        if column.name not in ADDED
    )
    rules = tuple(
        item.rule
        for item in contract.rules
        if item.severity == "block" and item.rule.column not in {"source_position", "ingested_at"}
    )
    return Source(contract.name.removesuffix("_landing"), fields, rules)
