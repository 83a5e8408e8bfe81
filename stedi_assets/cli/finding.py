"""The outcome of one examination of ``stedi doctor``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "wrong"]


@dataclass(frozen=True)
class Finding:
    """The outcome of an examination.

    Attributes:
        name: What was examined.
        state: How it is: a warning hinders nothing yet.
        message: What is so; where something is wrong, what to do.
    """

    name: str
    state: State
    message: str
