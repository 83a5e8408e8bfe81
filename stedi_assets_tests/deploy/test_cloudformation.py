"""The AWS template: valid, and what it makes when deployed."""

import shutil
import subprocess
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cfnlint.api import lint_file

from stedi_assets.landing.files import landing_folder
from stedi_assets.settings import Settings
from stedi_assets.sources import SOURCES
from stedi_assets_tests.deploy.conftest import ACCOUNT, TEMPLATE, Stack
from stedi_assets_tests.deploy.policies import allows


def test_template_is_clean_under_cfn_lint():
    assert [str(match) for match in lint_file(TEMPLATE)] == []


@pytest.mark.skipif(
    shutil.which("checkov") is None,
    reason="checkov is not installed; it pins many packages, so it has an environment of its own",
)
def test_template_is_clean_under_checkov():
    options = ["--framework", "cloudformation", "--compact", "--quiet", "--skip-download"]
    command = ["checkov", "--file", str(TEMPLATE), *options]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_bucket_is_encrypted_with_the_lakes_own_key(stack: Stack):
    found = stack.server.client("s3").get_bucket_encryption(Bucket=stack.bucket)
    [rule] = found["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "aws:kms",
        "KMSMasterKeyID": stack.outputs["KeyArn"],
    }


def test_key_is_rotated(stack: Stack):
    kms = stack.server.client("kms")
    assert kms.get_key_rotation_status(KeyId=stack.outputs["KeyArn"])["KeyRotationEnabled"] is True


def test_nothing_in_the_bucket_can_be_made_public(stack: Stack):
    s3 = stack.server.client("s3")
    block = s3.get_public_access_block(Bucket=stack.bucket)["PublicAccessBlockConfiguration"]
    assert block == {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": True,
    }
    [ownership] = s3.get_bucket_ownership_controls(Bucket=stack.bucket)["OwnershipControls"]["Rules"]
    assert ownership == {"ObjectOwnership": "BucketOwnerEnforced"}


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObjectVersion"])
def test_only_tls_gets_through(stack: Stack, action: str):
    anything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    key = f"arn:aws:s3:::{stack.bucket}/lake/customer/landing/a.json"
    documents = [anything, stack.bucket_policy]
    assert allows(documents, action, key, {"aws:SecureTransport": "true"})
    assert not allows(documents, action, key, {"aws:SecureTransport": "false"})


def test_superseded_objects_are_kept_for_one_day(stack: Stack):
    s3 = stack.server.client("s3")
    assert s3.get_bucket_versioning(Bucket=stack.bucket)["Status"] == "Enabled"
    [rule] = [rule for rule in _lifecycle(stack) if "NoncurrentVersionExpiration" in rule]
    assert rule["Status"] == "Enabled"
    assert rule["Filter"] == {"Prefix": ""}
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}


def test_broken_off_uploads_are_cleared_everywhere(stack: Stack):
    [rule] = [rule for rule in _lifecycle(stack) if "AbortIncompleteMultipartUpload" in rule]
    assert (rule["Status"], rule["Filter"]) == ("Enabled", {"Prefix": ""})
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_raw_files_get_cheaper_and_never_expire(stack: Stack):
    for source in SOURCES:
        prefix = f"lake/{landing_folder(source)}"
        [rule] = [
            rule
            for rule in _lifecycle(stack)
            if rule["Filter"]["Prefix"] and prefix.startswith(rule["Filter"]["Prefix"])
        ]
        assert rule["Transitions"] == [{"StorageClass": "STANDARD_IA", "Days": 30}]
        assert "Expiration" not in rule


@pytest.mark.parametrize(("prefix", "days"), [("athena-results/", 7), ("compute-logs/", 30)])
def test_what_is_not_the_lake_expires(stack: Stack, prefix: str, days: int):
    [rule] = [rule for rule in _lifecycle(stack) if rule["Filter"]["Prefix"] == prefix]
    assert rule["Expiration"] == {"Days": days}


def test_glue_database_is_there(stack: Stack):
    assert stack.outputs["DatabaseName"] == Settings().database
    database = stack.server.client("glue").get_database(Name=stack.outputs["DatabaseName"])["Database"]
    assert database["CatalogId"] == ACCOUNT


@pytest.mark.parametrize(
    ("output", "results"), [("AnalystWorkgroup", "analysts"), ("DataScienceWorkgroup", "data-science")]
)
def test_workgroup_decides_where_results_go_and_what_a_query_may_cost(
    stack: Stack, output: str, results: str
):
    athena = stack.server.client("athena")
    made = athena.get_work_group(WorkGroup=stack.outputs[output])["WorkGroup"]["Configuration"]
    assert made["EnforceWorkGroupConfiguration"] is True
    assert made["BytesScannedCutoffPerQuery"] == 10 * 1024**3
    assert made["ResultConfiguration"] == {
        "OutputLocation": f"s3://{stack.bucket}/athena-results/{results}/",
        "ExpectedBucketOwner": ACCOUNT,
        "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": stack.outputs["KeyArn"]},
    }


def test_outputs_are_the_pipelines_settings(stack: Stack):
    settings = Settings(lake_uri=stack.outputs["LakeUri"], database=stack.outputs["DatabaseName"])
    assert settings.lake_uri == f"s3://{stack.bucket}/lake"
    assert settings.database == "stedi_db"


def test_stack_with_another_prefix_and_database(stack: Stack):
    server = stack.server
    cloudformation = server.client("cloudformation")
    cloudformation.create_stack(
        StackName="other",
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[
            {"ParameterKey": "LakePrefix", "ParameterValue": ""},
            {"ParameterKey": "DatabaseName", "ParameterValue": "other_db"},
            {"ParameterKey": "AnalystPrincipals", "ParameterValue": f"arn:aws:iam::{ACCOUNT}:root"},
            {"ParameterKey": "DataScientistPrincipals", "ParameterValue": f"arn:aws:iam::{ACCOUNT}:root"},
        ],
    )
    found = cloudformation.describe_stacks(StackName="other")["Stacks"][0]
    outputs = {item["OutputKey"]: item["OutputValue"] for item in found["Outputs"]}
    other = Stack(server, "other", outputs, {})
    key = f"arn:aws:s3:::{other.bucket}/customer/trusted/data/a.parquet"
    assert allows(other.policies("AnalystRoleArn"), "s3:GetObject", key)
    assert not allows(stack.policies("AnalystRoleArn"), "s3:GetObject", key)
    with pytest.raises(ClientError, match="EntityNotFound"):
        server.client("glue").get_database(Name="third_db")
    assert server.client("glue").get_database(Name="other_db")


def _lifecycle(stack: Stack) -> list[dict[str, Any]]:
    return stack.server.client("s3").get_bucket_lifecycle_configuration(Bucket=stack.bucket)["Rules"]
