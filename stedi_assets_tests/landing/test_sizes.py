"""Many files, long records, long lines and large files: the same rows, in bounded memory."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from fsspec.implementations.local import LocalFileSystem

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.landing import reader
from stedi_assets.landing.files import list_landing
from stedi_assets.records.read_task import ReadPlan, Sizes
from stedi_assets.records.split import MAX_RECORD_BYTES
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.readings_lake import (
    LANDING,
    SOURCE,
    ReadingsLake,
    figure,
    metadata,
    numbers_of,
    reading,
    row_count,
    texts_of,
)
from stedi_assets_tests.builders.rows import T0
from stedi_assets_tests.shares import share

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("files", share([500, 5_000], 500))
def test_very_many_tiny_files(lake, files):
    for number in range(files):
        lake.deliver(f"{number:04}.json", lines(reading(number)) + (b"junk\n" if number % 50 == 0 else b""))
    result = lake.land()
    assert len(lake.landed()) == files
    assert len(set(lake.landed())) == files
    assert len(lake.quarantined()) == files / 50
    assert len(lake.ledger()) == files
    assert metadata(result, LANDING)["data_files"] < 100
    lake.deliver("0007.json", lines(reading(7_000)))
    assert figure(row_count(lake.land()), "files_read") == 1
    assert [number for name, number in lake.landed() if name == "0007.json"] == [7_000]
    assert len(lake.landed()) == files


def test_a_record_of_ten_megabytes_lands(lake):
    long = reading(2, note="x" * 10 * MEGABYTE)
    lake.deliver("a.json", lines(reading(1), long, reading(3)))
    lake.deliver("b.json", b"".join(json.dumps(reading(n)).encode() for n in (4, 5)) + lines(long))
    lake.land()
    assert lake.landed() == [("a.json", 1), ("a.json", 2), ("a.json", 3), *(("b.json", n) for n in (2, 4, 5))]
    assert lake.quarantined() == []


def test_a_line_of_a_hundred_megabytes_is_in_quarantine_in_ranges_and_costs_nothing_else(lake):
    junk = b"\x01" * 100 * MEGABYTE
    lake.deliver("a.json", lines(reading(1)) + junk + b"\n" + lines(reading(2)))
    lake.land()
    assert lake.landed() == [("a.json", 1), ("a.json", 2)]
    texts = [text for _, text, _ in lake.quarantined()]
    assert sum(map(len, texts)) == len(junk)
    assert max(map(len, texts)) <= MAX_RECORD_BYTES
    assert {reason for *_, reasons in lake.quarantined()[:-1] for reason in reasons} == {"too_long"}


MEASURE = """
import json, sys
from pathlib import Path
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.records.read_task import ReadPlan, FileRange, run_task
lake, name, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
source = source_of(CONTRACTS["accelerometer_landing"])
plan = ReadPlan(
    source, f"file://{lake}", {"auto_mkdir": True}, f"file://{lake}/l", f"file://{lake}/q", 1_704_067_200_000
)
def peak_kb():
    # Not ru_maxrss, which begins with what the parent process had.
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])
def run(name, size):
    report = run_task(plan, (FileRange(name, 0, size, size, False, name.endswith(".gz")),)).ranges[0].counts
    return {"records": report.records, "landed": report.landed, "quarantined": report.quarantined,
            "peak_kb": peak_kb()}
