"""What AWS's clients are told: the region, the endpoint, and the key of ``STEDI_KMS_KEY_ID``.

Four clients write to S3: fsspec (raw files, and what landing tasks stage), PyIceberg (metadata), Sail, and Apache
Spark's S3A. DuckDB only reads. A client that is told of no key leaves the encryption to the bucket.
"""

from __future__ import annotations

import os
from typing import Any


def region() -> str | None:
    """The region that is set: ``AWS_REGION``, which boto3 alone does not heed, or else what boto3 finds."""
    import boto3

    found: str | None = os.environ.get("AWS_REGION") or boto3.Session().region_name
    return found


def endpoint() -> str | None:
    """The address of a server that stands in for AWS; None for AWS itself."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


# s3fs asks five times; to read an object, it does so five times; and the client below it would ask five times, for 15 s
# each. So a server that said nothing would hold a reader for half an hour. With these it is some four minutes.
S3_CLIENT: dict[str, Any] = {"read_timeout": 5, "retries": {"mode": "standard", "total_max_attempts": 2}}


def fsspec_options(kms_key_id: str | None) -> dict[str, Any]:
    """Options of fsspec's file system for S3: how often it tries, and what it hands on to the requests that write."""
    options: dict[str, Any] = {"config_kwargs": S3_CLIENT}
    if kms_key_id is not None:
        options["s3_additional_kwargs"] = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id}
    return options


def pyiceberg_properties(kms_key_id: str | None) -> dict[str, str]:
    """Properties of a PyIceberg catalog; of its file layers, the one of fsspec alone heeds them."""
    if kms_key_id is None:
        return {}
    return {"s3.server-side-encryption": "aws:kms", "s3.sse-kms-key-id": kms_key_id}


def sail_environment(kms_key_id: str | None) -> dict[str, str]:
    """Environment variables of Sail, which are those of Rust's ``object_store``."""
    if kms_key_id is None:
        return {}
    return {"AWS_SERVER_SIDE_ENCRYPTION": "aws:kms", "AWS_SSE_KMS_KEY_ID": kms_key_id}


def s3a_config(kms_key_id: str | None) -> dict[str, str]:
    """Settings of an Apache Spark driver or Connect server."""
    if kms_key_id is None:
        return {}
    return {
        "spark.hadoop.fs.s3a.encryption.algorithm": "SSE-KMS",
        "spark.hadoop.fs.s3a.encryption.key": kms_key_id,
    }
