"""The whole graph on a Spark cluster and on S3 through Apache Spark, against what Sail publishes."""

import os
import signal
from pathlib import Path

import boto3
import pyspark
import pytest

from stedi_assets import s3a
from stedi_assets_tests.end_to_end.lakes import Graph
from stedi_assets_tests.end_to_end.test_pipeline import comparable, sample_lake

# Minutes each: not part of the default suite; `make test-cluster` runs them.
pytestmark = pytest.mark.cluster
DATA = Path(__file__).parents[2] / "data"


def finish(run) -> str:
    output, _ = run.communicate()
    assert run.returncode == 0, output[-3000:]
    return output


def test_a_cluster_publishes_what_sail_does_though_an_executor_dies(
    cluster, materialize, sail_engine, tmp_path
):
    lake = sample_lake(tmp_path / "cluster")
    run = materialize(lake, cluster.url)
    while not (executors := cluster.executors()):
        assert run.poll() is None, run.communicate()[0][-3000:]
    os.kill(executors[0], signal.SIGKILL)
    finish(run)
    # Spark's own settings reach it by Spark's own file.
    assert list(tmp_path.glob("dagster/eventlog*")) + list(tmp_path.glob("dagster/app-*"))
    assert set(cluster.executors()).isdisjoint(executors[:1])

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
    glue = boto3.client("glue")
    for table in glue.get_tables(DatabaseName="stedi_db")["TableList"]:
        glue.delete_table(DatabaseName="stedi_db", Name=table["Name"])

    expected = Graph(new_lake(DATA), sail_engine)
    expected.run()
    assert published == comparable(expected)
