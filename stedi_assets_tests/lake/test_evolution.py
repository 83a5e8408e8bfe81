"""Tables of another version: refused where rows would be misread, and given new columns in the publishing commit."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.evolution import SchemaError, missing_columns, require_columns, require_known_columns
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.publication import Staged, new_folder, publish
from stedi_assets.settings import Settings

CONTRACT = CONTRACTS["accelerometer_trusted"]
OLD_COLUMNS = ("user", "timestamp", "z")
OLD = replace(CONTRACT, columns=tuple(column for column in CONTRACT.columns if column.name in OLD_COLUMNS))
QUARANTINE = CONTRACTS["customer_quarantine"]
OLD_QUARANTINE = replace(QUARANTINE, columns=QUARANTINE.columns[:-1])


@pytest.fixture
def lake(tmp_path) -> Lake:
    return Lake(Settings(lake_uri=str(tmp_path)))


def published(lake, contract, rows):
    """Publish rows over what the table has."""
    base = lake.ensure_table(contract)
    folder = new_folder(lake, contract)
    file = f"{folder}/part.parquet"
    with lake.filesystem.open(file, "wb") as stream:
        pq.write_table(pa.Table.from_pylist(rows, schema=contract.arrow_schema), stream, store_schema=False)
    return publish(lake, Staged(contract, base, folder, (file,)), {"stedi.run-id": "run"})


def row(**values):
    return {column.name: None for column in CONTRACT.columns} | values


def test_a_publication_gives_a_table_its_new_columns_in_their_places_and_in_its_own_commit(lake):
    published(lake, OLD, [{"user": "old@example.org", "timestamp": 1, "z": 1.0}])
    before = lake.ensure_table(CONTRACT)
    published(lake, CONTRACT, [row(user="new@example.org", timestamp=2, x=0.5, y=0.5, z=0.5)])
    table = lake.ensure_table(CONTRACT)
    assert [field.name for field in table.schema().fields] == [column.name for column in CONTRACT.columns]
    assert table.scan().to_arrow().to_pylist() == [
        row(user="new@example.org", timestamp=2, x=0.5, y=0.5, z=0.5)
    ]
    # One commit: a reader sees the old columns with the old rows, or the new ones with the new.
    assert table.metadata.metadata_log[-1].metadata_file == before.metadata_location
    assert before.scan().to_arrow().to_pylist() == [{"user": "old@example.org", "timestamp": 1, "z": 1.0}]


def test_a_new_column_that_names_a_person_has_no_bounds_in_metadata(lake):
    quarantined = {"source_file": "f", "source_position": 0, "ingested_at": 1, "reasons": ["r"]}
    without_text = replace(
        QUARANTINE, columns=tuple(column for column in QUARANTINE.columns if column.name != "raw_text")
    )
    empty = {column.name: None for column in without_text.columns}
    published(lake, without_text, [empty | quarantined])
    published(lake, QUARANTINE, [empty | quarantined | {"raw_text": "zoe@example.org"}])
    files = lake.ensure_table(QUARANTINE).inspect.files().to_pylist()
    bounds = [bound for file in files for bound in (*file["lower_bounds"], *file["upper_bounds"])]
    assert bounds
    assert b"zoe@example.org"[:5] not in b"".join(value for _, value in bounds)


def test_a_table_without_new_columns_changes_its_schema_once(lake):
    published(lake, CONTRACT, [])
    schemas = lake.ensure_table(CONTRACT).schemas()
    published(lake, CONTRACT, [])
    assert lake.ensure_table(CONTRACT).schemas() == schemas


def test_a_table_of_an_earlier_version_is_not_read(lake):
    published(lake, OLD, [])
    table = lake.ensure_table(OLD)
    assert missing_columns(table, CONTRACT) == [
        column.name for column in CONTRACT.columns if column.name not in OLD_COLUMNS
    ]
    with pytest.raises(
        SchemaError, match=r"accelerometer_trusted was made by an earlier.*\(x, y, person\): materialize it"
    ):
        require_columns(table, CONTRACT)
    require_columns(table, OLD)


def test_a_table_that_is_not_refreshed_whole_is_to_be_upgraded(lake):
    with pytest.raises(SchemaError, match=r"customer_quarantine was made .*: run `stedi upgrade`"):
        require_columns(lake.ensure_table(OLD_QUARANTINE), QUARANTINE)


def test_a_table_of_a_newer_version_is_neither_read_nor_written(lake):
    published(lake, CONTRACT, [])
    for refuse in (require_columns, require_known_columns):
        with pytest.raises(SchemaError, match=r"does not know \(.*x.*\): install the version that wrote"):
            refuse(lake.find_table(CONTRACT.name), OLD)
    with pytest.raises(SchemaError, match="install the version"):
        lake.ensure_table(OLD)
