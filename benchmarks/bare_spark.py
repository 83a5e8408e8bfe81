"""The eight tables as a bare Spark script, the named alternative of ``whole_run``: no checks, no catalog, no UI.

Run as ``python -m benchmarks.bare_spark LAKE OUTPUT`` on well-formed landing files.
"""

import os
import sys
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import ADDED
from stedi_assets.transforms import tables


def main(lake: Path, output: Path) -> None:
    """Compute and write the eight tables on ``local[2]``."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )

    def landed(source: str) -> DataFrame:
        schema = CONTRACTS[f"{source}_landing"].spark_schema
        fields = StructType([field for field in schema if field.name not in ADDED])
        rows = spark.read.schema(fields).json(str(lake / source / "landing"))
        # Enough for the generated data, whose addresses differ in case and white space alone.
        named = {"person": "email" if source == "customer" else "user", "device": "serialNumber"}
        made = {name: F.lower(F.trim(field)) for name, field in named.items() if field in rows.columns}
        return keep(f"{source}_landing", rows.withColumns(made))

    def keep(name: str, frame: DataFrame) -> DataFrame:
        frame.write.parquet(str(output / name))
        return spark.read.parquet(str(output / name))

    customers, readings, steps = landed("customer"), landed("accelerometer"), landed("step_trainer")
    # A landing file is well-formed, so nothing is quarantined.
    quarantine = spark.createDataFrame([], CONTRACTS["customer_quarantine"].spark_schema)
    trusted = keep("customer_trusted", tables.trusted_customers(customers, quarantine))
    readings = keep("accelerometer_trusted", tables.readings_of(readings, trusted))
    curated = keep("customer_curated", tables.customers_with_readings(trusted, readings))
    withheld = tables.shared_with_untrusted(customers, quarantine, trusted)
    steps = keep("step_trainer_trusted", tables.steps_of(steps, curated, withheld))
    pairs = keep("machine_learning_curated", tables.matched_readings(steps, readings, curated, b"k" * 32))
    print(f"machine_learning_curated: {pairs.count()} rows")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
