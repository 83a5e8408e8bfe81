"""What the template's three roles can do and, above all, what they cannot.

Reading, writing and deleting objects is tried with each role's own credentials on a server that checks
signatures and policies. That server knows neither conditions nor the resources of Glue, Athena and KMS; for
these, the policies that it has after deployment are evaluated here. Not shown by either: permission boundaries,
service control policies, Lake Formation, and KMS actually decrypting.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets_tests.deploy.conftest import ACCOUNT, REGION, Stack
from stedi_assets_tests.deploy.policies import allows

if TYPE_CHECKING:
    from collections.abc import Callable

ROLES = {"pipeline": "PipelineRoleArn", "analyst": "AnalystRoleArn", "data scientist": "DataScientistRoleArn"}
READERS = {
    name: {"pipeline"}
    | ({"analyst"} if name.endswith(("_trusted", "_curated")) else set())
    | ({"data scientist"} if name == "machine_learning_curated" else set())
    for name in CONTRACTS
}
LANDING = [f"lake/{source}/landing/delivery.json" for source in ("customer", "accelerometer", "step_trainer")]
# Key of an object: who may read it, who may write it.
OBJECTS = {
    **{
        f"lake/{contract.folder}/{part}": (READERS[name], {"pipeline"})
        for name, contract in CONTRACTS.items()
        for part in ("data/0.parquet", "metadata/v1.metadata.json")
    },
    **{key: ({"pipeline"}, {"pipeline"}) for key in LANDING},
    "lake/expected_row_counts.yaml": ({"pipeline"}, {"pipeline"}),
    "compute-logs/run.out": ({"pipeline"}, {"pipeline"}),
    "athena-results/analysts/query.csv": ({"analyst"}, {"analyst"}),
    "athena-results/data-science/query.csv": ({"data scientist"}, {"data scientist"}),
    "lake/customer/trusted_backup/0.parquet": ({"pipeline"}, {"pipeline"}),
    "elsewhere/secret": (set(), set()),
}


@pytest.fixture(scope="module", params=ROLES)
def role(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def s3_of_role(stack: Stack, role: str) -> Any:
    """The role's own client of S3, and a bucket that has every object."""
    administrator = stack.server.client("s3")
    for key in OBJECTS:
        administrator.put_object(Bucket=stack.bucket, Key=key, Body=b"content")
    return stack.client_of(ROLES[role], "s3")


@pytest.mark.parametrize("key", OBJECTS)
def test_reading(s3_of_role: Any, role: str, stack: Stack, key: str):
    def read() -> None:
        s3_of_role.get_object(Bucket=stack.bucket, Key=key)

    assert _may(stack, read) == (role in OBJECTS[key][0])


@pytest.mark.parametrize("key", OBJECTS)
def test_writing(s3_of_role: Any, role: str, stack: Stack, key: str):
    def write() -> None:
        s3_of_role.put_object(Bucket=stack.bucket, Key=key, Body=b"content")

    assert _may(stack, write) == (role in OBJECTS[key][1])


@pytest.mark.parametrize("key", OBJECTS)
def test_deleting_is_for_the_pipeline_in_its_lake(s3_of_role: Any, role: str, stack: Stack, key: str):
    def delete() -> None:
        s3_of_role.delete_object(Bucket=stack.bucket, Key=f"{key}.deleted")

    folder_is_the_pipelines = role == "pipeline" and role in OBJECTS[key][1]
    # That one object is named in the policy in full.
    assert _may(stack, delete) == (folder_is_the_pipelines and key != "lake/expected_row_counts.yaml")


@pytest.mark.parametrize(
    "action", ["s3:DeleteObjectVersion", "s3:PutBucketPolicy", "s3:PutLifecycleConfiguration"]
)
def test_nobody_can_change_the_bucket_itself(stack: Stack, role: str, action: str):
    for resource in (f"arn:aws:s3:::{stack.bucket}", f"arn:aws:s3:::{stack.bucket}/{LANDING[0]}"):
        assert not allows(_policies(stack, role), action, resource)


@pytest.mark.parametrize("key", OBJECTS)
def test_listing_a_folder(stack: Stack, role: str, key: str):
    """Who may read a folder may list it; the pipeline the whole bucket, since it asks for absent objects."""
    context = {"s3:prefix": f"{key.rpartition('/')[0]}/"}
    allowed = allows(_policies(stack, role), "s3:ListBucket", f"arn:aws:s3:::{stack.bucket}", context)
    assert allowed == (role == "pipeline" or role in OBJECTS[key][0])


def test_listing_everything(stack: Stack, role: str):
    for context in ({}, {"s3:prefix": ""}, {"s3:prefix": "lake/"}, {"s3:prefix": "lake/customer/"}):
        allowed = allows(_policies(stack, role), "s3:ListBucket", f"arn:aws:s3:::{stack.bucket}", context)
        assert allowed == (role == "pipeline")


