"""What parsing one piece of text finds, gathered bit by bit and put together as a `Parsed`.

Here: gathering, and the row rules, which hold for every format alike. Not here: any format.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from stedi_assets.records.rules import partition
from stedi_assets.records.source import DTYPES, QUARANTINE_SCHEMA, Parsed, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


@dataclass
class Outcome:
    """Landed and rejected records of `window`, which begins at `offset` in the file, and the repairs."""

    source: Source
    window: bytes
    offset: int
    repaired: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    _frames: list[pl.DataFrame] = field(default_factory=list)
    _rejected: list[tuple[int, int, list[str]]] = field(default_factory=list)

    def add_frame(self, rows: pl.DataFrame, starts: Sequence[int] | pl.Series) -> None:
        """Add rows of the source's fields; `starts` are the positions of their records in the window."""
        positions = pl.Series(starts, dtype=pl.Int64) + self.offset
        self._frames.append(rows.with_columns(source_position=positions))

    def add_rows(self, rows: list[tuple[Any, ...]], starts: Sequence[int]) -> None:
        """Add rows of Python values, as `add_frame` does."""
        schema = {f.name: DTYPES[f.type] for f in self.source.fields}
        self.add_frame(pl.DataFrame(rows, schema=schema, orient="row"), starts)

    def reject(self, start: int, end: int, reasons: Iterable[str]) -> None:
        """Send the text from `start` to `end` in the window to quarantine."""
        self._rejected.append((start, end, sorted(reasons)))

    def parsed(self, records: int, end_of: Callable[[int], int]) -> Parsed:
        """Apply the row rules, and put everything together; `end_of` gives a record's end from its start."""
        schema = self.source.schema()
        landed = pl.concat(self._frames) if self._frames else pl.DataFrame(schema=schema)
        landed, broken_rules = partition(landed, self.source.rules)
        for position, reasons in broken_rules:
            start = position - self.offset
            self.reject(start, end_of(start), reasons)
        rejected = sorted(self._rejected)
        quarantined = {
            "raw_text": [self.window[s:e].decode(errors="backslashreplace") for s, e, _ in rejected],
            "reasons": [reasons for _, _, reasons in rejected],
            "source_position": [self.offset + start for start, _, _ in rejected],
        }
        return Parsed(
            landed=landed.select(list(schema)),
            quarantined=pl.DataFrame(quarantined, schema=QUARANTINE_SCHEMA),
            records=records,
            repaired={kind: count for kind, count in sorted(self.repaired.items()) if count},
            drift={name: count for name, count in sorted(self.drift.items()) if count},
        )
