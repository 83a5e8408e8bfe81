"""Files in landing folders that still name a person."""

import gzip
import io
import json
import zipfile
from functools import partial

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from stedi_assets.lake.lake import Lake
from stedi_assets.landing.files import list_landing
from stedi_assets.privacy.raw_files import RewriteError, rewrite
from stedi_assets.privacy.search import Searched, search
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.rows import customer
from stedi_assets_tests.builders.three_people import VIC

T0 = 1_655_564_376_361


@pytest.mark.parametrize(
    ("text", "times"),
    [
        (f"{VIC}, again <{VIC.upper()}>\nand {VIC}".encode(), 3),
        (b'{"friend": "vic.tim\\u0040example.org"}', 1),
        ('{"friend": "vic.tim\u200b@EXAMPLE.org"}'.encode(), 1),
        (b'{"user": "vic.tim @example.org"}', 1),
        (b"vic.tim%40example.org", 1),
        (b"vic.tim(at)example.org", 1),
        (b"1^vic.tim@example.org^0", 1),
        (b"\xff" + b"." * 10 + f" {VIC}".encode(), 1),
        # Addresses of others, which contain the person's.
        (f"o'{VIC}, x{VIC}, {VIC}.au, é{VIC}".encode(), 0),
        (b"", 0),
    ],
)
def test_an_address_is_found_in_any_spelling(tmp_path, text, times):
    deliver(tmp_path, "customer", text, "notes.txt")
    deliver(tmp_path, "accelerometer", gzip.compress(text), "readings.json.gz")
    found = search(Lake(Settings(lake_uri=str(tmp_path))), [VIC]).mentions
    expected = {"customer/landing/notes.txt": times, "accelerometer/landing/readings.json.gz": times}
    assert found == {path: count for path, count in expected.items() if count}


@pytest.mark.parametrize("before", [1024 * 1024 - 30, 2 * 1024 * 1024 - 5])
def test_an_address_is_found_wherever_a_line_is_cut(tmp_path, before):
    deliver(tmp_path, "customer", b" " * before + VIC.encode() + b" " * 1024 * 1024, "glued.json")
    found = search(Lake(Settings(lake_uri=str(tmp_path))), [VIC])
    assert found == Searched({"customer/landing/glued.json": 1}, [])


def test_an_address_is_found_in_punycode(tmp_path):
    deliver(tmp_path, "customer", b'{"friend": "ann@XN--bcher-kva.org"}', "notes.txt")
    found = search(Lake(Settings(lake_uri=str(tmp_path))), ["ann@b\u00fccher.org"]).mentions
    assert found == {"customer/landing/notes.txt": 1}


