"""The five derived tables of a few rows, or of whole landing tables, made as the assets make them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pyspark.sql import DataFrame

from stedi_assets.engine.session import SparkEngine
from stedi_assets.transforms import tables
from stedi_assets_tests.builders.rows import KEY, Row, frame

DERIVED = (
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
)


class Derived(Mapping[str, DataFrame]):
    """Tables by name. A derived table is computed when it is first asked for, from tables that are stored.

    So a test pays for the tables that it looks at, and no query has the queries of its inputs in it: Apache Spark took
    twice as long for one query of all.

    Args:
        sources: The landing tables and the quarantined customers, by name.
        transforms: The module that computes the others.
        consent_from_date: Whether readings from before consent are left out.
        on_timestamp_only: Whether pairs match on the time alone.
    """

    def __init__(
        self,
        sources: Mapping[str, DataFrame],
        transforms: Any = tables,
        *,
        consent_from_date: bool = False,
        on_timestamp_only: bool = False,
    ) -> None:
        self._stored = dict(sources)
        self._names = (*sources, *DERIVED)
        self._transforms = transforms
        self._from_date = {"consent_from_date": consent_from_date}
        self._on_timestamp_only = {"on_timestamp_only": on_timestamp_only}

    def __getitem__(self, name: str) -> DataFrame:
        if name not in self._stored:
            self._stored[name] = stored(self.query(name))
        return self._stored[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def query(self, name: str) -> DataFrame:
        """A derived table as a query that nobody has run."""
        customers = self["customer_landing"], self["customer_quarantine"]
        if name == "customer_trusted":
            return self._transforms.trusted_customers(*customers)
        trusted = self["customer_trusted"]
        if name == "accelerometer_trusted":
            return self._transforms.readings_of(self["accelerometer_landing"], trusted, **self._from_date)
        if name == "customer_curated":
            return self._transforms.customers_with_readings(trusted, self["accelerometer_trusted"])
        curated = self["customer_curated"]
        if name == "step_trainer_trusted":
            shared = self._transforms.shared_with_untrusted(*customers, trusted)
            return self._transforms.steps_of(self["step_trainer_landing"], curated, shared, **self._from_date)
        if name == "machine_learning_curated":
            inputs = self["step_trainer_trusted"], self["accelerometer_trusted"], curated
            return self._transforms.matched_readings(*inputs, KEY, **self._on_timestamp_only)
        raise KeyError(name)


def derived(
    engine: SparkEngine,
    customers: Iterable[Row] = (),
    readings: Iterable[Row] = (),
    steps: Iterable[Row] = (),
    *,
    quarantine: Iterable[Row] = (),
    **policies: bool,
) -> Derived:
    """The derived tables of a few rows, and the tables they are made from."""
    rows = {
        "customer_landing": customers,
        "customer_quarantine": quarantine,
        "accelerometer_landing": readings,
        "step_trainer_landing": steps,
    }
    return Derived({name: frame(engine, name, of_table) for name, of_table in rows.items()}, **policies)


def stored(data: DataFrame) -> DataFrame:
    """The rows of a frame as a new frame, which computes nothing again."""
    return data.sparkSession.createDataFrame(data.toArrow(), data.schema)
