"""Each consent condition of the transforms turned around, one at a time: some check must block every one.

A mutant is the transforms' own text with one condition changed. The small lake has a person for each condition.
"""

import inspect
import types

import pytest

from stedi_assets.transforms import tables
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.checks.blocking import DERIVED, blocking

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
    "refusing people are kept": ('.join(refusing, "person", "left_anti")', ""),
    "refusing people alone are kept": (
        '.join(refusing, "person", "left_anti")',
        '.join(refusing, "person", "left_semi")',
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
        'customer_trusted.select(*owner), ["device"], "left_anti"',
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


def blocking_with(
    graph: Graph, original: str, changed: str, patch: pytest.MonkeyPatch
) -> set[tuple[str, str]]:
    """The checks that block when the assets use transforms in which a text is changed."""
    text = inspect.getsource(tables)
    assert text.count(original) == 1, "the transforms changed: change this mutant with them"
    mutant = types.ModuleType(tables.__name__)
    exec(compile(text.replace(original, changed), tables.__file__, "exec"), vars(mutant))
    with patch.context() as patched:
        for name, value in vars(mutant).items():
            if inspect.isfunction(value):
                patched.setattr(tables, name, value)
        return blocking(graph, graph.run(*DERIVED, ok=False))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_check_blocks_each_condition_turned_around(graph, monkeypatch, condition):
    found = blocking_with(graph, *CONDITIONS[condition], monkeypatch)
    assert {check for _, check in found} & {"consent", "contract", "same_person"}


@pytest.mark.parametrize("condition", CONDITIONS_OF_DATES)
def test_a_check_blocks_each_condition_on_dates_turned_around(from_date, monkeypatch, condition):
    found = blocking_with(from_date, *CONDITIONS_OF_DATES[condition], monkeypatch)
    assert {check for _, check in found} == {"consent"}


def test_no_check_blocks_the_transforms_as_they_are(graph, monkeypatch):
    assert blocking_with(graph, "import annotations", "import annotations", monkeypatch) == set()
