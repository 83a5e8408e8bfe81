"""Consent withdrawn: gone from trusted and curated tables with the next run, from their history with retention."""

from datetime import timedelta
from pathlib import Path

import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.maintenance import retain
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.rows import T0
from stedi_assets_tests.builders.three_people import MARKS, VIC, VIC_NAME, VIC_SERIAL, vic
from stedi_assets_tests.byte_search import holding

TRUSTED = (
    "customer/trusted",
    "customer/curated",
    "accelerometer/trusted",
    "step_trainer/trusted",
    "machine_learning",
)
DERIVED = (
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
)


@pytest.fixture
def lake(three_people) -> Graph:
    return three_people


@pytest.fixture
def folder(lake) -> Path:
    return Path(lake.lake_uri)


def test_a_newer_snapshot_without_consent_takes_the_person_out_of_every_table(lake, folder):
    assert lake.rows() == dict(zip(lake.rows(), (3, 15, 15, 2, 10, 2, 10, 10), strict=True))
    key = {row["customer_key"] for row in lake.table("machine_learning_curated")}
    deliver(folder, "customer", [vic(updated=T0 + 1, research=None)], "two.json")
    lake.run()
    assert lake.rows() == dict(zip(lake.rows(), (4, 15, 15, 1, 5, 1, 5, 5), strict=True))
    for name in DERIVED:
        rows = repr(lake.table(name)).lower()
        assert not any(mark.lower() in rows for mark in MARKS), name
    assert {row["customer_key"] for row in lake.table("machine_learning_curated")} < key


def test_consent_given_again_brings_the_person_back(lake, folder):
    deliver(folder, "customer", [vic(updated=T0 + 1, research=None)], "two.json")
    lake.run()
    deliver(folder, "customer", [vic(updated=T0 + 2)], "three.json")
    lake.run()
    assert lake.rows() == dict(zip(lake.rows(), (5, 15, 15, 2, 10, 2, 10, 10), strict=True))


def test_after_retention_no_byte_of_trusted_tables_has_the_person(lake, folder):
    deliver(folder, "customer", [vic(updated=T0 + 1, research=None)], "two.json")
    lake.run()
    # The search finds what it looks for: history has the person still.
    assert all(holding(folder / table, *MARKS) for table in TRUSTED[:-1])
    for name in CONTRACTS:
        retain(lake.lake, name, keep=timedelta(0), grace=timedelta(0))
    assert [file for table in TRUSTED for file in holding(folder / table, *MARKS)] == []
    for mark in (VIC, VIC_NAME, VIC_SERIAL):
        assert holding(folder / "customer" / "landing", mark)
        assert holding(folder / "customer" / "ingested", mark)


def test_metadata_has_no_bounds_of_what_names_a_person(lake, folder):
    manifests = [file for file in holding(folder, "example", "Victoria", "99999999") if "/metadata/" in file]
    assert manifests == []
    # The search reads manifests: source files are named in them, as bounds of a column that names nobody.
    assert any("/metadata/" in file for file in holding(folder, "customer/landing"))
