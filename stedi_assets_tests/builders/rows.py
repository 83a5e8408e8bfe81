"""Small literal frames in, literal rows out: rows of the sources with defaults, and frames of rows.

A row is a mapping; what a test does not name is some valid value, so that a test names only what it is about.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql.types import StructField, StructType

from stedi_assets.contracts.contract import Contract
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.engine.session import SparkEngine
from stedi_assets.records.identity import device_of, person_of
from stedi_assets.records.mentions import mentions_in

Row = Mapping[str, Any]

ANN, BOB = "ann@example.org", "bob@example.org"
KEY = b"a key that tests may know"
# A moment to count from, in epoch milliseconds: 2024-01-01 UTC.
T0 = 1_704_067_200_000
SERIAL = "00000000-0000-4000-8000-000000000001"
SERIAL_2 = "00000000-0000-4000-8000-000000000002"

_PROVENANCE = {"source_file": "landing/file.json", "source_position": 0, "ingested_at": T0}


def customer(
    email: str = ANN,
    *,
    serial: str = SERIAL,
    updated: int = T0,
    research: int | None = T0,
    **other: Any,
) -> dict[str, Any]:
    """A customer snapshot, by default with consent to research."""
    row = {
        "customerName": "Ann Lee",
        "email": email,
        "phone": "8015551212",
        "birthDay": "1960-01-01",
        "serialNumber": serial,
        "registrationDate": T0,
        "lastUpdateDate": updated,
        "shareWithResearchAsOfDate": research,
        "shareWithPublicAsOfDate": None,
        "shareWithFriendsAsOfDate": None,
    }
    return row | _PROVENANCE | other


def reading(user: str = ANN, at: int = T0, x: float = 0.5, y: float = 0.5, z: float = 0.5) -> dict[str, Any]:
    """An accelerometer reading."""
    return {"user": user, "timestamp": at, "x": x, "y": y, "z": z} | _PROVENANCE


def step(serial: str = SERIAL, at: int = T0, distance: int = 100) -> dict[str, Any]:
    """A step trainer reading."""
    return {"sensorReadingTime": at, "serialNumber": serial, "distanceFromObject": distance} | _PROVENANCE


def quarantined(raw_text: str = "{", reasons: Iterable[str] = ("truncated",), **other: Any) -> dict[str, Any]:
    """A quarantined record, with whom its text names."""
    return (
        {"raw_text": raw_text, "reasons": list(reasons)}
        | mentions_in(raw_text)._asdict()
        | _PROVENANCE
        | other
    )


def frame(engine: SparkEngine, table: str, rows: Iterable[Row]) -> DataFrame:
    """Rows as a frame with the columns and types of a table; fields that the table lacks are left out."""
    return frame_of(engine, CONTRACTS[table], rows)


def frame_of(engine: SparkEngine, contract: Contract, rows: Iterable[Row]) -> DataFrame:
    """As ``frame``, for a contract that may be a test's own."""
    # As values can be absent where the contract forbids it, the frame must not promise that there are none.
    schema = StructType([StructField(f.name, f.dataType) for f in contract.spark_schema])
    return engine.session.createDataFrame(
        pa.Table.from_pylist([_whose(row, contract) | row for row in rows], schema=contract.arrow_schema),
        schema,
    )


def _whose(row: Row, contract: Contract) -> dict[str, Any]:
    """The person and the device of a row, as the record reader stores them."""
    email, serial = row.get("user" if "user" in contract.column_names else "email"), row.get("serialNumber")
    return {
        "person": None if email is None else person_of(email),
        "device": None if serial is None else device_of(serial),
    }


def rows_of(data: DataFrame) -> list[tuple[Any, ...]]:
    """The rows of a frame, sorted, absent values first, for comparison with others; equal rows are kept."""
    columns = data.toArrow().to_pydict().values()
    return sorted(zip(*columns, strict=True), key=lambda row: [(value is not None, value) for value in row])


def values(data: DataFrame, *columns: str) -> list[Any]:
    """The sorted values of a column, or tuples of several."""
    rows = rows_of(data.select(*columns))
    return [row[0] for row in rows] if len(columns) == 1 else rows
