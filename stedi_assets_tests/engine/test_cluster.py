"""The whole graph on a Spark cluster and on S3 through Apache Spark, against what Sail publishes."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import boto3
import pyspark
import pytest

from stedi_assets.engine import s3a
from stedi_assets_tests.aws_lake import drop_database
from stedi_assets_tests.builders.graph import Graph, comparable
from stedi_assets_tests.builders.known_lakes import DATA, sample_lake
from stedi_assets_tests.engine.conftest import free_port

# Minutes each: not part of the default suite; `make test-cluster` runs them.
pytestmark = pytest.mark.cluster


def finish(run) -> str:
    output, _ = run.communicate()
    assert run.returncode == 0, output[-3000:]
    return output


def tasks_of_executors(run, ui_port: int) -> dict[str, int]:
    """How many tasks each executor of a run has in hand, by the driver's UI; empty until there is an executor."""
    try:
        run.wait(timeout=0.1)
    except subprocess.TimeoutExpired:
        pass
    else:
        pytest.fail(f"the run ended: {run.communicate()[0][-3000:]}")
    api = f"http://127.0.0.1:{ui_port}/api/v1/applications"
    try:
        with urllib.request.urlopen(api) as answer:
            [application] = json.load(answer)
        with urllib.request.urlopen(f"{api}/{application['id']}/executors") as answer:
            executors = json.load(answer)
    except (OSError, ValueError):
        return {}
    return {item["id"]: item["activeTasks"] for item in executors if item["id"] != "driver"}


def test_a_cluster_publishes_what_sail_does_though_an_executor_dies(
    cluster, materialize, sail_engine, tmp_path
):
    lake = sample_lake(tmp_path / "cluster")
    ui_port = free_port()
    run = materialize(lake, cluster.url, ui_port=ui_port)
    while not (registered := tasks_of_executors(run, ui_port)):
        pass
    number = next(iter(registered))
    executor = cluster.executors()[number]
    # Held still, so that it dies with a task in its hands, and not between two.
    os.kill(executor, signal.SIGSTOP)
    while not tasks_of_executors(run, ui_port)[number]:
        pass
    os.kill(executor, signal.SIGKILL)
    finish(run)
    assert executor not in cluster.executors().values()
    # Spark's own settings reach it by Spark's own file.
    [log] = [file for file in tmp_path.glob("dagster/*") if file.name.startswith(("app-", "eventlog"))]
    events = "".join(file.read_text() for file in ([log] if log.is_file() else sorted(log.iterdir())))
    assert '"Reason":"ExecutorLostFailure"' in events

    expected = Graph(str(sample_lake(tmp_path / "sail")), sail_engine)
    expected.run()
    assert comparable(Graph(str(lake), sail_engine)) == comparable(expected)


def test_the_jars_are_those_of_the_installed_spark():
    jars = {jar.name for jar in Path(pyspark.__path__[0], "jars").glob("*.jar")}
    assert f"hadoop-client-api-{s3a.HADOOP_VERSION}.jar" in jars
    assert pyspark.__version__ == s3a.SPARK_VERSION


def test_apache_spark_publishes_on_s3_what_sail_does(cluster, materialize, sail_engine, new_lake):
    lake = new_lake(DATA)
    finish(materialize(lake, cluster.url))
    published = comparable(Graph(lake, sail_engine))
    # The committer leaves its report where Hadoop's own leaves an empty marker.
    bucket, _, prefix = lake.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    keys = [
        item["Key"]
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for item in page.get("Contents", [])
    ]
    reports = [
        client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys if key.endswith("_SUCCESS")
    ]
    assert len(reports) == 5
    assert all(b'"committer":"magic"' in report for report in reports)
    drop_database()

    expected = Graph(new_lake(DATA), sail_engine)
    expected.run()
    assert published == comparable(expected)
