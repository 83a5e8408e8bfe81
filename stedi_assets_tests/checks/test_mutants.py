"""Each condition of the transforms turned around, one at a time: some check must block every one.

A mutant is the transforms' own text with one condition changed. The small lake has a person for each condition on
consent; the odd lake has quarantined customer records, and readings that are alike.
"""

import inspect
import types

import pytest

from stedi_assets.transforms import held_back, tables
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.checks.blocking import DERIVED, blocking
from stedi_assets_tests.shares import share

IN_PEOPLE = '.agg(F.max(F.struct("lastUpdateDate", "refuses")).alias("newest"))'
REFUSING = 'F.when(consented(), 0).otherwise(1).alias("refuses")'
CONDITIONS = {
    # A row carries consent.
    "no date is consent": (
        'F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(0)) > 0',
        'F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(1)) > 0',
    ),
    "zero is consent": (
        'F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(0)) > 0',
        'F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(-1)) >= 0',
    ),
    "consent is refusal": (REFUSING, 'F.when(consented(), 1).otherwise(0).alias("refuses")'),
    "nobody refuses": (REFUSING, 'F.lit(0).alias("refuses")'),
    # The newest snapshot of the person.
    "oldest answer of a person": (IN_PEOPLE, IN_PEOPLE.replace("F.max", "F.min")),
    "any answer of a person": (
        IN_PEOPLE,
        '.agg(F.struct(F.min("refuses").alias("refuses")).alias("newest"))',
    ),
    "a tie of a person is consent": (
        IN_PEOPLE,
        IN_PEOPLE.replace('"refuses")', '(1 - F.col("refuses")).alias("refuses"))')
        + '.select("person", F.struct((1 - F.col("newest.refuses")).alias("refuses")).alias("newest"))',
    ),
    "who consents is refusing": ('.where("newest.refuses = 1")', '.where("newest.refuses = 0")'),
    "refusing people are kept": ('.join(outside, "person", "left_anti")', ""),
    "refusing people alone are kept": (
        '.join(outside, "person", "left_anti")',
        '.join(outside, "person", "left_semi")',
    ),
    "people are told apart by spelling": (
        "snapshots = customer_landing.select(",
        'snapshots = customer_landing.withColumn("person", F.col("email")).select(',
    ),
    # The newest snapshot of the device.
    "oldest answer of a device": ('F.col("lastUpdateDate").desc()', 'F.col("lastUpdateDate").asc()'),
    "a tie of a device is consent": ('F.col("refuses").desc()', 'F.col("refuses").asc()'),
    "any snapshot of a device": ('.where("rank = 1 AND refuses = 0")', '.where("refuses = 0")'),
    "refused devices are kept": ('.where("rank = 1 AND refuses = 0")', '.where("rank = 1")'),
    "refused devices alone are kept": (
        '.where("rank = 1 AND refuses = 0")',
        '.where("rank = 1 AND refuses = 1")',
    ),
    # Whose readings.
    "readings of all others": (
        'kept = readings.join(people, "person", "left_semi")',
        'kept = readings.join(people, "person", "left_anti")',
    ),
    "readings of everybody": ('kept = readings.join(people, "person", "left_semi")', "kept = readings"),
    # Whose steps.
    "steps of all other devices": (
        'kept = steps.join(devices, "device", "left_semi")',
        'kept = steps.join(devices, "device", "left_anti")',
    ),
    "steps of every device": ('kept = steps.join(devices, "device", "left_semi")', "kept = steps"),
    "steps of devices with other owners": (
        'kept.join(withheld_devices, "device", "left_anti")',
        "kept",
    ),
    "steps of devices with other owners alone": (
        'kept.join(withheld_devices, "device", "left_anti")',
        'kept.join(withheld_devices, "device", "left_semi")',
    ),
    "other owners by device alone": (
        'customer_trusted.select(*owner), owner, "left_anti"',
        'customer_trusted.select(*owner), "device", "left_anti"',
    ),
    # Whose pairs.
    "pairs of strangers": ("if on_timestamp_only:", "if not on_timestamp_only:"),
}
SINCE = 'F.max("shareWithResearchAsOfDate").alias("since")'
CONDITIONS_OF_DATES = {
    "readings until consent": ('F.col("timestamp") >= F.col("since")', 'F.col("timestamp") < F.col("since")'),
    "readings at any time": ('F.col("timestamp") >= F.col("since")', "F.lit(True)"),
    "steps until consent": (
        'F.col("sensorReadingTime") >= F.col("since")',
        'F.col("sensorReadingTime") < F.col("since")',
    ),
    "steps at any time": ('F.col("sensorReadingTime") >= F.col("since")', "F.lit(True)"),
    "the first consent counts": (SINCE, SINCE.replace("F.max", "F.min")),
}


