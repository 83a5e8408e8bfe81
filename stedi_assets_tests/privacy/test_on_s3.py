"""Retention and erasure on S3 with the Glue catalog: what differs from a folder is listing and deleting."""

from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import boto3

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.maintenance import Removed, retain, unreferenced
from stedi_assets.lake.publication import new_folder
from stedi_assets.privacy.erasure import forget
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.rows import ANN
from stedi_assets_tests.builders.three_people import MARKS, VIC, deliver_three_people, runs_but_the_first
from stedi_assets_tests.byte_search import holding


def downloaded(uri: str, folder: Path) -> Path:
    """Every object of a bucket as a file."""
    client, bucket = boto3.client("s3"), urlsplit(uri).netloc
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page["Contents"]:
            target = folder / item["Key"]
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, item["Key"], str(target))
    return folder


def test_retention_and_erasure(sail_engine, new_lake, tmp_path):
    deliver_three_people(tmp_path / "delivered")
    graph = Graph(new_lake(tmp_path / "delivered"), sail_engine)
    graph.run()
    lake, table = graph.lake, CONTRACTS["customer_trusted"]
    graph.run(table.name, whole=True)
    before, stale = graph.rows(), set(lake.filesystem.find(lake.address(table.folder)))
    assert retain(lake, table.name, keep=timedelta(0)) == Removed()
    lake.filesystem.pipe_file(f"{new_folder(lake, table)}/left.parquet", b"by a run that failed")
    removed = retain(lake, table.name, keep=timedelta(0), grace=timedelta(0))
    left = set(lake.filesystem.find(lake.address(table.folder)))
    # A data file, its manifest and two manifest lists at least, and the leftover.
    assert removed.snapshots == 2
    assert removed.files == len(stale - left) + 1 > 4
    assert unreferenced(lake, table.name) == []
    assert graph.rows() == before

    erased = forget(graph.lake, graph.settings, [VIC], runs_but_the_first(graph))
    assert sum(erased.found.records.values()) == 11
    bucket = downloaded(graph.lake_uri, tmp_path / "bucket")
    assert holding(bucket, *MARKS) == []
    assert holding(bucket, ANN)
    gone = {name: before[name] - rows for name, rows in graph.rows().items()}
    assert list(gone.values()) == [1, 5, 5, 1, 5, 1, 5, 5]
