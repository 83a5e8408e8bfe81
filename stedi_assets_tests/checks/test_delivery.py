"""``delivery``: a warning, in words, of records of this delivery that are in quarantine."""

from pathlib import Path

import dagster as dg
import pytest

from stedi_assets_tests.builders.files import deliver, line, lines
from stedi_assets_tests.builders.small_lake import CUSTOMERS, NEW, READINGS, STEPS, snapshot
from stedi_assets_tests.checks.blocking import checks_in_log, figures_of

LOOK = "Look at the records with: stedi quarantine --source {} --records 100. "
REPAIR = (
    "Put a repaired file in the place of the broken one, or move a file of another source to that source's landing "
    "folder."
)


def delivered(graph, source: str) -> dg.AssetCheckEvaluation:
    """Run a source's tables; what its check ``delivery`` says."""
    tables = [f"{source}_landing", f"{source}_quarantine"]
    return checks_in_log(graph, graph.run(*tables))[f"{source}_quarantine", "delivery"]


@pytest.mark.parametrize(
    ("source", "other", "records"),
    [
        ("customer", "step_trainer", STEPS),
        ("customer", "accelerometer", READINGS),
        ("accelerometer", "step_trainer", STEPS),
        ("accelerometer", "customer", CUSTOMERS),
        ("step_trainer", "accelerometer", READINGS),
        ("step_trainer", "customer", CUSTOMERS),
    ],
)
def test_a_file_of_another_source_is_recognised(own_graph, source, other, records):
    deliver(Path(own_graph.lake_uri), source, records[:20], "2.json")
    check = delivered(own_graph, source)
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert check.description.startswith(
        f"20 of 20 records of {source}/landing/2.json were quarantined (missing_field:"
    )
    assert f"; the file looks like {other}. {LOOK.format(source)}{REPAIR}" in check.description
    figures = figures_of(check)
    assert (figures["records_read"], figures["records_quarantined"], figures["percent_quarantined"]) == (
        20,
        20,
        100.0,
    )


def test_files_are_named_with_their_reasons_worst_first(own_graph):
    lake, good = Path(own_graph.lake_uri), lines(*READINGS[:10])
    for number in range(1, 5):
        cut = b"\n".join(line(row)[:30] for row in READINGS[:number])
        deliver(lake, "accelerometer", good + cut, f"broken {number}.json")
    check = delivered(own_graph, "accelerometer")
    assert check.description == (
        "4 of 14 records of accelerometer/landing/broken 4.json were quarantined (truncated); "
        "3 of 13 records of accelerometer/landing/broken 3.json were quarantined (truncated); "
        "2 of 12 records of accelerometer/landing/broken 2.json were quarantined (truncated); "
        f"1 record of 1 more file were quarantined. {LOOK.format('accelerometer')}{REPAIR}"
    )
    assert figures_of(check)["percent_quarantined"] == 20.0


def test_only_this_delivery_is_meant(own_graph):
    lake = Path(own_graph.lake_uri)
    deliver(lake, "accelerometer", STEPS[:3], "2.json")
    assert not delivered(own_graph, "accelerometer").passed
    deliver(lake, "accelerometer", READINGS[:1], "3.json")
    check = delivered(own_graph, "accelerometer")
    assert check.passed
    assert check.description == "No record of this delivery was quarantined (1 record read)."


def test_a_broken_customer_record_is_told_by_its_field(own_graph):
    deliver(
        Path(own_graph.lake_uri),
        "customer",
        [snapshot("ann", "a", NEW, None) | {"lastUpdateDate": "soon"}],
        "2.json",
    )
    assert delivered(own_graph, "customer").description.startswith(
        "1 of 1 record of customer/landing/2.json were quarantined (wrong_type:lastUpdateDate). "
    )
