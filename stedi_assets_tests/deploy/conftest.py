"""A server of AWS's APIs in a process of its own, and the template deployed into it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

TEMPLATE = Path(__file__).parents[2] / "deploy" / "cloudformation.yaml"
ACCOUNT = "123456789012"
REGION = "eu-central-1"
# Any will do: moto tells accounts apart by them only when told to.
ADMINISTRATOR = {
    "aws_access_key_id": "administrator",
    "aws_secret_access_key": "administrator",
    "region_name": REGION,
}


# Making a client takes longer than what the tests ask of it.
_client = cache(boto3.client)


@dataclass(frozen=True)
class AwsServer:
    """A running server."""

    url: str

    def client(self, service: str, **credentials: str) -> Any:
        """A client of a service; the administrator's unless credentials say otherwise."""
        return _client(service, endpoint_url=self.url, **(ADMINISTRATOR | credentials))

    @contextmanager
    def checking_permissions(self) -> Iterator[None]:
        """Meanwhile, check the signature of each request, and whether its role may make it."""
        self._check_permissions_after("0")
        try:
            yield
        finally:
            self._check_permissions_after("inf")

    def _check_permissions_after(self, requests: str) -> None:
        # Without a type of its own, the body would be taken for a form's.
        call = urllib.request.Request(
            f"{self.url}/moto-api/reset-auth", data=requests.encode(), headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(call).close()


@dataclass(frozen=True, eq=False)
class Stack:
    """The deployed template."""

    server: AwsServer
    name: str
    outputs: dict[str, str]
    bucket_policy: dict[str, Any]

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.outputs["BucketName"]

    def credentials(self, role: str) -> dict[str, str]:
        """New credentials of a role, by the name of the output that has its ARN, as the standard variables."""
        sts = self.server.client("sts")
        given = sts.assume_role(RoleArn=self.outputs[role], RoleSessionName="test")["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
        }

    def client_of(self, role: str, service: str) -> Any:
        """A client with the credentials of a role."""
        given = {name.lower(): value for name, value in self.credentials(role).items()}
        return self.server.client(service, **given)

    def policies(self, role: str) -> list[dict[str, Any]]:
        """The policy documents attached to a role, by the name of the output that has its ARN."""
        iam = self.server.client("iam")
        attached = iam.list_attached_role_policies(RoleName=self.outputs[role].rpartition("/")[2])
        versions = [
            iam.get_policy_version(PolicyArn=policy["PolicyArn"], VersionId="v1")
            for policy in attached["AttachedPolicies"]
        ]
        return [version["PolicyVersion"]["Document"] for version in versions]


@pytest.fixture(scope="session")
def aws_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsServer]:
    """A server that has nothing in it at first."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("aws_server") / "log"
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "administrator",
        "AWS_SECRET_ACCESS_KEY": "administrator",
        "AWS_DEFAULT_REGION": REGION,
    }
    # Not by -m: moto wants a dotted module name of whatever it is extended by.
    start = "from stedi_assets_tests.deploy.aws_server import main; main()"
    command = [sys.executable, "-c", start, "-p", str(port)]
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, env=environment, cwd=TEMPLATE.parents[1], stdout=output, stderr=output
        ) as process,
    ):
        try:
            _wait_until_up(url, process, log)
            yield AwsServer(url)
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def stack(aws_server: AwsServer) -> Stack:
    """The template, deployed with its defaults."""
    return deploy(aws_server, "stedi")


def deploy(server: AwsServer, name: str, **parameters: str) -> Stack:
    """Deploy the template, with its defaults but for what is given."""
    # The default; moto splits only those lists that it is given.
    services = "ec2.amazonaws.com,ecs-tasks.amazonaws.com"
    given = {
        "PipelineServices": services,
        "AnalystPrincipals": f"arn:aws:iam::{ACCOUNT}:role/analyst-login",
        "DataScientistPrincipals": f"arn:aws:iam::{ACCOUNT}:role/ds-login",
    } | parameters
    cloudformation = server.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name)
    found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in found["Outputs"]}
    s3 = server.client("s3")
    policy = json.loads(s3.get_bucket_policy(Bucket=outputs["BucketName"])["Policy"])
    # moto takes a denial with a condition for one without, and would refuse everything from here on.
    s3.delete_bucket_policy(Bucket=outputs["BucketName"])
    return Stack(server, name, outputs, policy)


def free_port() -> int:
    """A port of the loopback address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while True:
        try:
            urllib.request.urlopen(f"{url}/moto-api/data.json").close()
        except urllib.error.URLError:
            try:
                process.wait(timeout=0.1)
            except subprocess.TimeoutExpired:
                continue
            pytest.fail(f"the server did not start:\n{log.read_text()}")
        else:
            return
