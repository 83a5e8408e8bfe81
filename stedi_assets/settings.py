"""Every ``STEDI_*`` variable, typed and validated, in one place.

Nothing else in the package reads the environment for settings of ours. AWS credentials, region and endpoint
come by the standard AWS variables and files, and Spark's own settings by ``spark-defaults.conf``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stedi_assets.errors import StediError

PREFIX = "STEDI_"
SPARK_EXAMPLES = "sail, local[*], spark://host:7077, sc://host:15002, yarn or k8s://https://host:443"


class SettingsError(StediError):
    """A setting is missing or wrong; the message names the variable and the remedy."""


class Settings(BaseSettings):
    """What a user may set, by environment variable.

    Attributes:
        lake_uri: Folder or ``s3://bucket/prefix`` that holds raw files and tables (``STEDI_LAKE_URI``).
        spark: Engine: ``sail``, a Spark master, or a Spark Connect endpoint (``STEDI_SPARK``).
        database: Catalog database of the tables (``STEDI_DATABASE``).
        consent_from_date: Drop readings from before consent (``STEDI_CONSENT_FROM_DATE``).
        ml_match: Pair step and accelerometer readings of the same ``person``, or of any person with the same
            ``timestamp`` as the published exercise did (``STEDI_ML_MATCH``).
        pseudonym_key: Key of ``customer_key`` (``STEDI_PSEUDONYM_KEY``); required on ``s3://``.
        retention_days: Days that superseded table snapshots are kept (``STEDI_RETENTION_DAYS``).
        kms_key_id: Key ID, ARN or alias of the KMS key under which everything is written to an ``s3://`` lake
            (``STEDI_KMS_KEY_ID``); without it the bucket's default encryption applies.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    lake_uri: str = "data"
    spark: str = "sail"
    database: str = Field(default="stedi_db", pattern=r"^[a-z][a-z0-9_]*$")
    consent_from_date: bool = False
    ml_match: Literal["person", "timestamp"] = "person"
    pseudonym_key: SecretStr | None = Field(default=None, min_length=16)
    retention_days: int = Field(default=7, ge=0)
    kms_key_id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9:/_-]+$")

    @field_validator("lake_uri")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if found := set(value) & set("[]{}*?\\%"):
            # Apache Spark would take them for a pattern, or for an escape, in every path that it reads.
            raise ValueError(f"the address of a lake must not contain {' '.join(sorted(found))}")
        scheme = urlsplit(value).scheme
        if scheme == "s3":
            if not urlsplit(value).netloc:
                raise ValueError("an s3:// lake needs a bucket, such as s3://my-bucket/lake")
            return value.rstrip("/")
        if scheme not in ("", "file"):
            raise ValueError("a lake is a folder or an s3:// address")
        if not value:
            raise ValueError("a lake is a folder or an s3:// address, and this is empty")
        return str(Path(value.removeprefix("file://")).expanduser().resolve())

    @field_validator("spark")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if value in ("sail", "yarn", "local") or value.startswith(("local[", "spark://", "sc://", "k8s://")):
            return value
        raise ValueError(f"no such engine; use {SPARK_EXAMPLES}")

    @property
    def on_s3(self) -> bool:
        """Whether the lake is a bucket."""
        return self.lake_uri.startswith("s3://")


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings from the environment, once a process.

    Raises:
        SettingsError: A variable has a value that cannot be used; the message names it and says why. The
            value itself is left out, since it may be a secret.
    """
    try:
        return Settings()
    except ValidationError as error:
        problems = [
            f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors(include_input=False, include_url=False)
        ]
        raise SettingsError("; ".join(problems)) from None
