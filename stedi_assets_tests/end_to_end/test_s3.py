"""The whole graph on S3 with the Glue catalog."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from pyiceberg.catalog import load_catalog

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.publication import PublishConflictError, Staged, publish, stage
from stedi_assets_tests.aws_lake import drop_database, make_lake
from stedi_assets_tests.builders.graph import EIGHT, Graph
from stedi_assets_tests.builders.known_lakes import DATA, REFERENCE
from stedi_assets_tests.shares import share


@contextmanager
def lake_of(source: Path, database: str) -> Iterator[str]:
    """A lake whose tables several tests read, in a database that no other lake has."""
    yield make_lake(source)
    drop_database(database)


@pytest.fixture(scope="module")
def reference(s3_server, shared) -> Iterator[str]:
    with lake_of(shared / "reference", "reference_db") as uri:
        yield uri


@pytest.mark.parametrize("column", share(REFERENCE, "default"))
def test_reference_counts(reference, sail_engine, column):
    policies, expected = REFERENCE[column]
    graph = Graph(reference, sail_engine, policies | {"database": "reference_db"})
    graph.run()
    assert graph.rows() == dict(zip(EIGHT, expected, strict=True))


@pytest.fixture(scope="module")
def graph(s3_server, sail_engine) -> Iterator[Graph]:
    """The sample data, after a run."""
    with lake_of(DATA, "sample_db") as uri:
        graph = Graph(uri, sail_engine, {"database": "sample_db"})
        graph.run()
        yield graph


def test_glue_holds_the_tables_and_any_client_reads_them(graph):
    described = {
        table["Name"]: table
        for table in boto3.client("glue").get_tables(DatabaseName="sample_db")["TableList"]
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
        assert catalog.load_table(f"sample_db.{name}").scan().to_arrow().num_rows == rows


def test_a_second_run_reads_no_landing_file_again(graph):
    landed = graph.snapshots()["accelerometer_landing"]
    result = graph.run("accelerometer_landing", "accelerometer_quarantine")
    assert graph.snapshots()["accelerometer_landing"] == landed
    materialization = next(
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key.to_user_string() == "accelerometer_landing"
    )
    assert materialization.metadata["files_read"].value == 0


def test_commands_work_on_s3(graph, stedi, monkeypatch):
    monkeypatch.setenv("STEDI_DATABASE", "sample_db")

    def answer(*arguments: str) -> list[dict[str, object]]:
        code, out, err = stedi(*arguments, "--json", lake=graph.lake_uri)
        assert (code, err) == (0, "")
        return json.loads(out)

    assert {row["table"]: row["rows"] for row in answer("counts") if row["table"] in EIGHT} == graph.rows()
    people = "SELECT count(DISTINCT lower(trim(email))) AS people FROM customer_trusted"
    rows = graph.table("customer_trusted")
    assert answer("sql", people) == [{"people": len({row["email"].strip().lower() for row in rows})}]


def test_of_two_publications_of_one_state_one_is_refused(graph, sail_engine):
    contract = CONTRACTS["customer_trusted"]
    lake = graph.lake
    stale = lake.ensure_table(contract)
    frame = sail_engine.session.createDataFrame([], contract.spark_schema)
    graph.run("customer_trusted", whole=True)
    published = graph.table("customer_trusted")
    staged: Staged = stage(lake, contract, frame, sail_engine, stale, made_from={}, erasures=0)
    with pytest.raises(PublishConflictError, match="customer_trusted"):
        publish(lake, staged, {})
    assert graph.table("customer_trusted") == published
