"""What parsing one piece of text finds, gathered bit by bit and put together as a ``Parsed``.

Here: gathering, and the row rules, which hold for every format alike. Not here: any format.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from stedi_assets.records.convert import count_drift
from stedi_assets.records.identity import DEVICE_FIELDS, PERSON_FIELDS, with_identities
from stedi_assets.records.mentions import MENTIONS_SCHEMA, Mentions, mentions_in
from stedi_assets.records.rules import partition
from stedi_assets.records.source import QUARANTINE_SCHEMA, Parsed, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from stedi_assets.records.typed import TypedRows

# What may stand behind an object on its line.
BEHIND_OBJECT = b", \t\r\n\x0b\x0c"
# As Python objects, rows take several times the memory.
_ROWS = 1024


@dataclass
class Outcome:
    """Landed and rejected records of ``window``, which begins at ``offset`` in the file.

    Attributes:
        source: the fields and rules.
        window: the text.
        offset: where ``window`` begins in the file, in bytes.
        records: records found by the lexical scan of the text.
        repaired: repairs by kind.
        drift: records by unknown field.
        ends: where in the window a record ends, by its start; the others end with their line.
        behind: what may stand behind these others on their line.
        mentions: finds whom the text of a quarantined record names, which begins there in the window.
    """

    source: Source
    window: bytes
    offset: int
    records: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    ends: dict[int, int] = field(default_factory=dict)
    behind: bytes = BEHIND_OBJECT
    mentions: Callable[[str, int], Mentions] = lambda text, _: mentions_in(text)
    _frames: list[pl.DataFrame] = field(default_factory=list)
    _rows: list[tuple[Any, ...]] = field(default_factory=list)
    _rejected: list[tuple[int, int, list[str]]] = field(default_factory=list)

    def add_typed(self, typed: TypedRows, starts: Sequence[int] | pl.Series) -> None:
        """Add many rows at once; ``starts`` are the positions of their records in the window."""
        positions = pl.Series("source_position", starts, dtype=pl.Int64) + self.offset
        self._frames.append(typed.rows.hstack([positions]))
        self.repaired.update(typed.repaired)
        for name, records in typed.drift.items():
            count_drift(self.drift, name, records)

    def add_row(self, row: tuple[Any, ...], start: int) -> None:
        """Add a row of Python values; its record begins at ``start`` in the window."""
        self._rows.append((*row, self.offset + start))
        if len(self._rows) == _ROWS:
            self._pack_rows()

    def reject(self, start: int, end: int, reasons: Iterable[str]) -> None:
        """Send the text from ``start`` to ``end`` in the window to quarantine."""
        self._rejected.append((start, end, sorted(reasons)))

    def parsed(self) -> Parsed:
        """Apply the row rules, and put everything together."""
        self._pack_rows()
        landed, nameless = _without_nameless(with_identities(self._in_order()))
        landed, broken_rules = partition(landed, self.source.rules)
        for position, reasons in [*nameless, *broken_rules]:
            start = position - self.offset
            self.reject(start, self._end(start), reasons)
        rejected = sorted(self._rejected)
        texts = [self.window[s:e].decode(errors="backslashreplace") for s, e, _ in rejected]
        mentions = [self.mentions(text, start) for text, (start, _, _) in zip(texts, rejected, strict=True)]
        quarantined = {
            "raw_text": texts,
            "reasons": [reasons for _, _, reasons in rejected],
            "source_position": [self.offset + start for start, _, _ in rejected],
        } | {name: [getattr(found, name) for found in mentions] for name in MENTIONS_SCHEMA}
        return Parsed(
            landed=landed,
            quarantined=pl.DataFrame(quarantined, schema=QUARANTINE_SCHEMA),
            records=self.records,
            repaired={kind: count for kind, count in sorted(self.repaired.items()) if count},
            drift={name: count for name, count in sorted(self.drift.items()) if count},
        )

    def _in_order(self) -> pl.DataFrame:
        frames = [frame for frame in self._frames if not frame.is_empty()] or self._frames
        rows = pl.concat(frames)
        return rows if len(frames) == 1 else rows.sort("source_position")

    def _pack_rows(self) -> None:
        self._frames.append(pl.DataFrame(self._rows, schema=self.source.schema(), orient="row"))
        self._rows = []

    def _end(self, start: int) -> int:
        if start in self.ends:
            return self.ends[start]
        return start + len(self.window[start : line_end(self.window, start)].rstrip(self.behind))


def line_end(text: bytes, start: int) -> int:
    """Where the line ends in which ``start`` is: at its newline, or with the text."""
    end = text.find(b"\n", start)
    return len(text) if end < 0 else end


def _without_nameless(rows: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, tuple[str, ...]]]]:
    """The rows whose fields name somebody or something; of the others, ``source_position`` and reasons."""
    nameless = []
    for column, fields in (("person", PERSON_FIELDS), ("device", DEVICE_FIELDS)):
        if column in rows.columns and (is_empty := rows[column] == "").any():
            reasons = tuple(f"missing_field:{name}" for name in fields if name in rows.columns)
            nameless += [(position, reasons) for position in rows["source_position"].filter(is_empty)]
            rows = rows.filter(~is_empty)
    return rows, nameless
