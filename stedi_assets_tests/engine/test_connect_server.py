"""The whole graph on a Connect server that somebody else started, whose Python lacks this package."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from stedi_assets_tests.aws_lake import drop_database
from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph, comparable
from stedi_assets_tests.builders.known_lakes import DATA, stated_counts
from stedi_assets_tests.builders.small_lake import deliver_all
from stedi_assets_tests.engine.conftest import connect_server


def spark_defaults(**variables: str) -> str:
    """What the operator of a server is told to set."""
    command = [str(Path(sys.executable).with_name("stedi")), "spark-defaults"]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def server_for_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("connect")
    with connect_server(folder, spark_defaults(STEDI_LAKE_URI=str(folder))) as url:
        yield url


def small_lake(folder: Path) -> Path:
    """Every oddity of consent, and a record that cannot be read."""
    deliver(deliver_all(folder), "accelerometer", b'{"user": "ann@exam\n', "broken.json")
    return folder


def assert_published_as_by_sail(lake: Graph, expected: Graph, *, pairs: int) -> None:
    assert lake.rows()["machine_learning_curated"] == pairs
    published = comparable(lake)
    if lake.lake.on_s3:
        # Both lakes have the one database.
        drop_database()
    expected.run()
    assert published == comparable(expected)


@pytest.mark.prove
def test_a_connect_server_publishes_what_sail_does(server_for_folders, materialize, sail_engine, tmp_path):
    lake = small_lake(tmp_path / "connect")
    run = materialize(lake, server_for_folders)
    output, _ = run.communicate()
    assert run.returncode == 0, output[-3000:]
    assert_published_as_by_sail(
        Graph(str(lake), sail_engine), Graph(str(small_lake(tmp_path / "sail")), sail_engine), pairs=21
    )


def test_a_server_that_would_not_encrypt_as_it_should_is_refused_each_time(server_for_folders):
    script = f"""
from stedi_assets.engine.probes import EngineError
from stedi_assets.engine.session import SparkEngine

with SparkEngine(spark="{server_for_folders}", on_s3=True, kms_key_id="alias/lake").running() as engine:
    for _ in range(2):
        try:
            engine.session
        except EngineError as error:
            print(error)
with SparkEngine(spark="{server_for_folders}", on_s3=True).running() as engine:
    print(engine.session.range(3).count())
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    refusal = (
        "STEDI_SPARK=sc://127.0.0.1: that server would not write under the key of STEDI_KMS_KEY_ID; start it with "
        "spark.hadoop.fs.s3a.encryption.algorithm=SSE-KMS and spark.hadoop.fs.s3a.encryption.key=alias/lake"
    )
    assert run.stdout.splitlines() == [refusal, refusal, "3"]


@pytest.mark.cluster
def test_a_connect_server_publishes_on_s3_what_sail_does(
    s3_server, new_lake, materialize, sail_engine, tmp_path
):
    lake = new_lake(DATA)
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    defaults = spark_defaults(STEDI_LAKE_URI=lake, STEDI_KMS_KEY_ID=key)
    with connect_server(tmp_path, defaults) as url:
        run = materialize(lake, url, STEDI_KMS_KEY_ID=key)
        output, _ = run.communicate()
        assert run.returncode == 0, output[-3000:]

    client, (bucket, _, prefix) = boto3.client("s3"), lake.removeprefix("s3://").partition("/")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    written = [item["Key"] for page in pages for item in page["Contents"] if "/landing/" not in item["Key"]]
    assert any("/part-" in name for name in written)
    heads = [client.head_object(Bucket=bucket, Key=name) for name in written]
    assert {(head.get("ServerSideEncryption"), head.get("SSEKMSKeyId")) for head in heads} == {
        ("aws:kms", key)
    }
    pairs = stated_counts("default")["machine_learning_curated"]
    assert_published_as_by_sail(Graph(lake, sail_engine), Graph(new_lake(DATA), sail_engine), pairs=pairs)
