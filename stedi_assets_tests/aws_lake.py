"""An S3 and Glue server in a process of its own, and a bucket for each lake."""

import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from s3fs import S3FileSystem

from stedi_assets_tests.engines import await_listener

REGION = "eu-central-1"


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server's address, which the standard AWS variables name while the fixture lives."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "server.log"
    url = f"http://127.0.0.1:{port}"
    variables = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        # Sail, which the tests start before they know of the server, asks for this where an endpoint has no TLS.
        "AWS_ALLOW_HTTP": "true",
    }
    before = dict(os.environ)
    with log.open("wb") as output:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        await_listener(server, port, log)
        os.environ.update(variables)
        # Clients that fsspec keeps would go to the server of another folder's tests.
        S3FileSystem.clear_instance_cache()
        yield url
    finally:
        for name in variables:
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]
        server.terminate()
        server.wait()


def make_lake(source: Path) -> str:
    """Make a lake in a bucket of its own, with the landing files of a folder, and give its address."""
    client, bucket = boto3.client("s3"), f"lake-{uuid.uuid4().hex[:12]}"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    for file in sorted(source.glob("*/landing/*")):
        client.upload_file(str(file), bucket, f"some/prefix/{file.relative_to(source)}")
    return f"s3://{bucket}/some/prefix"


def drop_database(name: str = "stedi_db") -> None:
    """Take a lake's tables out of the catalog, so that another lake may have them."""
    glue = boto3.client("glue")
    if name in [database["Name"] for database in glue.get_databases()["DatabaseList"]]:
        for table in glue.get_tables(DatabaseName=name)["TableList"]:
            glue.delete_table(DatabaseName=name, Name=table["Name"])
        glue.delete_database(Name=name)


@pytest.fixture
def new_lake(s3_server: str) -> Iterator[Callable[[Path], str]]:
    """Makes a lake, as ``make_lake`` does, for one test."""
    yield make_lake
    drop_database()
