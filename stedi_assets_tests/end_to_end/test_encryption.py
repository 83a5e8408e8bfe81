"""Under which key the objects of a bucket are written, by every writer of the product."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import ValidationError
from pyiceberg.utils.config import Config

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.engine.session import SparkEngine
from stedi_assets.lake.lake import Lake
from stedi_assets.settings import Settings
from stedi_assets.sources import SOURCES
from stedi_assets_tests.aws_lake import REGION
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.three_people import VIC, deliver_three_people

PSEUDONYM_KEY = "0123456789abcdef"


@pytest.fixture
def new_key(s3_server: str) -> Callable[[], str]:
    """Makes a KMS key, and gives its ARN."""
    client = boto3.client("kms")
    return lambda: str(client.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def versioned_lake(new_lake, new_key, tmp_path) -> tuple[str, str]:
    """An empty lake in a bucket that keeps whatever was written to it, and the key of that bucket's own."""
    lake, key = new_lake(tmp_path / "nothing"), new_key()
    bucket = lake.split("/")[2]
    client = boto3.client("s3")
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client.put_bucket_encryption(
        Bucket=bucket,
        ServerSideEncryptionConfiguration={
            "Rules": [
                {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
            ]
        },
    )
    return lake, key


def written(lake: str) -> list[tuple[str, tuple[str | None, str | None]]]:
    """Key and encryption of every version of every object of a bucket."""
    client, bucket = boto3.client("s3"), lake.split("/")[2]
    found = []
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for item in page.get("Versions", []):
            head = client.head_object(Bucket=bucket, Key=item["Key"], VersionId=item["VersionId"])
            found.append((item["Key"], (head.get("ServerSideEncryption"), head.get("SSEKMSKeyId"))))
    return found


def kind(key: str) -> str:
    """What wrote an object, by its name."""
    if "/landing/" in key:
        return "raw file"
    if "/metadata/" in key:
        return "metadata"
    return "file of a landing task" if re.search(r"/[0-9a-f]{32}\.parquet$", key) else "file of the engine"


def test_everything_written_is_under_the_key_of_the_setting(versioned_lake, new_key, tmp_path):
    """In processes of their own, since Sail learns of the key when it starts."""
    lake, _ = versioned_lake
    key = new_key()
    environment = os.environ | {
        "STEDI_LAKE_URI": lake,
        "STEDI_PSEUDONYM_KEY": PSEUDONYM_KEY,
        "STEDI_KMS_KEY_ID": key,
    }
    environment.pop("DAGSTER_HOME", None)

    def stedi(*arguments: str) -> None:
        command = [str(Path(sys.executable).with_name("stedi")), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    deliver_three_people(tmp_path)
    files = [
        (tmp_path / source / "landing" / "1.json").rename(tmp_path / f"{source}.json") for source in SOURCES
    ]
    stedi("upload", *map(str, files))
    # Runs the whole graph, rewrites raw files and landing tables, runs the graph again, and erases the history.
    stedi("forget", VIC, "--yes")

    objects = written(lake)
    assert {encryption for _, encryption in objects} == {("aws:kms", key)}
    kinds = Counter(kind(name) for name, _ in objects)
    # Three files, each rewritten once.
    assert kinds["raw file"] == 6
    # Five tables, twice each.
    assert kinds["file of the engine"] >= 10
    assert kinds["file of a landing task"] >= 3
    assert kinds["metadata"] >= 12 * len(("metadata file", "manifest list", "manifest"))


def test_without_the_setting_the_buckets_own_key_is_used(versioned_lake, sail_engine, tmp_path):
    lake, key = versioned_lake
    deliver_three_people(tmp_path)
    filesystem = Lake(Settings(lake_uri=lake, pseudonym_key=PSEUDONYM_KEY)).filesystem
    for source in SOURCES:
        name = f"{source}/landing/1.json"
        filesystem.pipe_file(f"{lake}/{name}", (tmp_path / name).read_bytes())
    Graph(lake, sail_engine).run()
    objects = written(lake)
    assert {kind(name) for name, _ in objects} == {
        "raw file",
        "metadata",
        "file of a landing task",
        "file of the engine",
    }
    assert {encryption for _, encryption in objects} == {("aws:kms", key)}


def test_large_objects_are_no_exception(versioned_lake, new_key):
    """They are written in parts, by other requests."""
    lake, _ = versioned_lake
    key = new_key()
    filesystem = Lake(Settings(lake_uri=lake, pseudonym_key=PSEUDONYM_KEY, kms_key_id=key)).filesystem
    part = 5 * 2**20
    filesystem.pipe_file(f"{lake}/customer/landing/large.json", b" " * 3 * part, chunksize=part)
    [(_, encryption)] = written(lake)
    assert encryption == ("aws:kms", key)
    assert "-" in filesystem.info(f"{lake}/customer/landing/large.json")["ETag"]


def test_metadata_in_a_catalog_of_the_users_own(versioned_lake, new_key, monkeypatch, tmp_path):
    lake, _ = versioned_lake
    key = new_key()
    configuration = {
        "TYPE": "sql",
        "URI": f"sqlite:///{tmp_path}/catalog.db",
        "PY-IO-IMPL": "pyiceberg.io.pyarrow.PyArrowFileIO",
        "S3__ENDPOINT": os.environ["AWS_ENDPOINT_URL"],
        "S3__REGION": REGION,
    }
    for name, value in configuration.items():
        monkeypatch.setenv(f"PYICEBERG_CATALOG__STEDI__{name}", value)
    # PyIceberg reads its configuration when it is imported.
    monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())
    settings = Settings(lake_uri=lake, pseudonym_key=PSEUDONYM_KEY, kms_key_id=key)
    Lake(settings).ensure_table(CONTRACTS["customer_trusted"])
    assert [encryption for _, encryption in written(lake)] == [("aws:kms", key)]


def test_apache_spark_is_told_of_the_key():
    """A run on S3 in ``engine/test_connect_server.py`` shows that Apache Spark heeds the key."""
    settings = Settings(lake_uri="s3://bucket/lake", pseudonym_key=PSEUDONYM_KEY, kms_key_id="alias/lake")
    config = SparkEngine.of(settings).server_config()
    assert config["spark.hadoop.fs.s3a.encryption.algorithm"] == "SSE-KMS"
    assert config["spark.hadoop.fs.s3a.encryption.key"] == "alias/lake"


@pytest.mark.parametrize(
    "name",
    [
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234abcd12ab34cd56ef1234567890ab",
        "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "alias/lake",
        "arn:aws-cn:kms:cn-north-1:111122223333:alias/lake",
    ],
)
def test_a_key_is_named_in_every_way_of_kms(monkeypatch, name):
    monkeypatch.setenv("STEDI_KMS_KEY_ID", name)
    assert Settings().kms_key_id == name


@pytest.mark.parametrize("name", ["", "two words", "alias/lake\n", "alias/lake\nx: y"])
def test_what_names_no_key_is_refused(monkeypatch, name: Any):
    monkeypatch.setenv("STEDI_KMS_KEY_ID", name)
    with pytest.raises(ValidationError, match="kms_key_id"):
        Settings()
