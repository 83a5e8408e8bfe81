"""The whole pipeline in what the template made, with the credentials of the template's roles and nothing else.

The server checks the signature of each request of each client, and whether the role may make it of that object or that
table. It knows no conditions and no KMS; those are evaluated in ``test_permissions``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from pyiceberg.catalog import Catalog, load_catalog

from stedi_assets.checks import EXPECTATIONS_FILE
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.sources import SOURCES
from stedi_assets_tests.builders.known_lakes import DATA, stated_counts
from stedi_assets_tests.deploy.conftest import REGION, AwsServer, Stack, deploy
from stedi_assets_tests.deploy.test_permissions import READERS, ROLES

if TYPE_CHECKING:
    from collections.abc import Mapping

DATABASE = "pipeline_db"


@pytest.fixture(scope="module")
def pipeline(aws_server: AwsServer, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack in which the pipeline's role has uploaded the sample data and published every table."""
    stack = deploy(aws_server, "pipeline", DatabaseName=DATABASE)
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}")
    ours = ("AWS_", "STEDI_", "DAGSTER_")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "AWS_ENDPOINT_URL": aws_server.url,
        "AWS_REGION": REGION,
        "STEDI_LAKE_URI": stack.outputs["LakeUri"],
        "STEDI_DATABASE": stack.outputs["DatabaseName"],
        "STEDI_KMS_KEY_ID": stack.outputs["KeyArn"],
        "STEDI_PSEUDONYM_KEY": "0123456789abcdef",
        "DAGSTER_HOME": str(home),
        **stack.credentials("PipelineRoleArn"),
    }
    counts = (DATA / EXPECTATIONS_FILE).read_bytes()
    aws_server.client("s3").put_object(Bucket=stack.bucket, Key=f"lake/{EXPECTATIONS_FILE}", Body=counts)
    with aws_server.checking_permissions():
        run(environment, "stedi", "upload", *(str(DATA / source / "landing") for source in SOURCES))
        run(environment, "dagster", "asset", "materialize", "--select", "*", "-m", "stedi_assets.definitions")
    return stack


def run(environment: Mapping[str, str], command: str, *arguments: str) -> None:
    program = str(Path(sys.executable).with_name(command))
    done = subprocess.run(
        [program, *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]


def catalog_of(stack: Stack, role: str) -> Catalog:
    """The catalog as somebody with a role opens it, knowing nothing of ours."""
    given = stack.credentials(ROLES[role])
    return load_catalog(
        role,
        type="glue",
        **{f"{service}.endpoint": stack.server.url for service in ("glue", "s3")},
        **{
            "client.region": REGION,
            "client.access-key-id": given["AWS_ACCESS_KEY_ID"],
            "client.secret-access-key": given["AWS_SECRET_ACCESS_KEY"],
            "client.session-token": given["AWS_SESSION_TOKEN"],
        },
    )


def rows_of(catalog: Catalog, table: str) -> int | None:
    """How many rows of a table somebody gets to see; None if that is refused."""
    try:
        return catalog.load_table((DATABASE, table)).scan().to_arrow().num_rows
    except ClientError as error:
        refused = error.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        if refused and error.operation_name == "GetTable":
            return None
        raise


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reads_its_tables_and_no_other(pipeline: Stack, role: str):
    catalog = catalog_of(pipeline, role)
    expected = {name: stated_counts("default").get(name) for name in CONTRACTS}
    with pipeline.server.checking_permissions():
        found = {name: rows_of(catalog, name) for name in expected}
    # The ledger has a row a file.
    expected["landing_files"] = len(list(DATA.glob("*/landing/*")))
    assert found == {name: rows if role in READERS[name] else None for name, rows in expected.items()}


def test_every_object_is_under_the_lakes_key(pipeline: Stack):
    s3 = pipeline.server.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=pipeline.bucket)
    keys = [item["Key"] for page in pages for item in page["Contents"]]
    heads = [s3.head_object(Bucket=pipeline.bucket, Key=key) for key in keys]
    assert {(head["ServerSideEncryption"], head["SSEKMSKeyId"]) for head in heads} == {
        ("aws:kms", pipeline.outputs["KeyArn"])
    }
