"""Real broken deliveries, from file to table, in exact figures."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stedi_assets.sources import SOURCES
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.engines import RunningEngine

Tables = dict[str, list[dict[str, Any]]]
TABLES = [f"{source}_{kind}" for source in SOURCES for kind in ("landing", "quarantine")]


def deliver(shared: Path, lake: Path) -> Path:
    for sample in (shared / "landing_samples").iterdir():
        source = next(source for source in SOURCES if sample.name.startswith(source))
        folder = lake / source / "landing"
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sample, folder / sample.name)
    return lake


def rows_of(tables: Tables, table: str, name: str) -> list[dict]:
    return [row for row in tables[table] if Path(row["source_file"]).name == name]


@pytest.fixture(scope="module")
def landed_on(shared, tmp_path_factory) -> Callable[[RunningEngine], Tables]:
    """Lands the samples on an engine, once, and gives the rows of every table."""
    found: dict[str, Tables] = {}

    def landed(engine: RunningEngine) -> Tables:
        if engine.spark not in found:
            graph = Graph(str(deliver(shared, tmp_path_factory.mktemp("samples"))), engine)
            graph.run(*TABLES)
            found[engine.spark] = {table: graph.table(table) for table in (*TABLES, "landing_files")}
        return found[engine.spark]

    return landed


@pytest.fixture
def tables(landed_on, engine) -> Tables:
    return landed_on(engine)


@pytest.mark.parametrize(
    ("name", "landed", "quarantined", "repaired"),
    [
        ("customer_999_glued.json", 999, 0, {"glued": 998}),
        ("accelerometer_jsonl_truncated.json", 25_126, 1, {}),
        ("step_trainer_trailing_commas_29970_with_5_dup_keys.json", 29_970, 0, {"comma": 29_969}),
        ("customer_empty_1.json", 0, 0, {}),
    ],
)
def test_what_can_be_read_lands(tables, name, landed, quarantined, repaired):
    (entry,) = rows_of(tables, "landing_files", name)
    assert (entry["records"], entry["landed"], entry["quarantined"]) == (
        landed + quarantined,
        landed,
        quarantined,
    )
    assert json.loads(entry["repaired"]).items() >= repaired.items()
    assert len(rows_of(tables, f"{entry['source']}_landing", name)) == landed
    assert len(rows_of(tables, f"{entry['source']}_quarantine", name)) == quarantined


def test_the_record_that_was_cut_off_is_kept_as_it_is(tables):
    (record,) = rows_of(tables, "accelerometer_quarantine", "accelerometer_jsonl_truncated.json")
    assert len(record["raw_text"]) == 56
    assert record["reasons"] == ["truncated"]
    assert record["source_position"] == 2_122_278 - 56


def test_consent_written_as_a_float_or_null_and_phones_written_as_numbers(tables):
    rows = rows_of(tables, "customer_landing", "customer_956_nulls_floatdates_numericphone.json")
    assert len(rows) == 956
    assert sum(row["shareWithResearchAsOfDate"] is None for row in rows) == 474
    assert {row["phone"] for row in rows} == {"8015551212"}


@pytest.mark.parametrize("name", ["customer_export.csv", "accelerometer_export.csv"])
def test_all_rows_of_the_csv_exports(tables, shared, name):
    with (shared / "landing_samples" / name).open(newline="") as export:
        rows = list(csv.DictReader(export))
    source = name.partition("_")[0]
    landed = rows_of(tables, f"{source}_landing", name)
    column = "user" if source == "accelerometer" else "email"
    assert len(rows) > 0
    assert [row[column] for row in sorted(landed, key=lambda row: row["source_position"])] == [
        row[column] for row in rows
    ]


def test_both_engines_land_the_same_rows(landed_on, engines):
    found = [
        sorted(
            repr((table, row | {"ingested_at": 0})) for table in TABLES for row in landed_on(engine)[table]
        )
        for engine in engines
    ]
    assert found[0] == found[1]
