"""The reader of JSON files: lines as long as they are plain, and with care whatever is not.

Here: a file bit by bit, and what may be around its records. Not here: the two ways of reading (``json_objects.py``).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.records.envelope import Unwrapper
from stedi_assets.records.json_lines import Lines
from stedi_assets.records.json_objects import add_damaged, add_plain
from stedi_assets.records.outcome import Outcome
from stedi_assets.records.tables import may_be_table, records_of_table
from stedi_assets.records.text_reader import TextReader

if TYPE_CHECKING:
    from stedi_assets.records.source import Parsed, Source


class JsonReader(TextReader):
    """Reads JSON, whatever state it is in, from the beginning of a file or from a cut."""

    def __init__(self, source: Source, offset: int = 0) -> None:
        super().__init__(source, offset)
        self._unwrapper = Unwrapper(source) if offset == 0 else None
        # All of the text, as long as it may be a table.
        self._table: bytes | None = b"" if offset == 0 else None

    def _read(self, text: bytes, *, final: bool) -> Parsed:
        if self._unwrapper is None:
            return super()._read(text, final=final)
        is_table = False
        if self._table is not None:
            text = self._table + text
            self._table = text if not final and may_be_table(text) else None
            if self._table is not None:
                return super()._read(b"", final=False)
            records = records_of_table(text, self._source) if final else None
            text, is_table = (text, False) if records is None else (records, True)
        before = self._unwrapper.envelopes
        parsed = super()._read(self._unwrapper.pass_on(text, final=final), final=final)
        if is_table:
            parsed.repaired["table"] = 1
        if envelopes := self._unwrapper.envelopes - before:
            parsed.repaired["envelope"] = parsed.repaired.get("envelope", 0) + envelopes
        if head := self._unwrapper.cut_off:
            # Blanked when its end was not known to be missing.
            lost = Outcome(self._source, head, self._unwrapper.cut_off_at, records=1)
            lost.reject(len(head) - len(head.lstrip()), len(head), {"truncated"})
            quarantined = pl.concat([lost.parsed().quarantined, parsed.quarantined])
            parsed.quarantined = quarantined.sort("source_position")
            parsed.records += 1
        return parsed

    def _settle(self, outcome: Outcome, *, final: bool) -> int:
        window = outcome.window
        runs = add_plain(outcome, Lines.of(window if final else window[: window.rfind(b"\n") + 1]))
        places = [0, *chain(*runs), len(window)]
        return add_damaged(outcome, list(zip(places[::2], places[1::2], strict=True)), final=final)
