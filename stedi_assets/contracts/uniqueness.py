"""How many rows of a frame are too many for a key that no two rows may share.

What a contract's other rules find belongs in ``audit``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyspark.sql.functions as F
from pyspark.sql import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa
    from pyspark.sql import DataFrame

# Key of the tables that are made of files.
_POSITIONS = ("source_file", "source_position")
_STRETCH = "file bigint, first bigint, last bigint"


def rows_too_many(frame: DataFrame, key: tuple[str, ...], rows: int) -> int:
    """How many rows would have to go, so that no two share the key.

    Args:
        frame: The rows.
        key: Names of the key's columns.
        rows: Number of the rows.
    """
    if key == _POSITIONS and _is_ascending(frame):
        return 0
    # Of a hash per row, since distinct keys themselves cost half as much again; with a hundred million rows, two keys
    # share one of 2^64 hashes once in some 3,700 runs. Not by count_distinct, which on Sail 0.7.2 cannot go to disk.
    return rows - frame.select(F.xxhash64(*key)).distinct().count()


def _is_ascending(frame: DataFrame) -> bool:
    """Whether the positions of each file ascend within stretches of rows that do not overlap, so that none is twice.

    The record reader writes rows in the order of their files. To see that takes a third of the time of finding distinct
    keys, and memory for the stretches alone. Rows in another order prove nothing.
    """
    # Two rows without a position make an overlap of their own.
    rows = frame.select(F.xxhash64("source_file"), F.coalesce("source_position", F.lit(-1)))
    in_order = Window.partitionBy("file").orderBy("first", "last")
    overlaps = F.lag("last").over(in_order) >= F.col("first")
    stretches = rows.mapInArrow(_stretch_finder(), _STRETCH)
    return stretches.select(overlaps.alias("overlaps")).where("overlaps").isEmpty()


def _stretch_finder() -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    # A function within a function travels by value: workers need not have this package.
    def find_stretches(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import numpy as np
        import pyarrow as pa

        found = []
        for batch in batches:
            if not batch.num_rows:
                continue
            file, position = (column.to_numpy() for column in batch.columns)
            begins = (file[1:] != file[:-1]) | (position[1:] <= position[:-1])
            first = np.append(0, np.flatnonzero(begins) + 1)
            last = np.append(first[1:] - 1, batch.num_rows - 1)
            found.append((file[first], position[first], position[last]))
        # One batch for all: Sail takes a millisecond for each.
        if found:
            columns = [pa.array(np.concatenate(column)) for column in zip(*found, strict=True)]
            yield pa.RecordBatch.from_arrays(columns, ["file", "first", "last"])

    return find_stretches
