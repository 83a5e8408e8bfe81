"""Raw files, read again line by line with Python's own JSON: every record that stands alone on a line was landed.

Only lines count that are records without a doubt: two whole objects on two lines are two records, wherever they stand.
What glues, cuts and repairs records is the reader's business, and no second reader would be simpler.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.records.content import open_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import IO

    import duckdb

    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.files import LandingFile

# Columns that hold a number in every file, by source: they are compared with the landed rows. Of another source the
# places of records are compared, and no values.
_NUMBERS = {
    "customer": ("lastUpdateDate", "shareWithResearchAsOfDate"),
    "accelerometer": ("timestamp",),
    "step_trainer": ("sensorReadingTime", "distanceFromObject"),
}
# No double of this size or larger is sure to be one whole number.
_TOO_LARGE = 2**53


@dataclass
class RawLines:
    """What the lines of raw files say.

    Attributes:
        files: Files that were read again.
        records: Records that stand alone on a line.
        lost: Records that are neither in landing nor in quarantine, by file.
        changed: Records that landed with another number than the file has, by file.
    """

    files: int = 0
    records: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)


def compare(
    lake: Lake, connection: duckdb.DuckDBPyConnection, source: str, files: Iterable[LandingFile]
) -> RawLines:
    """Compare the plain JSON files of a source with its landing and quarantine tables.

    Args:
        lake: The lake.
        connection: Has the tables.
        source: The source.
        files: Files that the ledger has as they are.
    """
    found = RawLines()
    columns = _NUMBERS.get(source, ())
    names = source_of(CONTRACTS[f"{source}_landing"]).by_name()
    for file in files:
        if file.is_csv or file.is_packed:
            continue
        with lake.filesystem.open(f"{lake.uri}/{file.path}") as stream:
            content, _ = open_text(stream, is_csv=file.is_csv, is_packed=file.is_packed)
            if content.is_csv or not content.is_plain:
                continue
            # An object with none of the source's fields wraps records, which have places of their own.
            records = [
                (at, record)
                for at, record in _records(stream)
                if any(name.casefold() in names for name in record)
            ]
        found.files += 1
        found.records += len(records)
        lost, changed = _compare_file(connection, source, file.path, records, columns)
        if lost:
            found.lost[file.path] = lost
        if changed:
            found.changed[file.path] = changed
    return found


def _compare_file(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    path: str,
    records: list[tuple[int, dict[str, Any]]],
    columns: tuple[str, ...],
) -> tuple[int, int]:
    """Number of records that are in neither table, and of records that landed with another number."""
    content: dict[str, Any] = {"position": pa.array([at for at, _ in records], pa.int64())}
    for name in columns:
        content[name] = pa.array([_whole(record.get(name)) for _, record in records], pa.int64())
    connection.register("raw_records", pa.table(content))
    differs = " OR ".join(f'raw."{name}" != landed."{name}"' for name in columns) or "false"
    query = f"""
        SELECT
            count(*) FILTER (landed.source_position IS NULL AND quarantined.source_position IS NULL),
            count(*) FILTER ({differs})
        FROM raw_records AS raw
        LEFT JOIN (FROM {source}_landing WHERE source_file = $path) AS landed
            ON landed.source_position = raw.position
        LEFT JOIN (FROM {source}_quarantine WHERE source_file = $path) AS quarantined
            ON quarantined.source_position = raw.position
    """  # noqa: S608 - names of ours
    lost, changed = connection.execute(query, {"path": path}).fetchall()[0]
    connection.unregister("raw_records")
    return int(lost), int(changed)


def _records(stream: IO[bytes]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Position and content of each line that is a whole object, beside another such line or alone in the file."""
    before = this = following = None
    lines = _lines(stream)
    this, following = next(lines, None), next(lines, None)
    is_alone = following is None
    while this is not None:
        beside = (before, following)
        if this[1] is not None and (is_alone or any(line and line[1] is not None for line in beside)):
            yield this[0], this[1]
        before, this, following = this, following, next(lines, None)


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Position of each line that is not blank, and the object that it is; None if it is not one whole object."""
    position = 0
    for line in stream:
        text = line.strip()
        if text:
            yield position + line.index(text[:1]), _object(text)
        position += len(line)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(text, object_pairs_hook=_fields)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Fields of an object; none where a name is given twice, since the reader has rules of its own for that."""
    fields = dict(pairs)
    return fields if len({name.casefold() for name in fields}) == len(pairs) else {}


def _whole(value: object) -> int | None:
    """A number that is surely the one that was landed; None for any other value."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not abs(value) < _TOO_LARGE  # nor NaN, of which nothing is true
    ):
        return None
    return int(value) if value == int(value) else None
