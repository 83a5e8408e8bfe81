"""The whole graph on S3 with the Glue catalog."""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from pyiceberg.catalog import load_catalog

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.publication import PublishConflictError, Staged, publish, stage
from stedi_assets_tests.builders.graph import EIGHT, Graph
from stedi_assets_tests.builders.known_lakes import REFERENCE

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize("column", REFERENCE)
def test_reference_counts(shared, sail_engine, new_lake, column):
    policies, expected = REFERENCE[column]
    graph = Graph(new_lake(shared / "reference"), sail_engine, policies)
    graph.run()
    assert graph.rows() == dict(zip(EIGHT, expected, strict=True))


def test_glue_holds_the_tables_and_any_client_reads_them(sail_engine, new_lake):
    graph = Graph(new_lake(DATA), sail_engine)
    graph.run()
    described = {
        table["Name"]: table
        for table in boto3.client("glue").get_tables(DatabaseName="stedi_db")["TableList"]
    }
    assert set(described) == set(CONTRACTS)
    for name, contract in CONTRACTS.items():
        assert described[name]["Parameters"]["table_type"] == "ICEBERG"
        columns = described[name]["StorageDescriptor"]["Columns"]
        assert tuple(column["Name"] for column in columns) == contract.column_names
        assert all(column["Comment"] for column in columns)
    # A client that was told of nothing but Glue.
    catalog = load_catalog(
        "any", type="glue", **{"s3.endpoint": os.environ["AWS_ENDPOINT_URL"], "s3.region": "eu-central-1"}
    )
    for name, rows in graph.rows().items():
        assert catalog.load_table(f"stedi_db.{name}").scan().to_arrow().num_rows == rows


def test_a_second_run_reads_no_landing_file_again(sail_engine, new_lake):
    graph = Graph(new_lake(DATA), sail_engine)
    graph.run()
    landed = graph.snapshots()["accelerometer_landing"]
    result = graph.run()
    assert graph.snapshots()["accelerometer_landing"] == landed
    materialization = next(
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key.to_user_string() == "accelerometer_landing"
    )
    assert materialization.metadata["files_read"].value == 0


def test_commands_work_on_s3(sail_engine, new_lake):
    graph = Graph(new_lake(DATA), sail_engine)
    graph.run()
    environment = os.environ | {"STEDI_LAKE_URI": graph.lake_uri}

    def stedi(*arguments: str) -> list[dict[str, object]]:
        command = [Path(sys.executable).with_name("stedi"), *arguments, "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    assert {row["table"]: row["rows"] for row in stedi("counts") if row["table"] in EIGHT} == graph.rows()
    people = "SELECT count(DISTINCT lower(trim(email))) AS people FROM customer_trusted"
    rows = graph.table("customer_trusted")
    assert stedi("sql", people) == [{"people": len({row["email"].strip().lower() for row in rows})}]


def test_of_two_publications_of_one_state_one_is_refused(sail_engine, new_lake):
    graph = Graph(new_lake(DATA), sail_engine)
    graph.run()
    contract = CONTRACTS["customer_trusted"]
    lake = graph.lake
    stale = lake.ensure_table(contract)
    frame = sail_engine.session.createDataFrame([], contract.spark_schema)
    graph.run("customer_trusted")
    published = graph.table("customer_trusted")
    staged: Staged = stage(lake, contract, frame, sail_engine, stale)
    with pytest.raises(PublishConflictError, match="customer_trusted"):
        publish(lake, staged, {})
    assert graph.table("customer_trusted") == published
