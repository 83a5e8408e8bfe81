"""Which files of a landing folder are read, and how they are told from what they were."""

import bz2
import gzip
import io
import lzma
import os

import polars as pl
import pytest

from stedi_assets.landing.files import list_landing
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.readings_lake import LANDING, QUARANTINE, metadata, reading

IGNORED = [
    "readings.json.tmp",
    "readings.json.part",
    ".hidden.json",
    ".folder/readings.json",
    "_SUCCESS",
    "_temporary/0/readings.json",
    "_readings.json",
    "test-readings.json",
    "2024/test-readings.json",
    "readings.txt",
    "readings.orc",
    "readings.zip",
    "readings.json.zip",
    "readings.json.snappy",
    "readings.xlsx",
]
COMPRESSIONS = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def test_only_files_of_known_kinds_are_read_and_the_others_are_named(lake):
    lake.deliver("a.json", lines(reading(1)))
    for name in IGNORED:
        lake.deliver(name, lines(reading(2)))
    shown = metadata(lake.land(), LANDING)
    assert lake.landed() == [("a.json", 1)]
    assert shown["files_ignored"] == len(IGNORED)
    assert sorted(shown["ignored"]) == sorted(f"accelerometer/landing/{name}" for name in IGNORED)


def test_every_extension_is_read_in_any_case_and_compressed(lake):
    delivered = {
        f"a{extension}{compression}": compress(lines(*map(reading, range(50))))
        for extension in (".json", ".jsonl", ".ndjson", ".JSON")
        for compression, compress in COMPRESSIONS.items()
    }
    for name, content in delivered.items():
        lake.deliver(f"2024/06/{name}", content)
    lake.land()
    assert lake.landed() == [(name, number) for name in sorted(delivered) for number in range(50)]
    found = {
        name: (entry["bytes"], entry["records"], entry["landed"]) for name, entry in lake.ledger().items()
    }
    assert found == {name: (len(content), 50, 50) for name, content in delivered.items()}


def test_parquet_and_avro_are_read_under_any_name(lake):
    rows = pl.DataFrame([reading(1), reading(2)])
    for name, write in (
        ("a.snappy.parquet", rows.write_parquet),
        ("b.avro", rows.write_avro),
        ("c", rows.write_avro),
    ):
        content = io.BytesIO()
        write(content)
        lake.deliver(name, content.getvalue())
    lake.deliver("d.parquet", lines(reading(1), reading(2)))
    lake.land()
    names = ["a.snappy.parquet", "b.avro", "c", "d.parquet"]
    assert lake.landed() == [(name, number) for name in names for number in (1, 2)]


def test_names_without_extension_are_read_by_what_they_begin_with(lake):
    delivered = {
        "run-1655564376361-part-r-00000": lines(reading(1)),
        "2022/06/18/14/stedi-acc-1-2022-06-18-14-59-36-0a1b2c3d": lines(reading(2)),
        "my.stream-1-2022-06-18-14-59-36-0a1b2c3d": lines(reading(3)),
        "20220618_145936_00012_abcde_0a1b2c3d.gz": gzip.compress(lines(reading(4))),
        "000000_0": b"[" + lines(reading(5)) + b"]",
        "part-00000": b"user,timestamp,x,y,z\nann@example.org,1704067200006,0,0,0\n",
        "part-00001": b'\x1e\n  {"user": "a',
        "json": b"",
    }
    for name, content in delivered.items():
        lake.deliver(name, content)
    lake.land()
    assert sorted(number for _, number in lake.landed()) == [1, 2, 3, 4, 5, 6]
    assert [(name, reasons) for name, _, reasons in lake.quarantined()] == [("part-00001", ["truncated"])]
    assert lake.ledger()["json"]["records"] == 0


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_csv_is_read_by_its_header(lake, compression):
    text = b'"USER",x,y,z,"timestamp"\r\nann@example.org,1,0,-1,"1704067200007"\r\nbroken,row\r\n'
    lake.deliver(f"a.csv{compression}", COMPRESSIONS[compression](text))
    lake.land()
    assert lake.landed() == [(f"a.csv{compression}", 7)]
    assert lake.quarantined() == [(f"a.csv{compression}", "broken,row", ["field_count"])]


def test_a_folder_that_is_not_there_is_empty_and_its_tables_are_published(lake):
    lake.land()
    assert (lake.landed(), lake.quarantined()) == ([], [])
    assert None not in {lake.graph.snapshots()[table] for table in (LANDING, QUARANTINE)}


def test_a_folder_named_like_a_file_and_an_object_that_marks_a_folder_are_no_files(lake):
    (lake.folder / "a.json").mkdir(parents=True)
    assert list_landing(lake.graph.lake, "accelerometer").files == ()


def test_the_folder_of_another_source_is_not_listed(lake):
    lake.deliver("../landing2/a.json", lines(reading(1)))
    lake.deliver("a.json", lines(reading(2)))
    assert [f.path for f in list_landing(lake.graph.lake, "accelerometer").files] == [
        "accelerometer/landing/a.json"
    ]


def test_identity_changes_with_size_and_with_a_microsecond_of_time(lake):
    path = lake.deliver("a.json", lines(reading(1)))
    seen = set()
    for nanoseconds in (1_700_000_000_000_001_000, 1_700_000_000_000_002_000):
        os.utime(path, ns=(nanoseconds, nanoseconds))
        seen.add(list_landing(lake.graph.lake, "accelerometer").files[0].identity)
    path.write_bytes(lines(reading(1), reading(2)))
    os.utime(path, ns=(nanoseconds, nanoseconds))
    seen.add(list_landing(lake.graph.lake, "accelerometer").files[0].identity)
    assert len(seen) == 3


def test_identity_changes_with_content_of_the_same_size_and_time(lake):
    path = lake.deliver("a.json", lines(reading(1)))
    was, before = path.stat(), list_landing(lake.graph.lake, "accelerometer").files[0].identity
    path.write_bytes(lines(reading(2)))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (was.st_size, was.st_mtime_ns)
    assert list_landing(lake.graph.lake, "accelerometer").files[0].identity != before
