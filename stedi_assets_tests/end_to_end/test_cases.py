"""Small lakes that once came out wrong, each with what must come out of it.

The lakes are in the folder of shared data, each with an ``expected.txt`` in words.
"""

from pathlib import Path

import pytest

from stedi_assets_tests.builders.graph import Graph, copy_landing
from stedi_assets_tests.shares import on_both_engines

ML = "machine_learning_curated"
FROM_DATE = {"consent_from_date": True}
# Rows by table, and the policies in force.
CASES = {
    "00-control": (
        {
            "customer_landing": 3,
            "accelerometer_landing": 30,
            "step_trainer_landing": 30,
            "customer_trusted": 3,
            "accelerometer_trusted": 30,
            "step_trainer_trusted": 30,
            "customer_curated": 3,
            ML: 30,
        },
        {},
    ),
    "01-csv-cr-only": ({"accelerometer_landing": 60, "accelerometer_trusted": 30}, {}),
    "02-csv-null-literal-withdrawal": (
        {"customer_landing": 5, "customer_trusted": 2, "accelerometer_trusted": 20},
        {},
    ),
    "04-csv-space-after-comma": (
        {"customer_trusted": 3, "accelerometer_trusted": 30, "step_trainer_trusted": 30, ML: 30},
        {},
    ),
    "07-csv-second-header-other-order": ({"customer_landing": 4, "customer_trusted": 3}, {}),
    "09-csv-semicolon": ({"accelerometer_landing": 30, "step_trainer_landing": 30, ML: 30}, {}),
    "11-utf16": ({"customer_landing": 3, "accelerometer_landing": 30, "customer_trusted": 3, ML: 30}, {}),
    "12-gzip-without-gz": ({"accelerometer_landing": 900}, {}),
    "13-wrapper": ({"accelerometer_landing": 30, "step_trainer_landing": 30, ML: 30}, {}),
    "14-no-extension": ({"customer_landing": 3, "accelerometer_landing": 30, ML: 30}, {}),
    # Every time lost its last seven digits.
    "17-excel-scientific": ({"accelerometer_landing": 0}, {}),
    "18-serial-padding": ({"step_trainer_trusted": 30, ML: 30}, {}),
    "22-gzip-kinds": ({"accelerometer_landing": 55}, {}),
    "24-csv-value-space-quote": ({"accelerometer_trusted": 30, "step_trainer_trusted": 30, ML: 30}, {}),
    "25-csv-space-quote-withdrawal": ({"customer_trusted": 2, ML: 20}, {}),
    # Person 2 is in quarantine for the unit of the consent date, and half of the readings are from before consent.
    "26-consent-date-in-seconds": ({"accelerometer_trusted": 20}, FROM_DATE),
    "29-json-false-withdrawal": ({"customer_trusted": 0, "accelerometer_trusted": 0, ML: 0}, {}),
}


@pytest.mark.parametrize(
    ("engine", "case"), on_both_engines(CASES, "02-csv-null-literal-withdrawal"), indirect=["engine"]
)
def test_a_lake_that_came_out_wrong_comes_out_right(engine, shared, tmp_path: Path, case):
    expected, policies = CASES[case]
    graph = Graph(str(copy_landing(shared / "cases" / case, tmp_path / "lake")), engine, policies)
    graph.run()
    found = graph.rows()
    assert {table: found[table] for table in expected} == expected
