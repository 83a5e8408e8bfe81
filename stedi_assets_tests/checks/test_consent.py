"""``consent``: somebody without consent gets into a table by a fault of a transform."""

import dagster as dg
import pyspark.sql.functions as F
import pytest

from stedi_assets.transforms import tables
from stedi_assets.transforms.pseudonym import with_customer_key
from stedi_assets_tests.builders.graph import KEY
from stedi_assets_tests.builders.small_lake import DAY, EARLY, PEOPLE, TRUSTED, e_mail, serial
from stedi_assets_tests.checks.blocking import (
    assert_blocked,
    assert_publishes,
    below,
    checks_in_log,
    events,
    figures_of,
)

BOB = e_mail("bob")
NOTHING_WAITS = {"people_held_back": 0, "records_naming_nobody": 0, "devices_withheld": 0}


def trusted_customers(real):
    def with_bobs_old_snapshot(customer_landing, customer_quarantine):
        bob = customer_landing.where((F.col("email") == BOB) & (F.col("shareWithResearchAsOfDate") > 0))
        return real(customer_landing, customer_quarantine).unionByName(bob.select(*tables.CUSTOMER))

    return with_bobs_old_snapshot


def readings_of(real):
    def with_bobs(accelerometer_landing, customer_trusted, **policies):
        bobs = accelerometer_landing.where(F.col("user") == BOB).select(*tables.ACCELEROMETER)
        return real(accelerometer_landing, customer_trusted, **policies).unionByName(bobs)

    return with_bobs


def customers_with_readings(real):
    def with_bob(customer_trusted, accelerometer_trusted):
        # A row as if of a person who consented.
        ann = customer_trusted.where(F.col("person") == e_mail("ann"))
        bob = ann.withColumns({"email": F.lit(BOB), "person": F.lit(BOB)})
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
            return pairs.withColumn("sensorReadingTime", F.col("sensorReadingTime") - 9 * DAY)

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
            **(NOTHING_WAITS if table == "customer_trusted" else {}),
        }


def test_people_held_back_are_a_warning_with_figures_and_their_table_is_published(odd):
    result = odd.run()
    check = checks_in_log(odd, result)["customer_trusted", "consent"]
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    figures = figures_of(check)
    assert ": 4 people and " in check.description
    assert "look at them with: stedi quarantine --source customer --records 100" in check.description
    assert figures == {
        "rows": 6,
        "rows_without_consent": 0,
        "consent_from_date": False,
        # Ann, Gus, Jo and Zoe.
        "people_held_back": 4,
        "records_naming_nobody": 1,
        # All but Kim's.
        "devices_withheld": 5,
    }
    assert {row["person"] for row in odd.table("customer_trusted")} == {
        e_mail(person) for person in TRUSTED - {"ann", "gus", "jo"}
    }
    devices = {"f", "k1", "k2"}
    assert {row["device"] for row in odd.table("step_trainer_trusted")} == {serial(name) for name in devices}
    materialized = {
        data.materialization.asset_key.to_user_string()
        for data in events(odd, result, dg.DagsterEventType.ASSET_MATERIALIZATION)
    }
    assert materialized >= below("customer_trusted")


def test_rows_without_consent_block_a_table_of_which_people_are_held_back(odd, monkeypatch):
    def with_ann(real):
        def heedless(customer_landing, customer_quarantine):
            others = customer_quarantine.where(~F.array_contains("persons", e_mail("ann")))
            return real(customer_landing, others)

        return heedless

    with monkeypatch.context() as patch:
        patch.setattr(tables, "trusted_customers", with_ann(tables.trusted_customers))
        assert_blocked(odd, "customer_trusted", "consent", rows_without_consent=1, people_held_back=4)
    assert_publishes(odd, "customer_trusted")


def test_figures_of_people_held_back_name_nobody(odd):
    found = repr(checks_in_log(odd, odd.run()))
    assert [text for text in (*PEOPLE, "zoe") if e_mail(text) in found] == []


def test_the_key_is_in_no_check(graph, good_run):
    assert KEY not in repr(checks_in_log(graph, good_run))
