"""The figures of a materialization, of which the UI plots those that are numbers."""

import shutil
from pathlib import Path

from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.readings_lake import metadata
from stedi_assets_tests.builders.small_lake import NEW, PEOPLE, TRUSTED, snapshot


def test_people_who_come_and_go_are_counted(own_graph):
    lake = Path(own_graph.lake_uri)
    late = NEW + 1
    # Ann and Kim withdraw, and Dan consents for all his devices.
    changed = [
        snapshot("ann", "a", late, None),
        snapshot("kim", "k1", late, None),
        snapshot("dan", "d", late, late),
        snapshot("dan", "shared", late, late),
    ]
    deliver(lake, "customer", changed, "2.json")
    result = own_graph.run()
    shown = metadata(result, "customer_trusted")
    people = {name: shown[name] for name in ("people_landed", "people", "people_new", "people_gone")}
    assert people == {
        "people_landed": len(PEOPLE),
        "people": len(TRUSTED) - 1,
        "people_new": 1,
        "people_gone": 2,
    }
    # Ian has no readings.
    shown = metadata(result, "customer_curated")
    assert [shown[name] for name in ("people", "people_new", "people_gone")] == [len(TRUSTED) - 2, 1, 2]


def funnel(shown: dict[str, object]) -> dict[str, int]:
    """The steps of a picture and their people, without head and bars."""
    _, _, *rows = [line.split(" | ") for line in str(shown["consent_funnel"]).splitlines()]
    return {step.removeprefix("| "): int(people) for step, people, _ in rows}


def test_the_funnel_of_consent_has_the_people_of_each_step(good_run):
    # Dan never consented, Ian has no readings, and the readings of Gus's device may be Dan's.
    steps = {"registered": len(PEOPLE), "agreed once": len(PEOPLE) - 1, "consent now": len(TRUSTED)}
    trusted = metadata(good_run, "customer_trusted")
    assert trusted["people_agreed_once"] == len(PEOPLE) - 1
    assert funnel(trusted) == steps
    pairs = metadata(good_run, "machine_learning_curated")
    more = {"have readings": len(TRUSTED) - 1, "are matched": len(TRUSTED) - 2}
    assert funnel(pairs) == steps | more
    assert pairs["people"] == len(TRUSTED) - 2


def test_the_funnel_leaves_out_what_tables_of_an_earlier_version_do_not_say(own_graph, monkeypatch):
    monkeypatch.setattr("stedi_assets.lake.snapshot.counts_of", lambda _: {})
    pairs = metadata(own_graph.run("machine_learning_curated"), "machine_learning_curated")
    assert funnel(pairs) == {"are matched": len(TRUSTED) - 2}


def test_the_matched_share_counts_each_reading_once(odd):
    shown = metadata(odd.run(), "machine_learning_curated")
    # Kim's two devices pair with each of her readings, so that 7 of 17 readings are in 13 pairs.
    assert shown["dagster/row_count"] == 13
    assert shown["readings_matched"] == 7
    assert shown["percent_matched"] == 41.18


def test_who_waits_for_quarantine_is_a_figure_of_the_table(odd):
    shown = metadata(odd.run(), "customer_trusted")
    waits = ("people_held_back", "devices_withheld", "records_naming_nobody")
    assert [shown[name] for name in waits] == [4, 5, 1]


def test_a_table_tells_which_files_the_run_has_read(own_graph):
    deliver(Path(own_graph.lake_uri), "customer", [snapshot("ann", "a", NEW + 1, NEW)], "2.json")
    assert metadata(own_graph.run(), "machine_learning_curated")["triggered_by"] == "customer: 2.json"
    again = metadata(own_graph.run(), "machine_learning_curated")
    assert again["triggered_by"] == "no landing file: this run read none"


def test_a_table_whose_files_are_lost_is_made_anew_and_does_not_say_who_came(own_graph):
    shutil.rmtree(Path(own_graph.lake_uri, "customer/trusted/data"))
    shown = metadata(own_graph.run(), "customer_trusted")
    assert shown["people"] == len(TRUSTED)
    assert {"people_new", "people_gone"}.isdisjoint(shown)


def test_a_materialization_tells_its_snapshots_rows_sizes_and_seconds(own_graph):
    before = own_graph.snapshots()
    result = own_graph.run()
    rows = own_graph.rows()
    for table in ("accelerometer_trusted", "machine_learning_curated"):
        shown = metadata(result, table)
        assert shown["previous_snapshot_id"] == str(before[table])
        assert shown["snapshot_id"] == str(own_graph.snapshots()[table])
        assert (shown["rows_before"], shown["rows_change"]) == (rows[table], 0)
        assert 0 < shown["size_mb"] < 1
        for phase in ("compute_and_stage", "audit", "publish"):
            assert shown[f"seconds_{phase}"] >= 0
    pairs = metadata(result, "machine_learning_curated")
    for name, table in (("reading", "accelerometer_trusted"), ("step", "step_trainer_trusted")):
        expected = round(rows["machine_learning_curated"] / rows[table], 4)
        assert pairs[f"pairs_per_{name}"] == expected
    assert metadata(result, "customer_landing")["seconds_read"] >= 0
