"""One table of a lake, published without an engine: what catalog, files and metadata are is all that counts."""

import pyarrow as pa
import pyarrow.parquet as pq

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake import publication
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.publication import RUN_ID, Staged, new_folder

CONTRACT = CONTRACTS["accelerometer_trusted"]


def stage(lake: Lake, generation: int, rows: int = 3) -> Staged:
    """A result as an engine leaves it: all rows are of one generation."""
    base = lake.ensure_table(CONTRACT)
    folder = new_folder(lake, CONTRACT)
    reading = {"user": "ann@example.org", "timestamp": generation, "x": 0.0, "y": 0.0, "z": 0.0}
    content = pa.Table.from_pylist([reading] * rows, schema=CONTRACT.arrow_schema)
    with lake.filesystem.open(f"{folder}/part.parquet", "wb") as stream:
        pq.write_table(content, stream)
    return Staged(CONTRACT, base, folder, lake.parquet_files(folder))


def publish(lake: Lake, generation: int) -> None:
    publication.publish(lake, stage(lake, generation), {RUN_ID: f"run {generation}"})


def generations(lake: Lake) -> list[int]:
    return lake.ensure_table(CONTRACT).scan().to_arrow()["timestamp"].to_pylist()


def publish_empty(lake: Lake, name: str) -> None:
    """Publish another table without rows."""
    contract = CONTRACTS[name]
    publication.publish(lake, Staged(contract, lake.ensure_table(contract), "", ()), {RUN_ID: "run"})
