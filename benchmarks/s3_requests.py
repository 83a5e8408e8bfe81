"""What runs of the product ask of S3 and of the Glue Data Catalog: a first run, a delivery, and a run without news.

Run: `python -m benchmarks.s3_requests`, on generated data of the reference's size. S3 is moto's server, which logs each
request.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3

from benchmarks.contenders import KEY
from benchmarks.landing_files import new_readings, well_formed
from benchmarks.measure import measured
from benchmarks.page import REQUESTS, write_page

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET, REGION = "stedi-bench", "us-east-1"
# As moto logs a request: Glue is asked by POST to the root.
_LOGGED = re.compile(r'"(GET|HEAD|PUT|POST|DELETE) (\S+) HTTP')
_STARTS_WITHIN_SECONDS = 30


def measure(lake: Path, folder: Path) -> dict[str, Any]:
    """Land a folder's files on S3, deliver readings, and run once more; what each of the three runs asked for.

    Args:
        lake: The folder of the landing files.
        folder: For the log of the server.
    """
    log = folder / "server.log"
    with _server(log) as environment:
        client = boto3.client("s3", region_name=REGION, endpoint_url=environment["AWS_ENDPOINT_URL"])
        client.create_bucket(Bucket=BUCKET)
        for file in sorted(lake.glob("*/landing/*")):
            client.upload_file(str(file), BUCKET, f"lake/{file.relative_to(lake)}")
        found = {"first run": _run(client, environment, log)}
        delivered = new_readings(lake).encode()
        client.put_object(Bucket=BUCKET, Key="lake/accelerometer/landing/delivered.json", Body=delivered)
        found["a delivery"] = _run(client, environment, log) | {"bytes_delivered": len(delivered)}
        found["no news"] = _run(client, environment, log)
    return found


def _run(client: Any, environment: dict[str, str], log: Path) -> dict[str, int]:  # noqa: ANN401 - boto3 has no types
    stored = _stored(client)
    began = len(log.read_text())
    command = [str(Path(sys.executable).with_name("stedi")), "run", "--lake", f"s3://{BUCKET}/lake", "--json"]
    measured(command, environment)
    asked = Counter(
        "Glue"
        if (method, path) == ("POST", "/")
        else "reads"
        if method in {"GET", "HEAD"} and "list-type" not in path
        else "writes and listings"
        for method, path in _LOGGED.findall(log.read_text()[began:])
    )
    return dict(asked) | {"bytes_written": _stored(client) - stored}


def _stored(client: Any) -> int:  # noqa: ANN401 - boto3 has no types
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return sum(found["Size"] for page in pages for found in page.get("Contents", ()))


@contextmanager
def _server(log: Path) -> Iterator[dict[str, str]]:
    """Start the server on a free port; gives the variables by which a run finds it."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as output:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _await(port)
        credentials = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
        os.environ |= credentials  # for the client here
        yield credentials | {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "STEDI_PSEUDONYM_KEY": KEY.decode(),
        }
    finally:
        server.terminate()
        server.wait()


def _await(port: int) -> None:
    until = time.monotonic() + _STARTS_WITHIN_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def main() -> None:
    """Measure, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        lake = well_formed(Path(folder, "lake"), scale=1)
        REQUESTS.write_text(json.dumps(measure(lake, Path(folder)), indent=2) + "\n")
    write_page()


if __name__ == "__main__":
    main()
