"""Files in landing folders that still name a person."""

import gzip

import pytest

from stedi_assets.lake.lake import Lake
from stedi_assets.privacy.raw_files import mentions
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.three_people import VIC


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
    found = mentions(Lake(Settings(lake_uri=str(tmp_path))), f" {VIC}")
    expected = {"customer/landing/notes.txt": times, "accelerometer/landing/readings.json.gz": times}
    assert found == {path: count for path, count in expected.items() if count}


@pytest.mark.parametrize("before", [1024 * 1024 - 30, 2 * 1024 * 1024 - 5])
def test_an_address_is_found_wherever_a_line_is_cut(tmp_path, before):
    deliver(tmp_path, "customer", b" " * before + VIC.encode() + b" " * 1024 * 1024, "glued.json")
    assert mentions(Lake(Settings(lake_uri=str(tmp_path))), VIC) == {"customer/landing/glued.json": 1}


def test_an_address_is_found_in_punycode(tmp_path):
    deliver(tmp_path, "customer", b'{"friend": "ann@XN--bcher-kva.org"}', "notes.txt")
    found = mentions(Lake(Settings(lake_uri=str(tmp_path))), "ann@b\u00fccher.org")
    assert found == {"customer/landing/notes.txt": 1}
