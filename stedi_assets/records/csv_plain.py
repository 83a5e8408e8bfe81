"""Plain rows of CSV, many at once and without Python's lock: lines without quotes, of which every value is certain.

Here: lines of a block to columns. Not here: what a certain value is (``typed.py``), and all other rows
(``csv_rows.py``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from stedi_assets.records.split import BOM
from stedi_assets.records.typed import TypedRows, typed_columns

if TYPE_CHECKING:
    from stedi_assets.records.csv_header import Header
    from stedi_assets.records.source import Source


def plain_rows(text: bytes, header: Header, source: Source) -> tuple[TypedRows, pl.Series] | None:
    """The rows of whole lines under a header, and where each begins; None if there is any doubt about any of them."""
    if b'"' in text or BOM in text or header.is_spaced:
        return None
    ends = np.flatnonzero(np.frombuffer(text, dtype=np.uint8) == ord("\n"))
    returns = text.count(b"\r")
    lines = text.replace(b"\r\n", b"\n") if returns else text
    if len(lines) != len(text) - returns or returns not in (0, len(ends)):
        return None
    separators = len(header.names) - 1
    if lines.count(header.separator.encode()) != len(ends) * separators:
        return None
    try:
        written = pl.Series([lines[:-1].decode()])
    except UnicodeDecodeError:
        return None
    values = written.str.split("\n").explode().str.split_exact(header.separator, separators).struct.unnest()
    # With as many separators in all, no line has more of them if none has fewer.
    if any(column.null_count() for column in values.get_columns()):
        return None
    typed = typed_columns(header.names, values.get_columns(), source)
    return (typed, pl.Series(np.append(0, ends[:-1] + 1))) if typed else None
