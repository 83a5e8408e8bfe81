"""What the UI shows of deliveries: the folder of files at the beginning of the graph, and the ledger at its end."""

import os

from stedi_assets_tests.builders.files import lines
from stedi_assets_tests.builders.readings_lake import metadata, observed, reading


def test_a_run_observes_the_folder_that_it_listed(lake):
    content = lines(reading(1), reading(2))
    os.utime(lake.deliver("a.json", content), (1_700_000_000, 1_700_000_000))
    lake.deliver("notes.txt", b"none of ours")
    assert observed(lake.land()) == {
        "accelerometer_files": {
            "files": 1,
            "files_ignored": 1,
            "size_mb": round(len(content) / 1_000_000, 3),
            "newest_delivery": 1_700_000_000,
        }
    }


def test_an_empty_folder_is_observed_too(lake):
    assert observed(lake.land()) == {"accelerometer_files": {"files": 0, "files_ignored": 0, "size_mb": 0.0}}


def test_a_run_reports_what_it_entered_into_the_ledger(lake):
    lake.deliver("a.json", lines(reading(1)))
    lake.land()
    lake.deliver("b.json", lines(reading(2)))
    (lake.folder / "a.json").unlink()
    shown = metadata(lake.land(), "landing_files")
    shown.pop("deliveries")
    assert shown == {
        "source": "accelerometer",
        "files_entered": 1,
        "files_of_source": 2,
        "files_gone": 1,
    }


def test_the_ledger_shows_the_newest_deliveries_first_as_a_picture(lake):
    lake.deliver("a.json", lines(*map(reading, range(20))))
    lake.land()
    lake.deliver("b.json", lines(reading(21), reading(22)) + b"junk\n")
    _, _, *rows = metadata(lake.land(), "landing_files")["deliveries"].splitlines()
    shown = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert [(records, quarantined) for _, _, records, quarantined in shown] == [("3", "1"), ("20", "0")]
    newest, oldest = (row[1] for row in shown)
    assert 0 < len(newest) < len(oldest)
    assert shown[0][0] >= shown[1][0]
