"""The sources that deliver landing files: the one list of their names, from which every other list derives."""

from __future__ import annotations

from typing import Literal

SourceName = Literal["customer", "accelerometer", "step_trainer"]
# What each delivers, as the UI says it.
DELIVERED: dict[SourceName, str] = {
    "customer": "Snapshots of customers from the web site",
    "accelerometer": "Readings of the accelerometers in people's phones, from the app",
    "step_trainer": "Readings of Step Trainer devices",
}
SOURCES: tuple[str, ...] = tuple(DELIVERED)