def archive(**members: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return packed.getvalue()


HER = VIC.encode()
ZIP = archive(first=b"nobody", later=b"x" * 5000 + b" " + HER)


@pytest.mark.parametrize(
    ("name", "content", "times", "is_searched"),
    [
        pytest.param("_backup.zip", ZIP, 1, True, id="a later member of an archive"),
        pytest.param("_backup.zip", archive(**{VIC: b""}), 1, True, id="the name of a member"),
        pytest.param("_backup.zip", archive(later=gzip.compress(HER)), 1, True, id="a member packed twice"),
        pytest.param("_backup.zip", archive(inner=ZIP), 0, False, id="an archive in an archive"),
        pytest.param("_backup.zip", ZIP[:-30], 0, False, id="an archive that breaks off"),
        pytest.param("_backup.zip", ZIP.replace(ZIP[90:100], b"0" * 10), 0, False, id="a damaged member"),
        pytest.param("_old.gz", gzip.compress(HER)[:-9], 0, False, id="a file that breaks off"),
        pytest.param("_old.parquet", b"PAR1", 0, False, id="what is no text"),
        pytest.param(f"_of {VIC}.json", b"{}", 1, True, id="the name of a file"),
        pytest.param("_of vic.tim%40example.org.json", b"{}", 1, True, id="an escaped name of a file"),
    ],
)
def test_a_file_that_no_run_reads_is_searched_or_named(tmp_path, name, content, times, is_searched):
    deliver(tmp_path, "customer", content, name)
    path = f"customer/landing/{name}"
    expected = Searched({path: times} if times else {}, [] if is_searched else [path])
    assert search(Lake(Settings(lake_uri=str(tmp_path))), [VIC]) == expected


def test_what_a_link_names_is_searched_and_is_not_rewritten(tmp_path):
    outside = tmp_path / "outside.json"
    outside.write_bytes(lines(customer(VIC)))
    landing = tmp_path / "lake" / "customer" / "landing"
    landing.mkdir(parents=True)
    (landing / "link.json").symlink_to(outside)
    lake = Lake(Settings(lake_uri=str(tmp_path / "lake")))
    assert search(lake, [VIC]) == Searched({"customer/landing/link.json": 1}, [])
    (file,) = list_landing(lake, "customer").files
    with pytest.raises(RewriteError, match=r"customer/landing/link\.json is a link"):
        rewrite(lake, "customer", file, lambda _: {0})
    assert outside.read_bytes() == lines(customer(VIC))


def parquet(rows: pl.DataFrame, codec: str = "snappy") -> bytes:
    packed = io.BytesIO()
    table = rows.to_arrow().set_column(0, "user", pa.array(rows["user"].to_list()).dictionary_encode())
    pq.write_table(
        table.replace_schema_metadata({"made for": VIC}), packed, compression=codec, row_group_size=3
    )
    return packed.getvalue()


def avro(rows: pl.DataFrame) -> bytes:
    packed = io.BytesIO()
    rows.write_avro(packed)
    return packed.getvalue()


@pytest.mark.parametrize(
    "written", [parquet, partial(parquet, codec="zstd"), partial(parquet, codec="none"), avro]
)
@pytest.mark.parametrize("others", [0, 7])
def test_a_person_is_taken_out_of_parquet_and_avro_and_every_other_row_stays(tmp_path, written, others):
    users = ["ann@example.org"] * others + [VIC] * 2
    rows = pl.DataFrame(
        {
            "user": users[::-1],
            "timestamp": pl.Series([T0 + at if at % 3 else None for at in range(len(users))], dtype=pl.Int64),
            "x": [0.1 * at for at in range(len(users))],
            "y": [-0.5] * len(users),
            "note": pl.Series([None] * len(users), dtype=pl.String),
        }
    )
    deliver(tmp_path, "accelerometer", written(rows), "part-0")
    lake = Lake(Settings(lake_uri=str(tmp_path)))
    (file,) = list_landing(lake, "accelerometer").files

    def hers(parsed):
        found = parsed.quarantined.filter(pl.col("persons").list.contains(VIC))
        return {*found["source_position"]}

    rewrite(lake, "accelerometer", file, hers)
    left = tmp_path / "accelerometer" / "landing" / "part-0"
    if written is avro and not others:
        assert left.read_bytes() == b""
        return
    read_back = pl.read_avro(left) if written is avro else pl.read_parquet(left)
    assert_frame_equal(
        read_back, rows.filter(pl.col("user") != VIC), check_dtypes=False, categorical_as_str=True
    )
    assert VIC.encode() not in left.read_bytes()


def test_a_person_is_taken_out_of_a_table_column_by_column(tmp_path):
    users = [VIC, "ann@example.org"]
    table = {"user": users, "timestamp": [T0, T0 + 1], "x": [0.5, 1], "y": [0, 0], "z": [0, 0]}
    text = json.dumps({name: dict(enumerate(values)) for name, values in table.items()})
    deliver(tmp_path, "accelerometer", text.encode(), "a.json")
    lake = Lake(Settings(lake_uri=str(tmp_path)))
    (file,) = list_landing(lake, "accelerometer").files
    rewrite(
        lake,
        "accelerometer",
        file,
        lambda parsed: {*parsed.landed.filter(pl.col("person") == VIC)["source_position"]},
    )
    left = tmp_path / "accelerometer" / "landing" / "a.json"
    assert json.loads(left.read_text()) == {name: values[1] for name, values in table.items()}
