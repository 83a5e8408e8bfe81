"""A wrong bucket, region, credentials, or a missing permission: one message that says what to do, and no stack."""

import json
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import product
from typing import Any

import boto3
import dagster as dg
import pytest
import s3fs
from pyspark.errors.exceptions.connect import SparkConnectGrpcException

from stedi_assets.definitions import build_definitions
from stedi_assets.lake.aws_errors import explain, is_silence, is_transient
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.known_lakes import DATA
from stedi_assets_tests.shares import share


@contextmanager
def checking_permissions(server: str) -> Iterator[None]:
    """Meanwhile, the server checks the signature of each request, and whether its user may make it."""

    def check_after(requests: str) -> None:
        call = urllib.request.Request(
            f"{server}/moto-api/reset-auth", data=requests.encode(), headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(call).close()

    check_after("0")
    try:
        yield
    finally:
        check_after("inf")


def user(*actions: str) -> dict[str, str]:
    """The credentials of a new user who may do what is named, and nothing else."""
    iam = boto3.client("iam")
    name = f"user-{uuid.uuid4().hex}"
    iam.create_user(UserName=name)
    if actions:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def wrong_bucket(uri: str) -> tuple[str, dict[str, str], list[str]]:
    return "s3://no-such-bucket/lake", {}, ["no bucket no-such-bucket", "STEDI_LAKE_URI"]


def wrong_region(uri: str) -> tuple[str, dict[str, str], list[str]]:
    return uri, {"AWS_REGION": "us-west-2"}, ["us-west-2", "set AWS_REGION=eu-central-1"]


def unknown_key(uri: str) -> tuple[str, dict[str, str], list[str]]:
    return uri, {"AWS_ACCESS_KEY_ID": "nobody"}, ["refuses the credentials", "AWS_ACCESS_KEY_ID"]


def wrong_secret(uri: str) -> tuple[str, dict[str, str], list[str]]:
    return (
        uri,
        user() | {"AWS_SECRET_ACCESS_KEY": "wrong"},
        ["refuses the credentials", "AWS_SECRET_ACCESS_KEY"],
    )


def no_credentials(uri: str) -> tuple[str, dict[str, str], list[str]]:
    gone = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"}
    return uri, gone, ["no AWS credentials", "AWS_PROFILE"]


def no_permission(uri: str) -> tuple[str, dict[str, str], list[str]]:
    return uri, user(), ["do not permit", uri, "deploy/cloudformation.yaml"]


def no_server(uri: str) -> tuple[str, dict[str, str], list[str]]:
    return (
        uri,
        # Clients wait before they try again, and here each try fails at once.
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"},
        ["nothing answers at 127.0.0.1", "AWS_ENDPOINT_URL"],
    )


CASES = [wrong_bucket, wrong_region, unknown_key, wrong_secret, no_credentials, no_permission, no_server]
COMMANDS = [["counts"], ["sql", "SELECT 1"], ["upload", str(DATA)]]


def name_of(value: Any) -> str:
    return value[0] if isinstance(value, list) else value.__name__


@pytest.fixture(autouse=True)
def _clients_of_its_own() -> Iterator[None]:
    """The file systems that fsspec keeps have the credentials of the test that made them."""
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def wrong(request, s3_server, new_lake, monkeypatch) -> Iterator[tuple[str, list[str]]]:
    """A lake that cannot be reached as things are set, and what the message about it must say."""
    uri, variables, expected = request.param(new_lake(DATA / "nothing"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with checking_permissions(s3_server) if "AWS_ACCESS_KEY_ID" in variables else nullcontext():
        yield uri, expected


@pytest.mark.parametrize(
    ("wrong", "command"),
    # Every fault for one command, and one fault for every command.
    share(
        product(CASES, COMMANDS),
        *product(CASES, COMMANDS[:1]),
        *product([no_permission], COMMANDS),
    ),
    indirect=["wrong"],
    ids=name_of,
)
def test_commands_say_what_to_put_right(wrong, stedi, command):
    uri, expected = wrong
    code, out, err = stedi(*command, lake=uri)
    assert (code, out) == (1, "")
    [line] = err.splitlines()
    assert line.startswith("stedi: ")
    for part in expected:
        assert part in line


@pytest.mark.parametrize(
    "wrong", share(CASES, wrong_bucket, no_permission, no_server), indirect=True, ids=name_of
)
def test_runs_fail_with_what_to_put_right(wrong, sail_engine):
    uri, expected = wrong
    result = Graph(uri, sail_engine).run(ok=False)
    failures = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert len(failures) == 3  # of the three sources; the rest is skipped
    for failure in failures:
        assert failure.user_failure_data is not None
        for part in expected:
            assert part in failure.user_failure_data.description


@pytest.mark.parametrize(
    "lacking",
    share(
        ["s3:ListBucket", "s3:GetObject", "s3:PutObject", "glue:GetTable", "glue:CreateTable"],
        "s3:GetObject",
        "glue:CreateTable",
    ),
)
def test_the_permission_that_is_lacking_is_named(s3_server, sail_engine, new_lake, monkeypatch, lacking):
    needed = [
        "s3:ListBucket",
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "glue:GetTable",
        "glue:CreateTable",
        "glue:UpdateTable",
        "glue:GetDatabase",
        "glue:CreateDatabase",
    ]
    uri = new_lake(DATA)
    for name, value in user(*(action for action in needed if action != lacking)).items():
        monkeypatch.setenv(name, value)
    with checking_permissions(s3_server):
        result = Graph(uri, sail_engine).run("customer_landing", "customer_quarantine", ok=False)
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert f"do not permit {lacking} on {uri}" in failure.user_failure_data.description


def test_the_sensor_says_what_to_put_right(s3_server, sail_engine):
    graph = Graph("s3://no-such-bucket/lake", sail_engine)
    repository = build_definitions(graph.settings, sail_engine).get_repository_def()
    resources = repository.get_top_level_resources()
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance, repository_def=repository, resources=resources) as context,
        pytest.raises(dg.Failure, match="no bucket no-such-bucket") as raised,
    ):
        repository.get_sensor_def("landing_files_sensor").evaluate_tick(context)
    assert "STEDI_LAKE_URI" in raised.value.description


def test_retention_says_what_to_put_right(s3_server, sail_engine):
    graph = Graph("s3://no-such-bucket/lake", sail_engine)
    job = build_definitions(graph.settings, sail_engine).resolve_job_def("retention")
    result = job.execute_in_process(raise_on_error=False)
    [failure] = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "no bucket no-such-bucket" in failure.user_failure_data.description


def test_aws_region_is_enough(new_lake, sail_engine, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    graph = Graph(new_lake(DATA), sail_engine)
    graph.run("customer_landing", "customer_quarantine")
    assert graph.rows()["customer_landing"] > 0


@pytest.mark.parametrize(
    ("words", "network"),
    [
        ("tcp connect error: Connection refused (os error 111)", True),
        ("Connection reset by peer (os error 54)", True),
        ("No space left on device (os error 28)", False),
        ("No such file or directory (os error 2)", False),
        ("Permission denied (os error 13)", False),
    ],
)
def test_a_fault_of_the_disk_is_no_fault_of_the_network(words, network):
    assert is_transient(SparkConnectGrpcException(words)) is network


# Of Sail 0.7.2.
GAVE_UP = "Generic S3 error: Error performing GET http://s3/x in {}, max_retries: 10, retry_timeout: 180s  - HTTP error"


@pytest.mark.parametrize(
    ("words", "silent"),
    [
        ("operation timed out", True),
        # Requests of 30 s each until three minutes were over, and requests that were cut at once.
        (GAVE_UP.format("190.3s, after 6 retries"), True),
        (GAVE_UP.format("25.07s, after 10 retries"), False),
        ("a task of the record reader failed: ReadTimeoutError at read_task.py:200", True),
        ("a task of the record reader failed: ConnectionError at read_task.py:200", False),
    ],
)
def test_silence_is_told_from_a_network_that_is_cut(words, silent):
    error = SparkConnectGrpcException(words)
    assert is_transient(error)
    assert is_silence(error) is silent


@pytest.mark.timeout(10)
def test_an_error_that_is_its_own_cause_has_an_end():
    # As PyIceberg raises where a file of metadata is missing.
    error = FileNotFoundError("metadata.json")
    error.__cause__ = error
    assert explain(error, "s3://bucket/lake") is None
    assert not is_transient(error)
