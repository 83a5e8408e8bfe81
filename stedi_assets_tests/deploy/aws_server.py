"""moto's server, with CloudFormation for the resources and properties of our template that moto leaves out.

moto 5.2 makes of a template's bucket no more than its name and encryption, and of a bucket policy, a Glue
database or an Athena workgroup nothing. What is missing is made here, in the server's process, by the public API
of the same server: each call carries the template's own properties, and botocore refuses those that AWS does not
know. And it takes every request to Glue for one about everything; here it learns which table is meant.

``main`` is moto's own; whoever runs it has ``AWS_ENDPOINT_URL`` name the port that it is given.
"""

import json
from typing import Any, Self

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.common_models import CloudFormationModel
from moto.glue.responses import GlueResponse
from moto.s3.models import FakeBucket
from moto.server import main

__all__ = ["main"]


class _MadeByApi(CloudFormationModel):
    """A resource that CloudFormation knows by a name alone."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def physical_resource_id(self) -> str:
        return self.name

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return ""

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003 - moto's signature
        cloudformation_json: dict[str, Any],
        account_id: str,  # noqa: ARG003 - moto's signature
        region_name: str,
        **_: Any,
    ) -> Self:
        name = cls.make(cloudformation_json["Properties"], region_name)
        return cls(name)

    @classmethod
    def make(cls, properties: dict[str, Any], region: str) -> str:
        raise NotImplementedError


# moto finds resource types among the direct subclasses of its class.
class GlueDatabase(_MadeByApi, CloudFormationModel):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Glue::Database"

    @classmethod
    def make(cls, properties: dict[str, Any], region: str) -> str:
        boto3.client("glue", region).create_database(**properties)
        return str(properties["DatabaseInput"]["Name"])


class AthenaWorkgroup(_MadeByApi, CloudFormationModel):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Athena::WorkGroup"

    @classmethod
    def make(cls, properties: dict[str, Any], region: str) -> str:
        boto3.client("athena", region).create_work_group(
            Name=properties["Name"],
            Description=properties["Description"],
            Configuration=properties["WorkGroupConfiguration"],
        )
        return str(properties["Name"])


class BucketPolicy(_MadeByApi, CloudFormationModel):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::S3::BucketPolicy"

    @classmethod
    def make(cls, properties: dict[str, Any], region: str) -> str:
        document = json.dumps(properties["PolicyDocument"])
        boto3.client("s3", region).put_bucket_policy(Bucket=properties["Bucket"], Policy=document)
        return f"{properties['Bucket']}-policy"


class Bucket(CloudFormationModel):
    """moto's bucket, with the rest of its properties."""

    @staticmethod
    def cloudformation_name_type() -> str:
        return FakeBucket.cloudformation_name_type()

    @staticmethod
    def cloudformation_type() -> str:
        return FakeBucket.cloudformation_type()

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> FakeBucket:
        bucket = FakeBucket.create_from_cloudformation_json(
            resource_name, cloudformation_json, account_id, region_name
        )
        properties = cloudformation_json["Properties"]
        s3 = boto3.client("s3", region_name)
        s3.put_bucket_versioning(
            Bucket=bucket.name, VersioningConfiguration=properties["VersioningConfiguration"]
        )
        s3.put_public_access_block(
            Bucket=bucket.name,
            PublicAccessBlockConfiguration={
                name: _flag(value) for name, value in properties["PublicAccessBlockConfiguration"].items()
            },
        )
        s3.put_bucket_ownership_controls(
            Bucket=bucket.name, OwnershipControls=properties["OwnershipControls"]
        )
        s3.put_bucket_lifecycle_configuration(
            Bucket=bucket.name,
            LifecycleConfiguration={
                "Rules": [_lifecycle_rule(rule) for rule in properties["LifecycleConfiguration"]["Rules"]]
            },
        )
        return bucket


def _glue_resource(response: GlueResponse) -> str:
    """The table, or else the database, or else the catalog, that a request to Glue is about."""
    asked = json.loads(response.body)
    root = f"arn:aws:glue:{response.region}:{DEFAULT_ACCOUNT_ID}"
    if database := asked.get("DatabaseName"):
        table = asked.get("TableInput", asked).get("Name")
        return f"{root}:table/{database}/{table}" if table else f"{root}:database/{database}"
    database = asked.get("DatabaseInput", asked).get("Name")
    return f"{root}:database/{database}" if database else f"{root}:catalog"


# moto's own hook, which its classes for other services have.
GlueResponse._determine_resource = _glue_resource  # type: ignore[attr-defined] # moto has no types for it


def _flag(value: bool | str) -> bool:
    return str(value).lower() == "true"


def _lifecycle_rule(rule: dict[str, Any]) -> dict[str, Any]:
    """Respell a rule, which CloudFormation writes otherwise than the API does.

    Raises:
        KeyError: The template has a rule of a kind that is not respelled here.
    """
    respelled: dict[str, Any] = {"Filter": {"Prefix": rule.pop("Prefix", "")}}
    for name, value in rule.items():
        match name:
            case "Id":
                respelled["ID"] = value
            case "Status":
                respelled["Status"] = value
            case "ExpirationInDays":
                respelled["Expiration"] = {"Days": int(value)}
            case "ExpiredObjectDeleteMarker":
                respelled["Expiration"] = {"ExpiredObjectDeleteMarker": _flag(value)}
            case "NoncurrentVersionExpiration" | "AbortIncompleteMultipartUpload":
                respelled[name] = {key: int(days) for key, days in value.items()}
            case "Transitions":
                respelled[name] = [
                    {"StorageClass": item["StorageClass"], "Days": int(item["TransitionInDays"])}
                    for item in value
                ]
            case _:
                raise KeyError(f"a lifecycle rule's {name}")
    return respelled
