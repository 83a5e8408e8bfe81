"""A lake as the version before ``person`` and ``device`` left it: columns, Parquet files, catalog entries."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq

from stedi_assets.contracts.contract import Contract
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.iceberg import iceberg_schema, table_properties
from stedi_assets.lake.lake import Lake
from stedi_assets_tests.builders.graph import Graph

_CUSTOMER = (
    "customerName",
    "email",
    "phone",
    "birthDay",
    "serialNumber",
    "registrationDate",
    "lastUpdateDate",
    "shareWithResearchAsOfDate",
    "shareWithPublicAsOfDate",
    "shareWithFriendsAsOfDate",
)
_ACCELEROMETER = ("user", "timestamp", "x", "y", "z")
_STEP_TRAINER = ("sensorReadingTime", "serialNumber", "distanceFromObject")
_PROVENANCE = ("source_file", "source_position", "ingested_at")
_QUARANTINE = (*_PROVENANCE, "raw_text", "reasons")
EARLIER_COLUMNS = {
    "customer_landing": (*_CUSTOMER, *_PROVENANCE),
    "accelerometer_landing": (*_ACCELEROMETER, *_PROVENANCE),
    "step_trainer_landing": (*_STEP_TRAINER, *_PROVENANCE),
    "customer_quarantine": _QUARANTINE,
    "accelerometer_quarantine": _QUARANTINE,
    "step_trainer_quarantine": _QUARANTINE,
    "customer_trusted": _CUSTOMER,
    "accelerometer_trusted": _ACCELEROMETER,
    "customer_curated": _CUSTOMER,
    "step_trainer_trusted": _STEP_TRAINER,
}


def earlier(name: str) -> Contract:
    """A table's contract as it was."""
    by_name = {column.name: column for column in CONTRACTS[name].columns}
    return replace(CONTRACTS[name], columns=tuple(by_name[column] for column in EARLIER_COLUMNS[name]))


def make_earlier(graph: Graph) -> None:
    """Make every table of a lake anew, with the same rows in the columns that it had."""
    for name in EARLIER_COLUMNS:
        _make_earlier(graph, earlier(name))


def _make_earlier(graph: Graph, contract: Contract) -> None:
    """Make a table of one commit, of a file for each half of its rows."""
    lake = graph.lake
    now = lake.find_table(contract.name)
    summary = now.current_snapshot().summary.additional_properties
    rows = now.scan().to_arrow().select([column.name for column in contract.columns])
    lake.catalog.drop_table((lake.database, contract.name))
    lake.filesystem.rm(lake.path(now.location()), recursive=True)
    made = lake.catalog.create_table(
        (lake.database, contract.name),
        iceberg_schema(contract),
        location=now.location(),
        properties=table_properties(contract),
    )
    half = rows.num_rows // 2
    files = [
        _write(lake, f"{made.location()}/data/{number}/part.parquet", part.cast(contract.arrow_schema))
        for number, part in enumerate((rows.slice(0, half), rows.slice(half)))
        if part.num_rows
    ]
    own = {"stedi.run-id": summary["stedi.run-id"]}
    if files:
        made.add_files(files, snapshot_properties=own)
    else:
        with made.transaction() as transaction, transaction.update_snapshot(own).fast_append():
            pass


def _write(lake: Lake, address: str, rows: pa.Table) -> str:
    with lake.filesystem.open(address, "wb") as stream:
        pq.write_table(rows, stream, store_schema=False)
    return address
