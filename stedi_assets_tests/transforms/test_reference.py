"""The reference data: exactly the published counts, and the same rows on both engines."""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import ADDED
from stedi_assets.transforms import tables
from stedi_assets_tests.builders.rows import KEY, frame

README = Path(__file__).parents[2] / "README.md"

# (consent_from_date, on_timestamp_only): rows by table
EXPECTED = {
    (False, False): {
        "customer_landing": 956,
        "accelerometer_landing": 81_273,
        "step_trainer_landing": 28_680,
        "customer_trusted": 482,
        "accelerometer_trusted": 40_981,
        "customer_curated": 482,
        "step_trainer_trusted": 14_460,
        "machine_learning_curated": 40_981,
    },
    (True, False): {
        "customer_trusted": 482,
        "accelerometer_trusted": 32_025,
        "customer_curated": 464,
        "step_trainer_trusted": 11_297,
        "machine_learning_curated": 32_025,
    },
    (False, True): {
        "customer_trusted": 482,
        "accelerometer_trusted": 40_981,
        "customer_curated": 482,
        "step_trainer_trusted": 14_460,
        "machine_learning_curated": 43_681,
    },
}


class Stored(NamedTuple):
    rows: pa.Table
    frame: DataFrame


class Reference:
    """The tables of the reference data on one engine, as Arrow tables by policy and name."""

    def __init__(self, engine, folder):
        self.engine, self.folder = engine, folder

    def landing(self, source):
        schema = CONTRACTS[f"{source}_landing"].spark_schema
        fields = [field for field in schema if field.name not in ADDED]
        rows = self.engine.session.read.schema(StructType(fields)).json(
            f"file://{self.folder}/{source}/landing"
        )
        # Enough for the reference data, whose addresses differ in case alone.
        named = {"person": "email" if source == "customer" else "user", "device": "serialNumber"}
        return rows.withColumns(
            {name: F.lower(field) for name, field in named.items() if field in rows.columns}
        )

    @cached_property
    def tables(self):
        landing = {
            source: self._stored(self.landing(source))
            for source in ("customer", "accelerometer", "step_trainer")
        }
        # Nothing of the reference data is quarantined.
        customers = landing["customer"].frame, frame(self.engine, "customer_quarantine", [])
        trusted = self._stored(tables.trusted_customers(*customers))
        withheld = tables.shared_with_untrusted(*customers, trusted.frame)
        found = {}
        for consent_from_date in (False, True):
            policy = {"consent_from_date": consent_from_date}
            readings = self._stored(
                tables.readings_of(landing["accelerometer"].frame, trusted.frame, **policy)
            )
            curated = self._stored(tables.customers_with_readings(trusted.frame, readings.frame))
            steps = self._stored(
                tables.steps_of(landing["step_trainer"].frame, curated.frame, withheld, **policy)
            )
            for on_timestamp_only in (False, True):
                if (consent_from_date, on_timestamp_only) not in EXPECTED:
                    continue
                pairs = tables.matched_readings(
                    steps.frame, readings.frame, curated.frame, KEY, on_timestamp_only=on_timestamp_only
                )
                found[consent_from_date, on_timestamp_only] = {
                    **{f"{source}_landing": data.rows for source, data in landing.items()},
                    "customer_trusted": trusted.rows,
                    "accelerometer_trusted": readings.rows,
                    "customer_curated": curated.rows,
                    "step_trainer_trusted": steps.rows,
                    "machine_learning_curated": pairs.toArrow(),
                }
        return found

    def _stored(self, data):
        """As in the lake, a table is computed from its inputs' rows and not from their queries."""
        rows = data.toArrow()
        return Stored(rows, self.engine.session.createDataFrame(rows))


@pytest.fixture(scope="module")
def on_sail(sail_engine, shared):
    return Reference(sail_engine, shared / "reference")


@pytest.fixture(scope="module")
def on_spark(spark_engine, shared):
    return Reference(spark_engine, shared / "reference")


@pytest.mark.parametrize("policy", EXPECTED)
@pytest.mark.parametrize("engine_name", ["sail", "spark"])
def test_counts_are_as_published(request, engine_name, policy):
    reference = request.getfixturevalue(f"on_{engine_name}")
    counts = {name: table.num_rows for name, table in reference.tables[policy].items()}

    assert counts == EXPECTED[False, False] | EXPECTED[policy]


def test_both_engines_have_the_same_rows(on_sail, on_spark):
    for policy, tables_on_sail in on_sail.tables.items():
        for name, sail in tables_on_sail.items():
            spark = on_spark.tables[policy][name]
            order = [(column, "ascending") for column in sail.column_names]
            assert sail.schema.names == spark.schema.names
            assert sail.sort_by(order).equals(spark.cast(sail.schema).sort_by(order)), (policy, name)


def test_pages_say_what_the_reference_data_allow(on_sail):
    rows, since_consent = (
        on_sail.tables[policy, False]["machine_learning_curated"].to_pandas() for policy in (False, True)
    )
    moments = rows.drop_duplicates(["customer_key", "sensorReadingTime"]).sort_values("sensorReadingTime")
    assert len(moments) == len(
        rows.drop_duplicates(["customer_key", "sensorReadingTime", "distanceFromObject"])
    )
    times = moments.groupby("customer_key")["sensorReadingTime"]
    (in_session,) = times.size().unique()
    intervals = times.agg(lambda time: set(time.diff().dropna()))
    assert intervals.map(len).max() == 1
    shortest, longest = (bound(map(min, intervals)) // 1000 for bound in (min, max))
    axes = sorted({int(value) for axis in "xyz" for value in rows[axis]})
    strongest = rows[["x", "y", "z"]].corrwith(rows["distanceFromObject"]).abs().max()
    share = moments["distanceFromObject"].value_counts(normalize=True)
    assert share.between(0.007, 0.013).all()
    # Found in 80 % of trials, at 5 % of false alarms: these quantiles of the normal distribution.
    visible = (1.96 + 0.84) / len(moments) ** 0.5
    early = f"{1 - len(since_consent) / len(rows):.0%}".replace("%", " %")

    readme = " ".join(
        README.read_text().partition("\n## What the data allow\n")[2].partition("\n## ")[0].split()
    )
    for said in (
        f"{len(rows):,} rows are {len(moments):,} moments of {rows['customer_key'].nunique()} people",
        f"{in_session} moments at one constant interval, which is {shortest:.0f} to {longest:.0f} seconds",
        f"from {share.index.min()} to {share.index.max()}, and axes are {axes[0]}, {axes[1]} or {axes[2]}",
        f"by more than {round(strongest + 0.0005, 3)}, where {visible:.3f} would be found",
        f"{early} of the rows precede the person's consent",
    ):
        assert said in readme
    description = CONTRACTS["machine_learning_curated"].description
    assert f"moments are {shortest:.0f} to {longest:.0f} seconds apart" in description
    assert f"{early} of the rows precede the person's consent" in description
