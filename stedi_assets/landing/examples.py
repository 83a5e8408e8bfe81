"""Small deliveries of every kind, and what becomes of each: the one table behind a page of the docs and its test.

Here: the deliveries. Not here: the page (``examples_page.py``).
"""

from __future__ import annotations

import gzip
import io
import json
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

_T0 = 1655564376361
_S1, _S2 = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2))
_NAMES = "sensorReadingTime", "serialNumber", "distanceFromObject"
_HEADER = ",".join(_NAMES)
_A = f'{{"sensorReadingTime": {_T0}, "serialNumber": "{_S1}", "distanceFromObject": 212}}'
_B = f'{{"sensorReadingTime": {_T0 + 1}, "serialNumber": "{_S2}", "distanceFromObject": 213}}'
_ROW_A, _ROW_B = f"{_T0},{_S1},212", f"{_T0 + 1},{_S2},213"
_USER = f'"user": "ann@example.org", "timestamp": {_T0}'


def _parquet(*records: str) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([*map(json.loads, records)]), stream)
    return stream.getvalue()


def _customer(*members: str, updated: int = _T0) -> str:
    named = '"email": "ann@example.org"', f'"serialNumber": "{_S1}"', f'"lastUpdateDate": {updated}'
    return "{" + ", ".join([*named, *members]) + "}"


class Example(NamedTuple):
    """A delivery, and what becomes of it.

    Attributes:
        of: What it shows: a way of writing, a repair, a reason for quarantine, or what makes a file unreadable.
        content: The file.
        source: Whose it is.
        landed: How many of its records land.
    """

    of: str
    content: str | bytes
    source: str = "step_trainer"
    landed: int = 1


