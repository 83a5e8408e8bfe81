"""The pseudonym under which a person may be studied."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa
    from pyspark.sql import DataFrame


def with_customer_key(people: DataFrame, key: bytes) -> DataFrame:
    """Add each person's pseudonym.

    The key is in the function that the workers run, not in the query's text, which engines log and show.

    Args:
        people: ``person`` string and other columns; a row a person, since the function runs row by row.
        key: Secret of the pseudonyms.

    Returns:
        The frame with ``customer_key`` string, the HMAC-SHA-256 of ``person`` in hexadecimal.
    """
    return people.mapInArrow(_key_adder(key), f"{_ddl(people)}, customer_key string")


def _ddl(frame: DataFrame) -> str:
    return ", ".join(f"`{field.name}` {field.dataType.simpleString()}" for field in frame.schema)


def _key_adder(key: bytes) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    # A function within a function travels by value: workers need not have this package.
    def add_keys(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        for batch in batches:
            keys = [
                None if name is None else hmac.new(key, name.encode(), hashlib.sha256).hexdigest()
                for name in batch.column("person").to_pylist()
            ]
            yield batch.append_column("customer_key", pa.array(keys, pa.string()))

    return add_keys