@pytest.mark.parametrize("table", [*CONTRACTS, "another_table"])
def test_describing_tables(stack: Stack, role: str, table: str):
    readers = READERS.get(table, {"pipeline"})
    assert _may_in_glue(stack, role, "glue:GetTable", f"stedi_db/{table}") == (role in readers)
    assert not _may_in_glue(stack, role, "glue:GetTable", f"another_db/{table}")


@pytest.mark.parametrize("action", ["glue:CreateTable", "glue:UpdateTable"])
@pytest.mark.parametrize("table", CONTRACTS)
def test_changing_tables_is_for_the_pipeline(stack: Stack, role: str, action: str, table: str):
    assert _may_in_glue(stack, role, action, f"stedi_db/{table}") == (role == "pipeline")
    assert not _may_in_glue(stack, role, action, f"another_db/{table}")


@pytest.mark.parametrize("action", ["glue:DeleteTable", "glue:DeleteDatabase", "glue:PutResourcePolicy"])
def test_nobody_can_remove_tables(stack: Stack, role: str, action: str):
    assert not _may_in_glue(stack, role, action, "stedi_db/customer_trusted")


@pytest.mark.parametrize(
    ("workgroup", "user"),
    [("stedi-analysts", "analyst"), ("stedi-data-science", "data scientist"), ("primary", None)],
)
@pytest.mark.parametrize("action", ["athena:StartQueryExecution", "athena:GetQueryResults"])
def test_querying(stack: Stack, role: str, workgroup: str, user: str | None, action: str):
    arn = f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{workgroup}"
    assert allows(_policies(stack, role), action, arn) == (role == user)


@pytest.mark.parametrize(
    "action", ["athena:UpdateWorkGroup", "athena:DeleteWorkGroup", "athena:CreateWorkGroup"]
)
def test_nobody_can_lift_a_workgroups_limits(stack: Stack, role: str, action: str):
    for name in ("stedi-analysts", "stedi-data-science"):
        assert not allows(
            _policies(stack, role), action, f"arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{name}"
        )


def test_key_serves_everybody_through_s3_alone(stack: Stack, role: str):
    """Every object is under the one key; which objects somebody may read is up to S3."""
    key = stack.outputs["KeyArn"]
    through_s3 = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert allows(_policies(stack, role), action, key, through_s3)
        assert not allows(_policies(stack, role), action, key)
        assert not allows(_policies(stack, role), action, key.replace("key/", "key/other-"), through_s3)
    assert not allows(_policies(stack, role), "kms:ScheduleKeyDeletion", key, through_s3)


@pytest.mark.parametrize(
    "action", ["iam:CreateUser", "iam:AttachRolePolicy", "iam:PassRole", "sts:AssumeRole"]
)
def test_nobody_can_gain_further_rights(stack: Stack, role: str, action: str):
    assert not allows(_policies(stack, role), action, f"arn:aws:iam::{ACCOUNT}:role/any")


def test_who_may_assume_the_roles(stack: Stack):
    iam = stack.server.client("iam")
    principals = {}
    for role, output in ROLES.items():
        found = iam.get_role(RoleName=stack.outputs[output].rpartition("/")[2])["Role"]
        [statement] = found["AssumeRolePolicyDocument"]["Statement"]
        principals[role] = statement["Principal"]
    assert principals == {
        "pipeline": {"Service": ["ec2.amazonaws.com", "ecs-tasks.amazonaws.com"]},
        "analyst": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/analyst-login"]},
        "data scientist": {"AWS": [f"arn:aws:iam::{ACCOUNT}:role/ds-login"]},
    }


def test_machines_on_ec2_get_the_pipelines_role(stack: Stack):
    iam = stack.server.client("iam")
    profile = iam.get_instance_profile(InstanceProfileName=stack.outputs["PipelineInstanceProfile"])
    [role] = profile["InstanceProfile"]["Roles"]
    assert role["Arn"] == stack.outputs["PipelineRoleArn"]


@cache
def _policies(stack: Stack, role: str) -> list[dict[str, Any]]:
    return stack.policies(ROLES[role])


def _may(stack: Stack, request: Callable[[], None]) -> bool:
    try:
        with stack.server.checking_permissions():
            request()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
            return False
        raise
    return True


def _may_in_glue(stack: Stack, role: str, action: str, table: str) -> bool:
    """Glue asks for an action on the catalog, on the database and on the table."""
    root = f"arn:aws:glue:{REGION}:{ACCOUNT}"
    resources = (f"{root}:catalog", f"{root}:database/{table.partition('/')[0]}", f"{root}:table/{table}")
    return all(allows(_policies(stack, role), action, resource) for resource in resources)
