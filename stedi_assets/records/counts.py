"""Counts of records by what became of the records: one class for a byte range, a file and a whole delivery.

Travels to executors by value, as the parsers do.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from stedi_assets.records.source import Parsed


@dataclass(frozen=True)
class Counts:
    """How many records were found, and what became of them; never a value of a record.

    Attributes:
        records: Records found by the scan of the text.
        landed: Records written as landed.
        quarantined: Records written as quarantined.
        erased: Records of people who were erased, which are not kept.
        repaired: Repairs by kind.
        drift: Records with an unknown field, by the field's name.
        reasons: Quarantined records by reason.
        examples: For each reason, where the first such record of the file begins; of use for one file alone.
    """

    records: int = 0
    landed: int = 0
    quarantined: int = 0
    erased: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, parsed: Parsed) -> Counts:
        """Count a parsed piece of text."""
        found = parsed.quarantined.select("reasons", "source_position").explode(
            "reasons", empty_as_null=False
        )
        by_reason = found.group_by("reasons").agg(count=pl.len(), example=pl.col("source_position").min())
        return cls(
            records=parsed.records,
            landed=parsed.landed.height,
            quarantined=parsed.quarantined.height,
            erased=parsed.erased,
            repaired=Counter(parsed.repaired),
            drift=Counter(parsed.drift),
            reasons=Counter(dict(by_reason.select("reasons", "count").iter_rows())),
            examples=dict(by_reason.select("reasons", "example").iter_rows()),
        )

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Counts:
        """Read counts back from their fields as JSON has them."""
        by_name = {name: Counter(fields[name]) for name in ("repaired", "drift", "reasons")}
        return cls(**(fields | by_name))

    def __add__(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            records=self.records + other.records,
            landed=self.landed + other.landed,
            quarantined=self.quarantined + other.quarantined,
            erased=self.erased + other.erased,
            repaired=self.repaired + other.repaired,
            drift=self.drift + other.drift,
            reasons=self.reasons + other.reasons,
            # The smaller position of the two.
            examples=dict(sorted([*self.examples.items(), *other.examples.items()], reverse=True)),
        )
