"""Encryption under the key of ``STEDI_KMS_KEY_ID``, as each client that writes to S3 is told of it.

There are four: fsspec (raw files, and what landing tasks stage), PyIceberg (metadata), Sail, and Apache Spark's S3A.
DuckDB only reads. Told of no key, each leaves the encryption to the bucket.
"""

from __future__ import annotations

from typing import Any


def fsspec_options(kms_key_id: str | None) -> dict[str, Any]:
    """Options of fsspec's file system for S3, which hands them on to the requests that write."""
    if kms_key_id is None:
        return {}
    return {"s3_additional_kwargs": {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_id}}


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
