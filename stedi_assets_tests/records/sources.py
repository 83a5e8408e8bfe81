"""The three sources as these tests know them, and the folder of shared data."""

import os
from pathlib import Path

import pytest

from stedi_assets.records.source import Field, Rule, Source

CUSTOMER = Source(
    "customer",
    (
        Field("customerName", "string", required=False),
        Field("email", "string", required=True),
        Field("phone", "string", required=False),
        Field("birthDay", "string", required=False),
        Field("serialNumber", "string", required=True),
        Field("registrationDate", "bigint", required=False),
        Field("lastUpdateDate", "bigint", required=True),
        Field("shareWithResearchAsOfDate", "bigint", required=False),
        Field("shareWithPublicAsOfDate", "bigint", required=False),
        Field("shareWithFriendsAsOfDate", "bigint", required=False),
    ),
)
ACCELEROMETER = Source(
    "accelerometer",
    (
        Field("user", "string", required=True),
        Field("timestamp", "bigint", required=True),
        Field("x", "double", required=True),
        Field("y", "double", required=True),
        Field("z", "double", required=True),
    ),
    (Rule("timestamp_positive", "timestamp", "greater_than", (0,)),),
)
STEP_TRAINER = Source(
    "step_trainer",
    (
        Field("sensorReadingTime", "bigint", required=True),
        Field("serialNumber", "string", required=True),
        Field("distanceFromObject", "bigint", required=True),
    ),
)

_SHARED = Path(os.environ.get("STEDI_TEST_SHARED", Path(__file__).parents[2].parent / "shared"))


def shared(*parts: str) -> Path:
    """A file or folder of the shared data; the test is skipped where there is none."""
    path = _SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"no shared data at {path}: set STEDI_TEST_SHARED")
    return path
