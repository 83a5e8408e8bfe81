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
    for table in ("accelerometer_trusted", "step_trainer_trusted"):
        expected = round(rows["machine_learning_curated"] / rows[table], 4)
        assert pairs[f"pairs_per_row_of_{table}"] == expected
    assert metadata(result, "customer_landing")["seconds_read"] >= 0