print(json.dumps([run("small.json", 100), run(name, size)]))
"""


def glued(size: int) -> bytes:
    record = json.dumps(reading(1)).encode()
    return record * (size // len(record))


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="the peak of memory is read as Linux tells it"
)
@pytest.mark.parametrize("kind", share(["junk", "glued", "compressed lines"], "glued"))
def test_memory_is_bounded_whatever_is_on_one_line(tmp_path, kind):
    size = 100 * MEGABYTE
    content = {
        "junk": lambda: b"\x01" * size,
        "glued": lambda: glued(size),
        "compressed lines": lambda: gzip.compress(glued(size).replace(b"}{", b"}\n{"), compresslevel=1),
    }[kind]()
    name = "large.json.gz" if kind == "compressed lines" else "large.json"
    (tmp_path / name).write_bytes(content)
    (tmp_path / "small.json").write_bytes(lines(reading(1)).ljust(100))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), name, str(len(content))],
        check=True,
        capture_output=True,
        env=os.environ | {"POLARS_MAX_THREADS": "2"},
    )
    small, large = json.loads(done.stdout)
    expected = 0 if kind == "junk" else size // len(json.dumps(reading(1)))
    assert large["landed"] == expected
    assert large["records"] == large["landed"] + large["quarantined"]
    assert large["peak_kb"] - small["peak_kb"] < 500 * 1024


DAMAGES = {
    "none": b"",
    "a record cut off": b'{"user": "ann@example.org", "times\n',
    "a record over several lines": json.dumps(reading(500, unknown=[reading(1), {}]), indent=1).encode()
    + b"\n",
    "junk longer than a range": b"junk " * 700 + b"\n",
    "glued records": b"".join(json.dumps(reading(n)).encode() for n in range(600, 640)) + b"\n",
    "an array": b"[\n" + b",\n".join(json.dumps(reading(n)).encode() for n in range(600, 640)) + b"\n]\n",
    "undecodable bytes": b"\xff\xfe\n",
    "empty lines": b"\n" * 3_000,
    "carriage returns alone": b"\r".join(json.dumps(reading(n)).encode() for n in range(600, 640)),
    "a byte order mark": b"\xef\xbb\xbf",
}


def test_large_files_in_ranges_give_what_they_give_at_once(lake):
    """Files with each damage at their beginning, in their middle and at their end."""
    records = [lines(reading(number)) for number in range(100)]
    names = {(damage, place): f"{damage} {place}.json" for damage in DAMAGES for place in (0, 50, 100)}
    for (damage, place), name in names.items():
        lake.deliver(name, b"".join([*records[:place], DAMAGES[damage], *records[place:]]))
    lake.land()
    at_once = lake.landed(), lake.quarantined()
    landed, quarantined = read_in_ranges_of_a_thousand_bytes(lake)
    for name in names.values():
        assert of_file(landed, name) == of_file(at_once[0], name)
        assert of_file(quarantined, name) == of_file(at_once[1], name)
        assert {number for _, number in of_file(landed, name)} >= set(range(100))
    assert (len(landed), len(quarantined)) == (len(at_once[0]), len(at_once[1]))


def read_in_ranges_of_a_thousand_bytes(lake: ReadingsLake) -> tuple[list[tuple], list[tuple]]:
    """What the reader stages of every landing file, each of which makes eight ranges at least."""
    store = lake.graph.lake
    plan = ReadPlan(
        source=source_of(CONTRACTS[LANDING]),
        lake=store.address("").rstrip("/"),
        storage_options=store.storage_options,
        landed_folder=store.address("staged/landed"),
        quarantined_folder=store.address("staged/quarantined"),
        ingested_at=T0,
        sizes=Sizes(range_bytes=1_000, overhang_bytes=200, gathered_bytes=5_000),
    )
    files = list_landing(store, SOURCE).files
    ranges = Counter(found.file for found in reader._ranges(plan, files))
    assert [file.path for file in files if ranges[file.path] < 8] == []
    staged = reader.read_landing_files(plan, files, lake.graph.engine, lambda: list_landing(store, SOURCE))
    landed, quarantined = (
        [row for address in addresses for row in pq.read_table(urlsplit(address).path).to_pylist()]
        for addresses in (staged.landed_files, staged.quarantined_files)
    )
    return numbers_of(landed), texts_of(quarantined)


def of_file(rows: list[tuple], name: str) -> list[tuple]:
    return [row for row in rows if row[0] == name]


def test_a_large_file_that_cannot_be_read_in_one_range_lands_nothing(lake, monkeypatch):
    lake.deliver("a.json", lines(*map(reading, range(100))))
    some = lines(*map(reading, range(100, 1_100)))
    lake.deliver("b.json", some * (40 * MEGABYTE // len(some)))
    read = LocalFileSystem.cat_file

    def fail_in_the_middle(self, path, start=None, end=None, **options):
        if path.endswith("landing/b.json") and start is not None and 10 < start / MEGABYTE < 20:
            raise OSError
        return read(self, path, start, end, **options)

    monkeypatch.setattr(LocalFileSystem, "cat_file", fail_in_the_middle)
    result = lake.land()
    assert lake.landed() == [("a.json", number) for number in range(100)]
    assert figure(row_count(result), "files_unreadable") == 1
    assert set(lake.ledger()) == {"a.json"}
