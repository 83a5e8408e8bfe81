"""The sources that deliver landing files: the one list of their names, from which every other list derives."""

from __future__ import annotations

from typing import Literal, get_args

SourceName = Literal["customer", "accelerometer", "step_trainer"]
SOURCES: tuple[str, ...] = get_args(SourceName)
