"""Landing contracts as the record reader needs them: fields and the row rules that send a record to quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from stedi_assets.records.source import Field, Source

if TYPE_CHECKING:
    from stedi_assets.contracts.contract import Contract

PROVENANCE = frozenset({"source_file", "source_position", "ingested_at"})


def source_of(contract: Contract) -> Source:
    """The source whose records a landing contract describes; warnings quarantine nothing."""
    fields = tuple(
        Field(
            column.name,
            cast("Literal['string', 'bigint', 'double']", column.type),
            required=not column.nullable,
        )
        for column in contract.columns
        if column.name not in PROVENANCE
    )
    rules = tuple(
        item.rule
        for item in contract.rules
        if item.severity == "block" and item.rule.column not in PROVENANCE
    )
    return Source(contract.name.removesuffix("_landing"), fields, rules)
