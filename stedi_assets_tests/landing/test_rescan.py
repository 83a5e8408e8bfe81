"""``rescan``: each way in which a landing file may differ from what was read has a name, and nothing is changed."""

import json
from dataclasses import replace

from stedi_assets.landing import ledger
from stedi_assets.landing.rescan import rescan
from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.readings_lake import SOURCE, reading


def scanned(lake) -> dict[str, str]:
    return {
        each.file.removeprefix(f"{SOURCE}/landing/"): each.state for each in rescan(lake.graph.lake, SOURCE)
    }


def test_each_difference_is_named_and_exits_as_verify_does(lake, stedi):
    names = ["as-read", "changed", "moved", "touched", "gone"]
    paths = {name: lake.deliver(f"{name}.json", lines(reading(at))) for at, name in enumerate(names)}
    lake.land()
    assert stedi("rescan", lake=lake.graph.lake_uri)[0] == 0
    paths["touched"].touch()
    assert (scanned(lake)["touched.json"], stedi("rescan", lake=lake.graph.lake_uri)[0]) == ("touched", 0)
    paths["changed"].write_bytes(lines(reading(9)))
    (lake.folder / "2024").mkdir()
    paths["moved"].rename(lake.folder / "2024" / "m.json")
    paths["gone"].unlink()
    lake.deliver("new.json", lines(reading(8)))
    lake.deliver("notes.txt", b"none of ours")
    before = lake.state()
    assert scanned(lake) == {
        "2024/m.json": "moved",
        "as-read.json": "as read",
        "changed.json": "changed",
        "gone.json": "gone",
        "new.json": "new",
        "notes.txt": "ignored",
        "touched.json": "touched",
    }
    code, out, _ = stedi("rescan", "--json", lake=lake.graph.lake_uri)
    shown = {row["file"].rpartition("/")[2]: row for row in json.loads(out)}
    assert (code, len(shown)) == (3, 6)
    assert shown["m.json"]["moved_from"] == "accelerometer/landing/moved.json"
    assert lake.state() == before


def test_a_file_that_is_known_to_be_gone_waits_for_nothing(lake, stedi):
    path = lake.deliver("a.json", lines(reading(1)))
    lake.deliver("b.json", lines(reading(2)))
    lake.land()
    path.unlink()
    lake.land()
    code, out, _ = stedi("rescan", lake=lake.graph.lake_uri)
    assert code == 0
    assert "gone   accelerometer/landing/a.json" in out


def test_other_content_that_no_run_would_notice_is_told(lake, stedi):
    lake.deliver("a.json", lines(reading(1)))
    lake.land()
    (entry,) = ledger.read_entries(lake.graph.lake, SOURCE).values()
    # As on a file system that gives a file its old times and keeps no time of change.
    ledger.amend(lake.graph.lake, [replace(entry, digest="0" * 64)])
    assert scanned(lake) == {"a.json": "unnoticed"}
    assert stedi("rescan", lake=lake.graph.lake_uri)[0] == 1
