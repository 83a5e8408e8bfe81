"""Which parser reads plain JSON lines: what each costs per record, and which odd lines it takes in silence.

Run: `python -m benchmarks.parsers [megabytes]`, with POLARS_MAX_THREADS=1 for figures of one core. Libraries
that are not installed (orjson, msgspec) are left out: the product needs none. pyarrow.json is measured on
sound lines alone, since a chunk that begins with a bare `null` crashes the process.
"""

from __future__ import annotations

import importlib
import io
import json
import statistics
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import polars as pl
import pyarrow as pa
import pyarrow.json as pa_json

from stedi_assets.records import json_objects
from stedi_assets.records.json_lines import Lines
from stedi_assets.records.json_plain import typed_rows
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.source import Field, Parsed, Source

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Source(
    "accelerometer",
    (
        Field("user", "string", True),
        Field("timestamp", "bigint", True),
        *(Field(axis, "double", True) for axis in "xyz"),
    ),
)
SCHEMA = {name: dtype for name, dtype in SOURCE.schema().items() if name != "source_position"}
COLUMNS: list[pa.Field[Any]] = [
    pa.field("user", pa.string()),
    pa.field("timestamp", pa.int64()),
    *(pa.field(axis, pa.float64()) for axis in "xyz"),
]
LINE = '{"user":"Ashley.Davis%d@test.com","timestamp":%d,"x":%.1f,"y":-1.0,"z":0.0}\n'
ODD = {
    "number for text": '{"user":8015551212,"timestamp":1,"x":1,"y":1,"z":1}',
    "Boolean for text": '{"user":true,"timestamp":1,"x":1,"y":1,"z":1}',
    "object for text": '{"user":{"a":1},"timestamp":1,"x":1,"y":1,"z":1}',
    "text for number": '{"user":"u","timestamp":"1","x":1,"y":1,"z":1}',
    "fraction for integer": '{"user":"u","timestamp":1.5,"x":1,"y":1,"z":1}',
    "unknown field": '{"user":"u","timestamp":1,"x":1,"y":1,"z":1,"q":1}',
    "repeated field": '{"user":"u","user":"v","timestamp":1,"x":1,"y":1,"z":1}',
    "missing field": '{"user":"u"}',
    "junk behind": '{"user":"u","timestamp":1,"x":1,"y":1,"z":1} junk',
    "two on a line": '{"user":"u","timestamp":1,"x":1,"y":1,"z":1}{"user":"v"}',
    "NaN": '{"user":"u","timestamp":1,"x":NaN,"y":1,"z":1}',
    "lone surrogate": '{"user":"\\ud800","timestamp":1,"x":1,"y":1,"z":1}',
}


def _frame(records: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(records, schema=SCHEMA)


def _one_by_one(text: bytes) -> Parsed:
    with mock.patch.object(json_objects, "typed_rows", return_value=None):
        return JsonReader(SOURCE).close(text)


def _line_by_line(loads: Callable[[bytes], dict[str, object]], text: bytes) -> pl.DataFrame:
    return _frame([loads(line) for line in text.splitlines()])


def _parsers() -> dict[str, Callable[[bytes], object]]:
    parsers: dict[str, Callable[[bytes], object]] = {
        "JsonReader": lambda text: JsonReader(SOURCE).close(text),
        "JsonReader, one by one": _one_by_one,
        "polars.read_ndjson": lambda text: pl.read_ndjson(text, schema=SCHEMA),
        "pyarrow.json": lambda text: pa_json.read_json(
            io.BytesIO(text), parse_options=pa_json.ParseOptions(explicit_schema=pa.schema(COLUMNS))
        ),
        "json": partial(_line_by_line, json.loads),
    }
    for name in ("orjson", "msgspec.json"):
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        loads = getattr(module, "loads", None) or module.decode
        parsers[name] = partial(_line_by_line, loads)
    return parsers


def main() -> None:
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 16
    count = megabytes * 2**20 // len(LINE % (10, 1655564444103, 1.0))
    text = "".join(LINE % (n % 100, 1655564444103 + n, n % 3 - 1) for n in range(count)).encode()
    print(f"{count} records, {len(text) / 2**20:.1f} MiB, microseconds per record (median of 5 runs)")
    for name, parse in _parsers().items():
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            parse(text)
            seconds.append(time.perf_counter() - start)
        print(f"{name:20} {statistics.median(seconds) / count * 1e6:6.2f}")
    print(
        "\nodd lines between sound ones: what polars.read_ndjson makes of them, and whether the fast way takes them"
    )
    sound = LINE % (1, 2, 3.0)
    for name, odd in ODD.items():
        lines = (sound + odd + "\n" + sound).encode()
        try:
            seen = str(pl.read_ndjson(lines, schema=SCHEMA).rows()[1])
        except pl.exceptions.PolarsError:
            seen = "refused"
        typed = typed_rows(lines, Lines.of(lines).bounds, SOURCE)
        print(f"{name:20} {seen:48} {'taken' if typed and typed.certain[1] else 'refused'}")


if __name__ == "__main__":
    main()
