"""What all readers of a format have in common: they are fed text, keep what is not settled, and are closed.

Here: the text that is left over, and where it stands. Not here: any format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.records.outcome import Outcome

if TYPE_CHECKING:
    from stedi_assets.records.source import Parsed, Source


class TextReader:
    """Reads the records of a file, or of a part of it that can be read alone, from text given bit by bit.

    How the text is divided changes no record, no reason and no count.

    Args:
        source: The fields and rules.
        offset: Where the text begins in the file, in bytes.
    """

    def __init__(self, source: Source, offset: int = 0) -> None:
        self._source = source
        self._offset = offset
        self._rest = b""

    def feed(self, text: bytes) -> Parsed:
        """Read what can be settled with more of the text."""
        return self._read(text, final=False)

    def close(self, text: bytes = b"") -> Parsed:
        """Read everything that is left, with the last of the text."""
        return self._read(text, final=True)

    def _read(self, text: bytes, *, final: bool) -> Parsed:
        outcome = Outcome(self._source, self._rest + text, self._offset)
        settled = self._settle(outcome, final=final)
        self._rest = outcome.window[settled:]
        self._offset += settled
        return outcome.parsed()

    def _settle(self, outcome: Outcome, *, final: bool) -> int:
        """Add what the window holds; how many bytes of it are settled. The others head the next window.

        A window of at least twice ``MAX_RECORD_BYTES`` must not be left wholly unsettled.
        """
        raise NotImplementedError