READ = (
    Example("JSON, an object a line", f"{_A}\n{_B}\n", landed=2),
    Example("JSON in UTF-16 or UTF-32 with a byte order mark", f"{_A}\n".encode("utf-16")),
    Example("text packed by gzip, bzip2, xz or zstd, whatever its name", gzip.compress(_A.encode(), mtime=0)),
    Example("Parquet and Avro, whose rows are read as objects of JSON", _parquet(_A, _B), landed=2),
    Example(
        "CSV with a header, by its separator: comma, semicolon, tab or bar",
        f"{_HEADER}\n{_ROW_A}\n".replace(",", ";"),
    ),
    Example(
        "CSV behind a line that tells Excel the separator", f"sep=;\n{_HEADER}\n{_ROW_A}\n".replace(",", ";")
    ),
    Example("CSV with line ends of Windows or of an old Mac", f"{_HEADER}\r{_ROW_A}\r{_ROW_B}\r", landed=2),
    Example(
        "CSV with another header in mid-file, which holds from there",
        f"{_HEADER}\n{_ROW_A}\nserialNumber,distanceFromObject,sensorReadingTime\n{_S2},213,{_T0 + 1}\n",
        landed=2,
    ),
    Example(
        "CSV with quotes that are doubled or behind a backslash",
        f'customerName,email,serialNumber,lastUpdateDate\n"Ann ""A"", Lee",ann@example.org,{_S1},{_T0}\n'
        f'"Ann \\"A\\", Lee",ann@example.org,{_S1},{_T0}\n',
        "customer",
        landed=2,
    ),
)
REPAIRED = (
    Example("glued", f"{_A}{_B}\n", landed=2),
    Example("comma", f"{_A},\n{_B},\n", landed=2),
    Example("array", f"[{_A}, {_B}]\n", landed=2),
    Example("bom", f"\ufeff{_A}\n"),
    Example("record_separator", f"\x1e{_A}\n"),
    Example("pretty_printed", _A.replace(", ", ",\n  ") + "\n"),
    Example("field_name", _A.replace("serialNumber", "serialnumber")),
    Example("repeated_field", _A.replace("}", ', "serialNumber": null}')),
    Example(
        "repeated_consent",
        _customer(f'"shareWithResearchAsOfDate": {_T0}', '"sharewithresearchasofdate": null'),
        "customer",
    ),
    Example("number_as_text", _customer('"phone": 8015551212'), "customer"),
    Example("text_as_number", _A.replace("212", '"212"')),
    Example("float_as_integer", _A.replace("212", "212.0")),
    Example("absent_value", _customer('"shareWithResearchAsOfDate": "NULL"'), "customer"),
    Example("refused_consent", _customer('"shareWithResearchAsOfDate": false'), "customer"),
    Example("iso_time", _A.replace(str(_T0), '"2022-06-18T14:59:36.361Z"')),
    Example("wrapped", f'{{"Item": {_A}}}'),
    Example("dynamodb", _A.replace(f'"{_S1}"', f'{{"S": "{_S1}"}}').replace("212", '{"N": "212"}')),
    Example("envelope", f'{{"Items": [{_A}, {_B}], "Count": 2}}', landed=2),
    Example(
        "table",
        f'{{"sensorReadingTime":{{"0":{_T0},"1":{_T0 + 1}}},"serialNumber":{{"0":"{_S1}","1":"{_S2}"}},'
        '"distanceFromObject":{"0":212,"1":213}}',
        landed=2,
    ),
    Example("csv", f"{_HEADER}\n{_ROW_A}\n"),
    Example("title", f"Export of Monday\n\n{_HEADER}\n{_ROW_A}\n"),
    Example("headerless", f"{_ROW_A}\n"),
    Example(
        "decimal_comma", f"user;timestamp;x;y;z\nann@example.org;{_T0};0,5;-0,25;1,234\n", "accelerometer"
    ),
)
QUARANTINED = (
    Example("truncated", _A[:-30] + "\n", landed=0),
    Example("not_json", f"{_A}\nnoise\n"),
    Example("not_an_object", f"{_A}\n[1, 2]\n"),
    Example("column_wise", f'{_A}\n{{"sensorReadingTime":{{"0":{_T0}}},"serialNumber":{{"0":"{_S1}"}}}}\n'),
    Example("missing_field", f'{{"sensorReadingTime": {_T0}, "distanceFromObject": 212}}', landed=0),
    Example("wrong_type", f"{_HEADER}\n1.65556E+12,{_S1},212\n", landed=0),
    Example("duplicate_field", _A.replace("}", ', "distancefromobject": 5}'), landed=0),
    Example("bad_encoding", f'{{"note": "M\xfcller", {_A[1:]}'.encode("latin-1"), landed=0),
    Example("field_count", f"{_HEADER}\n{_ROW_A},5\n", landed=0),
    Example("not_csv", f'{_HEADER}\n"{_ROW_A}\n{_ROW_B}\n'),
    Example("unknown_header", f"ann@example.org,{_T0},0.5,-0.25,0.125\n", "accelerometer", landed=0),
    Example("rule", f'{{{_USER}, "x": 99999, "y": 0, "z": 0}}', "accelerometer", landed=0),
    Example("rule:snapshot_not_in_future", _customer(updated=4_000_000_000_000), "customer", landed=0),
)
UNREADABLE = (
    Example("a zip archive or an Excel workbook", b"PK\x03\x04", landed=0),
    Example("a 7-Zip or RAR archive, zlib, LZ4 or Snappy", b"7z\xbc\xaf\x27\x1c", landed=0),
    Example("a tar archive", b"steps.json".ljust(257, b"\0") + b"ustar", landed=0),
    Example("Parquet or Avro that breaks off", b"PAR1", landed=0),
    Example("ORC", b"ORC", landed=0),
    Example("a PDF document", b"%PDF-1.7\n", landed=0),
    Example("text in UTF-16 without a byte order mark", _A.encode("utf-16-le"), landed=0),
    Example("other binary data", bytes(range(32)) * 8, landed=0),
    Example("gzip that breaks off", gzip.compress(_A.encode())[:-12], landed=0),
)
