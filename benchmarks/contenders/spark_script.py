"""The five tables by a bare PySpark script, with this product's transformations.

Run: `python -m benchmarks.contenders.spark_script ENGINE LAKE OUTPUT [TABLE…]`, where ENGINE is `sail` or a master of
Apache Spark. With tables, the others are there already: that is how a Glue job a table computes them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from benchmarks.contenders import FIELDS, KEY
from stedi_assets.transforms import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

# The columns of quarantined customers that say who is held back.
QUARANTINE = "persons array<string>, devices array<string>, snapshot_at bigint"


class Script:
    """The work on one session."""

    def __init__(self, session: SparkSession, lake: Path, output: Path) -> None:
        self.session, self.lake, self.output = session, lake, output
        self.steps: dict[str, Callable[[], DataFrame]] = {
            "customer_trusted": lambda: tables.trusted_customers(self.customers(), self.quarantine()),
            "accelerometer_trusted": lambda: tables.readings_of(
                self.landed("accelerometer", person="user"), self.table("customer_trusted")
            ),
            "customer_curated": lambda: tables.customers_with_readings(
                self.table("customer_trusted"), self.table("accelerometer_trusted")
            ),
            "step_trainer_trusted": lambda: tables.steps_of(
                self.landed("step_trainer", device="serialNumber"),
                self.table("customer_curated"),
                tables.shared_with_untrusted(
                    self.customers(), self.quarantine(), self.table("customer_trusted")
                ),
            ),
            "machine_learning_curated": lambda: tables.matched_readings(
                self.table("step_trainer_trusted"),
                self.table("accelerometer_trusted"),
                self.table("customer_curated"),
                KEY,
            ),
        }

    def landed(self, source: str, **names: str) -> DataFrame:
        """The records of a source, with who and which device they are of."""
        schema = ", ".join(f"`{name}` {kind}" for name, kind in FIELDS[source].items())
        rows = self.session.read.schema(schema).json(str(self.lake / source / "landing"))
        # Enough for the generated data, whose addresses differ in case and white space alone.
        return rows.withColumns({name: F.lower(F.trim(field)) for name, field in names.items()})

    def customers(self) -> DataFrame:
        """The records of customers."""
        return self.landed("customer", person="email", device="serialNumber")

    def quarantine(self) -> DataFrame:
        """No record: the landing files are well-formed."""
        return self.session.createDataFrame([], QUARANTINE)

    def table(self, name: str) -> DataFrame:
        """A table that was written before."""
        return self.session.read.parquet(str(self.output / name))


def main(engine: str, lake: str, output: str, *chosen: str) -> None:
    """Compute and write the tables."""
    if engine == "sail":
        from pysail.spark import SparkConnectServer

        server = SparkConnectServer("127.0.0.1", 0)
        server.start(background=True)
        builder = SparkSession.builder.remote("sc://{}:{}".format(*server.listening_address))
    else:
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        builder = SparkSession.builder.master(engine).config("spark.driver.bindAddress", "127.0.0.1")
        # As many as the cores, where 200 are the default: what anybody sets who measures once.
        builder = builder.config("spark.sql.shuffle.partitions", "2").config("spark.ui.enabled", "false")
    session = builder.getOrCreate()
    script = Script(session, Path(lake), Path(output))
    for name in chosen or script.steps:
        script.steps[name]().write.parquet(str(script.output / name))
    session.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
