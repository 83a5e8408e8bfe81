"""``consent``: somebody without consent gets into a table by a fault of a transform."""

import pyspark.sql.functions as F
import pytest

from stedi_assets.transforms import tables
from stedi_assets.transforms.pseudonym import with_customer_key
from stedi_assets_tests.builders.graph import KEY
from stedi_assets_tests.builders.small_lake import EARLY, e_mail
from stedi_assets_tests.checks.blocking import (
    assert_blocked,
    assert_publishes,
    below,
    checks_in_log,
    figures_of,
)

BOB = e_mail("bob")


def trusted_customers(real):
    def with_bobs_old_snapshot(customer_landing):
        bob = customer_landing.where((F.col("email") == BOB) & (F.col("shareWithResearchAsOfDate") > 0))
        return real(customer_landing).unionByName(bob.select(*tables.CUSTOMER))

    return with_bobs_old_snapshot


def readings_of(real):
    def with_bobs(accelerometer_landing, customer_trusted, **policies):
        bobs = accelerometer_landing.where(F.col("user") == BOB).select(*tables.ACCELEROMETER)
        return real(accelerometer_landing, customer_trusted, **policies).unionByName(bobs)

    return with_bobs


def customers_with_readings(real):
    def with_bob(customer_trusted, accelerometer_trusted):
        # A row as if of a person who consented.
        bob = customer_trusted.where(F.col("email") == e_mail("ann")).withColumn("person", F.lit(BOB))
        return real(customer_trusted, accelerometer_trusted).unionByName(bob)

    return with_bob


def steps_of(real):
    def with_those_of_the_shared_device(step_trainer_landing, customer_curated, withheld_devices, **policies):
        return real(step_trainer_landing, customer_curated, withheld_devices.limit(0), **policies)

    return with_those_of_the_shared_device


def matched_readings(real):
    def with_bobs_key(steps, readings, customers, key, **policies):
        people = steps.sparkSession.range(1).select(F.lit(BOB).alias("person"))
        bob = with_customer_key(people, key).select("customer_key")
        pairs = real(steps, readings, customers, key, **policies)
        anns = pairs.where(F.col("distanceFromObject") == 100).drop("customer_key")
        return pairs.unionByName(bob.crossJoin(anns))

    return with_bobs_key


# By table: the function that is at fault, and how many rows get in by it.
FAULTS = {
    "customer_trusted": (trusted_customers, 1),
    "accelerometer_trusted": (readings_of, 4),
    "customer_curated": (customers_with_readings, 1),
    "step_trainer_trusted": (steps_of, 3),
    "machine_learning_curated": (matched_readings, 3),
}


@pytest.mark.parametrize("table", FAULTS)
def test_rows_without_consent_block_a_table(graph, monkeypatch, table):
    fault, rows = FAULTS[table]
    with monkeypatch.context() as patch:
        patch.setattr(tables, fault.__name__, fault(getattr(tables, fault.__name__)))
        assert_blocked(graph, table, "consent", rows_without_consent=rows, consent_from_date=False)
    assert_publishes(graph, table)


def heedless_of_dates(real):
    def heedless(*frames, consent_from_date):
        assert consent_from_date
        return real(*frames, consent_from_date=False)

    return heedless


@pytest.mark.parametrize(
    ("function", "table", "rows"),
    [("readings_of", "accelerometer_trusted", 9), ("steps_of", "step_trainer_trusted", 7)],
)
def test_readings_from_before_consent_block_a_table_under_the_policy(
    from_date, monkeypatch, function, table, rows
):
    with monkeypatch.context() as patch:
        patch.setattr(tables, function, heedless_of_dates(getattr(tables, function)))
        assert_blocked(from_date, table, "consent", rows_without_consent=rows, consent_from_date=True)
    assert_publishes(from_date, table)


def test_pairs_from_before_consent_block_under_the_policy(from_date, monkeypatch):
    def a_day_early(real):
        def early(*frames, **policies):
            pairs = real(*frames, **policies)
            return pairs.withColumn("sensorReadingTime", F.lit(EARLY).cast("bigint"))

        return early

    table = "machine_learning_curated"
    with monkeypatch.context() as patch:
        patch.setattr(tables, "matched_readings", a_day_early(tables.matched_readings))
        assert_blocked(from_date, table, "consent", rows_without_consent=from_date.rows()[table])
    assert_publishes(from_date, table)


def test_the_policy_itself_is_kept(from_date):
    assert [row for row in from_date.table("accelerometer_trusted") if row["timestamp"] <= EARLY] == []
    assert from_date.rows()["accelerometer_trusted"] == 19


def test_passing_checks_say_what_they_compared(graph, good_run):
    for table in below("customer_trusted"):
        assert figures_of(checks_in_log(graph, good_run)[table, "consent"]) == {
            "rows": graph.rows()[table],
            "rows_without_consent": 0,
            "consent_from_date": False,
        }


def test_the_key_is_in_no_check(graph, good_run):
    assert KEY not in repr(checks_in_log(graph, good_run))
