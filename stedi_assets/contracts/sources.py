"""Landing contracts as the record reader needs them: fields and the row rules that send a record to quarantine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from stedi_assets.records.mentions import SNAPSHOT_FIELD
from stedi_assets.records.source import EARLIEST_MS, LATEST_MS, Field, Rule, Source

if TYPE_CHECKING:
    from stedi_assets.contracts.contract import Contract

# Columns of landing tables that the record reader adds to the fields of a source.
ADDED = frozenset({"person", "device", "source_file", "source_position", "ingested_at"})
CONSENT_FIELDS = frozenset(
    {"shareWithResearchAsOfDate", "shareWithPublicAsOfDate", "shareWithFriendsAsOfDate"}
)
# A snapshot of a later day than its ingestion would outlive every withdrawal that comes after it. A clock may be wrong
# by a day.
CLOCK_SKEW_MS = 86_400_000


def source_of(contract: Contract, *, read_at: int | None = None) -> Source:
    """The source whose records a landing contract describes.

    Args:
        contract: Contract of the landing table; rules that are warnings quarantine nothing.
        read_at: When the records are read, epoch ms UTC. A customer snapshot of a later time, but for
            ``CLOCK_SKEW_MS``, is quarantined; without this argument it is not.
    """
    # The contracts say of each time that it is in milliseconds, by a rule.
    times = {
        item.rule.column for item in contract.rules if item.rule.arguments[:2] == (EARLIEST_MS, LATEST_MS)
    }
    fields = tuple(
        Field(
            column.name,
            cast("Literal['string', 'bigint', 'double']", column.type),
            required=not column.nullable,
            is_consent=column.name in CONSENT_FIELDS,
            is_time=column.name in times,
        )
        for column in contract.columns
        if column.name not in ADDED
    )
    rules = tuple(
        item.rule
        for item in contract.rules
        if item.severity == "block" and item.rule.column not in {"source_position", "ingested_at"}
    )
    if read_at is not None and SNAPSHOT_FIELD in contract.column_names:
        latest = read_at + CLOCK_SKEW_MS
        rules += (Rule("snapshot_not_in_future", SNAPSHOT_FIELD, "less_than_or_equal_to", (latest,)),)
    return Source(contract.name.removesuffix("_landing"), fields, rules)
