"""The trusted tables: what people who consent to research left in the landing tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets import derived_checks, derived_figures
from stedi_assets.assets.lake_table import lake_table
from stedi_assets.transforms import increments, tables

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from stedi_assets.settings import Settings


@lake_table(
    group="trusted",
    subset_of="customer_landing",
    reconcile=derived_checks.reconcile_trusted_customers,
    checks={"consent": derived_checks.CONSENT_OF_TRUSTED_CUSTOMERS},
    figures=derived_figures.trusted_customers,
    said=derived_figures.OF_TRUSTED_CUSTOMERS,
)
def customer_trusted(customer_landing: DataFrame, customer_quarantine: DataFrame) -> DataFrame:
    """Newest snapshot of each person and device, of people who consent to research now."""
    return tables.trusted_customers(customer_landing, customer_quarantine)


@lake_table(
    group="trusted",
    subset_of="accelerometer_landing",
    grows=increments.OF_READINGS,
    reconcile=derived_checks.reconcile_readings,
    checks={"consent": derived_checks.CONSENT_OF_READINGS},
)
def accelerometer_trusted(
    accelerometer_landing: DataFrame, customer_trusted: DataFrame, settings: Settings
) -> DataFrame:
    """Distinct readings of people who consent to research."""
    return tables.readings_of(
        accelerometer_landing, customer_trusted, consent_from_date=settings.consent_from_date
    )


@lake_table(
    group="trusted",
    subset_of="step_trainer_landing",
    grows=increments.OF_STEPS,
    reconcile=derived_checks.reconcile_steps,
    checks={"consent": derived_checks.CONSENT_OF_STEPS},
    figures=derived_figures.withheld_steps,
)
def step_trainer_trusted(  # noqa: PLR0913, PLR0917 - each table that says who owns a device
    step_trainer_landing: DataFrame,
    customer_curated: DataFrame,
    customer_landing: DataFrame,
    customer_quarantine: DataFrame,
    customer_trusted: DataFrame,
    settings: Settings,
) -> DataFrame:
    """Distinct readings of devices whose owners all consent to research and have accelerometer readings."""
    return tables.steps_of(
        step_trainer_landing,
        customer_curated,
        tables.shared_with_untrusted(customer_landing, customer_quarantine, customer_trusted),
        consent_from_date=settings.consent_from_date,
    )