CONDITIONS_OF_QUARANTINE = {
    "people held back are trusted": (
        "outside = refusing.unionByName(people_held_back(customer_landing, customer_quarantine))",
        "outside = refusing",
    ),
    "who is not held back is": (".where(~surely_older)", ".where(surely_older)"),
    "a record as old as what landed holds nobody back": (
        'F.col("snapshot_at") < F.col("newest")',
        'F.col("snapshot_at") <= F.col("newest")',
    ),
    "an undated record holds nobody back": ('F.col("newest"), F.lit(False)', 'F.col("newest"), F.lit(True)'),
    "devices that a record names are not withheld": (
        ".unionByName(devices_held_back(customer_quarantine, customer_trusted))",
        "",
    ),
    "a record that names nobody withholds no device": ('F.explode_outer("persons")', 'F.explode("persons")'),
    "devices that trusted people's records name alone are withheld": (
        'customer_trusted.select("person"), "person", "left_anti"',
        'customer_trusted.select("person"), "person", "left_semi"',
    ),
}
GROUP = 'kept.groupBy("person", "timestamp", "x", "y", "z")'
A_READING_A_MILLISECOND = (
    'kept.groupBy("person", "timestamp").agg(*(F.min(name).alias(name) for name in ("user", "x", "y", "z")))'
)
DISTINCT_STEPS = '.groupBy("sensorReadingTime", "device", "distanceFromObject")'
A_STEP_A_DISTANCE = (
    '.groupBy("device", "distanceFromObject", "serialNumber").agg(F.min("sensorReadingTime").alias('
)
A_STEP_A_DISTANCE += '"sensorReadingTime"))'
CONDITIONS_OF_ROWS = {
    "a device a person": ('Window.partitionBy("person", "device")', 'Window.partitionBy("person")'),
    "a reading a millisecond": (GROUP, GROUP.replace("kept", A_READING_A_MILLISECOND)),
    "a reading a spelling": (
        GROUP,
        'kept.groupBy("person", "timestamp", "x", "y", "z", F.col("user").alias("u"))',
    ),
    "the greatest spelling of an address": ('F.min("user")', 'F.max("user")'),
    "some readings are lost": (GROUP, GROUP.replace("kept", 'kept.where("x > 0.05")')),
    "some customers are lost": (
        'people = accelerometer_trusted.select("person")',
        'people = accelerometer_trusted.where("x > 0.05").select("person")',
    ),
    "customers without readings are curated": (
        'customer_trusted.join(people, "person", "left_semi")',
        "customer_trusted",
    ),
    "a step a device and distance": (DISTINCT_STEPS, f"{A_STEP_A_DISTANCE}{DISTINCT_STEPS}"),
    "a step a spelling": (DISTINCT_STEPS, f'{DISTINCT_STEPS[:-1]}, F.col("serialNumber").alias("s"))'),
    "the greatest spelling of a serial number": ('F.min("serialNumber")', 'F.max("serialNumber")'),
    "a pair a device": ("own.distinct()", "own"),
    "a pair is of any two people": (
        'own.distinct(), ["sensorReadingTime", "person"]',
        'own.drop("person").distinct(), ["sensorReadingTime"]',
    ),
    "some pairs are lost": ('.join(keys, "person")', '.join(keys, "person").where("x > 0.05")'),
}


def blocking_with(
    graph: Graph, original: str, changed: str, patch: pytest.MonkeyPatch
) -> set[tuple[str, str]]:
    """The checks that block when the assets use transforms in which a text is changed."""
    # The second module's functions take the place of those that the first imports.
    texts = [inspect.getsource(module) for module in (tables, held_back)]
    assert "".join(texts).count(original) == 1, "the transforms changed: change this mutant with them"
    mutant = types.ModuleType(tables.__name__)
    for text in texts:
        exec(compile(text.replace(original, changed), tables.__file__, "exec"), vars(mutant))
    with patch.context() as patched:
        for name, value in vars(mutant).items():
            if inspect.isfunction(value):
                patched.setattr(tables, name, value, raising=False)
        return blocking(graph, graph.run(*DERIVED, whole=True, ok=False))


@pytest.mark.parametrize(
    "condition",
    share(
        CONDITIONS,
        "no date is consent",
        "any answer of a person",
        "people are told apart by spelling",
        "any snapshot of a device",
        "readings of everybody",
        "other owners by device alone",
        "pairs of strangers",
    ),
)
def test_a_check_blocks_each_condition_turned_around(graph, monkeypatch, condition):
    found = {check for _, check in blocking_with(graph, *CONDITIONS[condition], monkeypatch)}
    assert found & {"consent", "contract", "same_person"}
    assert found & {"contract", "row_count"}


@pytest.mark.parametrize("condition", share(CONDITIONS_OF_DATES, "readings at any time", "steps at any time"))
def test_a_check_blocks_each_condition_on_dates_turned_around(from_date, monkeypatch, condition):
    found = blocking_with(from_date, *CONDITIONS_OF_DATES[condition], monkeypatch)
    assert {check for _, check in found} == {"consent", "row_count"}


@pytest.mark.parametrize(
    "condition",
    share(
        CONDITIONS_OF_QUARANTINE,
        "a record as old as what landed holds nobody back",
        "devices that a record names are not withheld",
    ),
)
def test_a_check_blocks_each_condition_on_quarantine_turned_around(odd, monkeypatch, condition):
    found = blocking_with(odd, *CONDITIONS_OF_QUARANTINE[condition], monkeypatch)
    assert {check for _, check in found} == {"consent", "row_count"}


@pytest.mark.parametrize(
    "condition",
    share(
        CONDITIONS_OF_ROWS,
        "a reading a millisecond",
        "the greatest spelling of an address",
        "some customers are lost",
        "a step a spelling",
        "a pair a device",
    ),
)
def test_a_check_blocks_rows_that_are_lost_doubled_or_changed(odd, monkeypatch, condition):
    found = blocking_with(odd, *CONDITIONS_OF_ROWS[condition], monkeypatch)
    assert {check for _, check in found} & {"contract", "row_count"}


@pytest.mark.parametrize("lake", ["graph", "odd", "from_date"])
def test_no_check_blocks_the_transforms_as_they_are(request, monkeypatch, lake):
    found = blocking_with(
        request.getfixturevalue(lake), "def trusted_customers", "def trusted_customers", monkeypatch
    )
    assert found == set()
