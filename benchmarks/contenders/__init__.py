"""Scripts that compute the five derived tables as somebody would without this product, each in its tool's own style.

Each reads landing files that a plain JSON reader can read, and writes Parquet to a folder a table: no check, no
quarantine, no atomic publication.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY = b"0123456789abcdef"

# A date of consent is sometimes delivered as 1.7E12.
CUSTOMER = {
    "customerName": "string",
    "email": "string",
    "phone": "string",
    "birthDay": "string",
    "serialNumber": "string",
    "registrationDate": "bigint",
    "lastUpdateDate": "bigint",
    "shareWithResearchAsOfDate": "double",
    "shareWithPublicAsOfDate": "double",
    "shareWithFriendsAsOfDate": "double",
}
ACCELEROMETER = {"user": "string", "timestamp": "bigint", "x": "double", "y": "double", "z": "double"}
STEP_TRAINER = {"sensorReadingTime": "bigint", "serialNumber": "string", "distanceFromObject": "bigint"}
FIELDS = {"customer": CUSTOMER, "accelerometer": ACCELEROMETER, "step_trainer": STEP_TRAINER}


def pseudonyms(people: Iterable[str]) -> list[str]:
    """The HMAC-SHA-256 of each person, which neither DuckDB nor Polars has as a function."""
    return [hmac.new(KEY, person.encode(), hashlib.sha256).hexdigest() for person in people]
