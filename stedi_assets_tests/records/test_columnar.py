"""Parquet and Avro files: every value is read exactly, or its record is quarantined, or the file refused."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stedi_assets.records.content import ContentError, open_text
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.source import Field, Parsed, Source

T0 = 1_655_564_376_361
SOURCE = Source(
    "readings",
    (Field("s", "string", True), Field("t", "bigint", False, is_time=True), Field("d", "double", False)),
)


def parquet(**columns: pa.Array) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def avro(rows: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    rows.write_avro(buffer)
    return buffer.getvalue()


def read(delivered: bytes) -> Parsed:
    content, stream = open_text(io.BytesIO(delivered), is_csv=None, is_packed=False)
    assert not content.is_csv
    assert not content.is_plain
    return JsonReader(SOURCE).close(stream.read())


def test_rows_of_parquet_land_as_they_are():
    parsed = read(
        parquet(
            s=pa.array(["\u00e9\n", "b", None]).dictionary_encode(),
            t=pa.array([T0, 2**63 - 1, 1]),
            d=pa.array([0.1, None, float("nan")]),
        )
    )
    assert [row[:3] for row in parsed.landed.rows()] == [("\u00e9\n", T0, 0.1), ("b", 2**63 - 1, None)]
    assert parsed.quarantined["reasons"].to_list() == [["missing_field:s"]]


def test_rows_of_avro_land_as_they_are():
    parsed = read(avro(pl.DataFrame({"s": ["\u00e9\n", "b"], "t": [T0, None], "d": [0.1, -1.5]})))
    assert [row[:3] for row in parsed.landed.rows()] == [("\u00e9\n", T0, 0.1), ("b", None, -1.5)]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (pa.array([float(T0)]), T0),
        (pa.array([Decimal(T0)], pa.decimal128(20, 0)), T0),
        (pa.array([T0], pa.timestamp("ms", "UTC")), T0),
        (pa.array([T0 * 1000], pa.timestamp("us", "Europe/Berlin")), T0),
        (pa.array([-1], pa.timestamp("ms", "UTC")), -1),
        (pa.array([T0 * 10**6], pa.timestamp("ns", "UTC")), T0),
    ],
)
def test_times_are_exact(times, expected):
    assert read(parquet(s=pa.array(["a"]), t=times)).landed["t"].to_list() == [expected]


@pytest.mark.parametrize(
    "times",
    [
        pa.array([T0], pa.timestamp("ms")),
        pa.array([T0 * 1000 + 1], pa.timestamp("us", "UTC")),
        pa.array([T0 * 10**6 + 1], pa.timestamp("ns", "UTC")),
        pa.array([2**62], pa.timestamp("us", "UTC")),
        pa.array([date(2022, 6, 18)]),
        pa.array([True]),
        pa.array([0.5]),
    ],
)
def test_times_that_are_not_certain_are_quarantined(times):
    parsed = read(parquet(s=pa.array(["a"]), t=times))
    assert parsed.quarantined["reasons"].to_list() == [["wrong_type:t"]]


def test_a_naive_time_of_avro_is_never_guessed():
    parsed = read(
        avro(pl.DataFrame({"s": ["a"], "t": [datetime(2022, 6, 18, tzinfo=UTC).replace(tzinfo=None)]}))
    )
    assert parsed.landed.is_empty()


@pytest.mark.parametrize("column", [pa.array([b"a"]), pa.array([["a"]]), pa.array([{"a": 1}])])
def test_a_column_whose_values_cannot_be_told_is_one_problem_of_the_file(column):
    with pytest.raises(ContentError, match="neither text, numbers, dates nor times"):
        read(parquet(s=column))


def test_two_columns_of_one_name_are_one_problem_of_the_file():
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["s", "s"]), buffer)
    with pytest.raises(ContentError, match="two of its columns have one name"):
        read(buffer.getvalue())


def test_a_file_that_breaks_off_is_damaged():
    whole = parquet(s=pa.array(["a"] * 100)), avro(pl.DataFrame({"s": ["a"] * 100}))
    for delivered in whole:
        for end in range(4, len(delivered), 7):
            with pytest.raises(ContentError, match="damaged or breaks off"):
                read(delivered[:end])
