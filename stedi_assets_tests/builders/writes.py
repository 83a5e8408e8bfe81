"""The writes of this process to a folder, one of which goes wrong; ``killed`` says what a write is.

``killed`` ends a process by SIGKILL. Here the process stays, so that hundreds of histories can have such a fault. A run
that "dies" comes no further, and what it would clean up stays: every write after the first one fails, too.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from stedi_assets_tests.builders.killed import watch

Fault = Literal["dies", "refused", "full", "read-only"]
FAULTS: tuple[Fault, ...] = ("dies", "refused", "full")


class DiedError(BaseException):
    """The end of a run whose process stays."""


class Writes:
    """Writes to a folder; an instance watches for as long as the process lives.

    Attributes:
        passed: How many writes there were since the last plan.
        failed: How many of them failed.
    """

    def __init__(self, folder: str) -> None:
        self.passed = self.failed = 0
        self._plan: tuple[int, Fault] | None = None
        watch(folder, self._before)

    @contextmanager
    def failing(self, at: int, fault: Fault) -> Iterator[None]:
        """Let the write of this number fail, counted from 0, if there are so many.

        Args:
            at: The number.
            fault: ``dies``: it and all that follow. ``refused``: it alone. ``full``: it and all that follow, but for
                those that make room. ``read-only``: it and all that follow.
        """
        self.passed = self.failed = 0
        self._plan = at, fault
        try:
            yield
        finally:
            self._plan = None

    def _before(self, makes_room: bool) -> None:
        if self._plan is None:
            return
        at, fault = self._plan
        here, self.passed = self.passed, self.passed + 1
        if here < at or (fault == "refused" and here > at) or (fault == "full" and makes_room):
            return
        self.failed += 1
        if fault == "dies":
            raise DiedError
        number = {"full": errno.ENOSPC, "read-only": errno.EROFS, "refused": errno.EIO}[fault]
        raise OSError(number, os.strerror(number))
