"""The curated tables: customers with readings, and readings ready for machine learning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets import derived_checks, derived_figures
from stedi_assets.assets.lake_table import lake_table
from stedi_assets.privacy.pseudonym import pseudonym_key
from stedi_assets.transforms import increments, tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from stedi_assets.settings import Settings


@lake_table(
    group="curated",
    subset_of="customer_trusted",
    grows=increments.OF_CUSTOMERS_WITH_READINGS,
    reconcile=derived_checks.reconcile_curated_customers,
    checks={"consent": derived_checks.CONSENT_OF_CUSTOMERS},
    figures=derived_figures.curated_customers,
    said=derived_figures.OF_CURATED_CUSTOMERS,
)
def customer_curated(customer_trusted: DataFrame, accelerometer_trusted: DataFrame) -> DataFrame:
    """Customers who consent to research and have accelerometer readings."""
    return tables.customers_with_readings(customer_trusted, accelerometer_trusted)


@lake_table(
    group="curated",
    grows=increments.OF_PAIRS,
    reconcile=derived_checks.reconcile_pairs,
    # Two people's devices may read the same distance at a moment, and each pairs with the same accelerometer reading.
    rows_may_repeat=lambda settings: settings.ml_match == "timestamp",
    checks={"consent": derived_checks.CONSENT_OF_PAIRS, "same_person": derived_checks.SAME_PERSON},
    figures=derived_figures.matched_readings,
    said=derived_figures.OF_PAIRS,
    lineage={
        "customer_key": (("accelerometer_trusted", "person"), ("customer_curated", "person")),
        "sensorReadingTime": (
            ("step_trainer_trusted", "sensorReadingTime"),
            ("accelerometer_trusted", "timestamp"),
        ),
        "distanceFromObject": (("step_trainer_trusted", "distanceFromObject"),),
        "x": (("accelerometer_trusted", "x"),),
        "y": (("accelerometer_trusted", "y"),),
        "z": (("accelerometer_trusted", "z"),),
    },
)
def machine_learning_curated(
    step_trainer_trusted: DataFrame,
    accelerometer_trusted: DataFrame,
    customer_curated: DataFrame,
    settings: Settings,
) -> DataFrame:
    """One row per step reading and accelerometer reading of the same person at the same millisecond."""
    return tables.matched_readings(
        step_trainer_trusted,
        accelerometer_trusted,
        customer_curated,
        pseudonym_key(settings),
        on_timestamp_only=settings.ml_match == "timestamp",
    )
