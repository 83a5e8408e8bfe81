"""Every ``STEDI_*`` variable, typed and validated, in one place.

Nothing else in the package reads the environment for settings of ours. AWS credentials, region and endpoint
come by the standard AWS variables and files, and Spark's own settings by ``spark-defaults.conf``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from stedi_assets.errors import StediError

PREFIX = "STEDI_"
_HOST = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d+)?"
_ENGINES = (
    "sail|yarn",
    r"local(?:\[[0-9*, ]+\])?",
    # Several masters, of which one is active.
    rf"spark://{_HOST}(?:,{_HOST})*",
    # With parameters such as a token.
    rf"sc://{_HOST}(?:/(?:;[^;=\s]+=[^;=\s]*)*)?",
    r"k8s://\S+",
)
_UNITS = {"MB": 1_000_000, "GB": 1_000_000_000}
_LEAST_MEMORY = _UNITS["GB"]
SPARK_EXAMPLES = "sail, local[*], spark://host:7077, sc://host:15002, yarn or k8s://https://host:443"


class SettingsError(StediError):
    """A setting is missing or wrong; the message names the variable and the remedy."""


class Settings(BaseSettings):
    """What a user may set, each by the environment variable of its name; ``docs/settings.md`` is made of this."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    lake_uri: str = Field(
        default="data", description="Folder or `s3://bucket/prefix` that holds raw files and tables."
    )
    # Neither printed nor dumped, since the address of a Connect server may hold a token.
    spark: str = Field(
        default="sail", repr=False, exclude=True, description="The engine, by one of the forms below."
    )
    memory: str | None = Field(
        default=None,
        pattern=r"^[1-9][0-9]*[MG]B$",
        description="How much memory a run may take on one machine, such as `4GB`, 1 GB or more: the embedded engine's "
        "queries, those of `local` Apache Spark, and the reading of files. Where it does not suffice, work spills to "
        "disk, or the run fails and says so. By default three quarters of the memory of the machine or its container.",
    )
    database: str = Field(
        default="stedi_db",
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Catalog database of the tables. Two lakes must not share one.",
    )
    consent_from_date: bool = Field(
        default=False, description="Whether readings from before their person's consent are left out."
    )
    ml_match: Literal["person", "timestamp"] = Field(
        default="person",
        description="Which readings make a pair: those of one person, or all of one time, strangers included, as the "
        "published exercise had it.",
    )
    pseudonym_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key of `customer_key`. A lake in a folder gets one, kept in `.stedi/` beside it; a lake on S3 "
        "needs this variable.",
    )
    retention_days: int = Field(
        default=7, ge=0, description="How many days superseded snapshots of a table are kept."
    )
    kms_key_id: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9:/_-]+$",
        description="ID, ARN or alias of the KMS key under which everything is written to a lake on S3. Without it the "
        "bucket's default encryption applies.",
    )
    alerts: SecretStr | None = Field(
        default=None,
        description="Whom to tell of failed runs, failing checks and overdue tables: addresses of apprise, with blanks "
        "between them, such as `mailto://…` or `slack://…`. Without it nobody is told.",
    )
    alerts_quarantine_percent: float = Field(
        default=1,
        ge=0,
        le=100,
        description="Up to which share of a delivery's records in quarantine nobody is told, in percent.",
    )
    ui_url: str = Field(
        default="http://127.0.0.1:3000",
        pattern=r"^https?://[^\s]+[^\s/]$",
        description="Where people open the Dagster UI; the links of alerts begin with it.",
    )

    @field_validator("lake_uri")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return _lake_address(value.strip())

    @field_validator("spark")
    @classmethod
    def _known_engine(cls, value: str) -> str:
        if any(re.fullmatch(form, value) for form in _ENGINES):
            return value
        # The value is left out: that of a Connect server may hold a token.
        raise ValueError(f"no such engine; use {SPARK_EXAMPLES}")

    @field_validator("memory")
    @classmethod
    def _enough_memory(cls, value: str | None) -> str | None:
        if value is not None and _bytes(value) < _LEAST_MEMORY:
            raise ValueError("a run takes 1GB or more")
        return value

    @property
    def memory_bytes(self) -> int | None:
        """What a run may take, if the user says so."""
        return None if self.memory is None else _bytes(self.memory)

    @property
    def policies(self) -> dict[str, bool | str]:
        """The settings that decide which rows a table has."""
        return {"consent_from_date": self.consent_from_date, "ml_match": self.ml_match}

    @property
    def on_s3(self) -> bool:
        """Whether the lake is a bucket."""
        return self.lake_uri.startswith("s3://")


def _bytes(size: str) -> int:
    return int(size[:-2]) * _UNITS[size[-2:]]


def _lake_address(value: str) -> str:
    """Spell the address of a lake in one way: an absolute path, or ``s3://bucket/prefix``."""
    scheme, colon, rest = value.partition(":")
    if "::" in value or (colon and "/" not in scheme and scheme.lower() not in ("s3", "file")):
        # fsspec would take the first part for a protocol, and Python for the name of a folder.
        raise ValueError("a lake is a folder or an s3:// address")
    if colon and scheme.lower() == "s3":
        return _s3_address(rest)
    if colon and scheme.lower() == "file":
        if not (rest.startswith("/") and urlsplit(rest).netloc in ("", "localhost")):
            raise ValueError("a lake in a folder of this machine is file:///some/folder, or /some/folder")
        value = urlsplit(rest).path
    if not value:
        raise ValueError("a lake is a folder or an s3:// address, and this is empty")
    try:
        path = Path(value).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):
        raise ValueError("a lake is a folder or an s3:// address, and this path leads nowhere") from None
    if path.exists() and not path.is_dir():
        raise ValueError("a lake is a folder, and this is a file")
    # The whole path, since the working directory may be part of it.
    _require_plain(str(path))
    return str(path)


def _s3_address(rest: str) -> str:
    _require_plain(rest)
    bucket, _, prefix = rest.removeprefix("//").partition("/")
    if not rest.startswith("//") or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", bucket):
        raise ValueError("an s3:// lake needs a bucket, such as s3://my-bucket/lake")
    prefix = prefix.rstrip("/")
    if prefix and any(part in ("", ".", "..") for part in prefix.split("/")):
        raise ValueError("the address of a lake must not contain //, /./ or /../")
    return f"s3://{bucket}/{prefix}".rstrip("/")


def _require_plain(address: str) -> None:
    # Apache Spark would take the first ones for a pattern, or for an escape, in every path that it reads.
    if found := sorted(set(address) & set("[]{}*?\\%")):
        raise ValueError(f"the address of a lake must not contain {' '.join(found)}")
    if "::" in address or not address.isprintable():
        raise ValueError("the address of a lake must not contain :: or characters that cannot be printed")


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
