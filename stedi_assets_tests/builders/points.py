"""Points between two steps of a run: at each one another run may do something, or the run may be killed."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from stedi_assets.assets import increment
from stedi_assets.lake import publication
from stedi_assets.lake.pinned import PinnedSnapshots
from stedi_assets.landing import ingest, ledger

# A run passes a point behind each call of one of these. The look at what decides consent and the commit are two.
STEPS = (
    (PinnedSnapshots, "base"),
    (PinnedSnapshots, "snapshot"),
    (ingest, "list_landing"),
    (ingest, "read_ledger"),
    (ingest, "read_landing_files"),
    (increment, "stage"),
    (publication, "_require_current_consent"),
    (publication, "_commit"),
    (ingest.Ingest, "_entries"),
    (ledger, "compare_and_set"),
)


class KilledError(Exception):
    """Stands for the end of the process."""


def kill() -> None:
    raise KilledError


@dataclass
class _Run:
    at: int | None
    act: Callable[[], Any]
    passed: list[str] = field(default_factory=list)


class Points:
    """Lets a run pass its points, and acts at one of them."""

    def __init__(self, patch: pytest.MonkeyPatch, steps: tuple[tuple[Any, str], ...] = STEPS) -> None:
        self._runs: list[_Run] = []
        for owner, name in steps:
            self._hook(patch, owner, name)

    def run(
        self, run: Callable[[], Any], *, at: int | None = None, act: Callable[[], Any] = kill
    ) -> list[str]:
        """Do a run, act at one of its points, and name the points that it passed."""
        this = _Run(at, act)
        self._runs.append(this)
        try:
            run()
        finally:
            self._runs.pop()
        return this.passed

    def _hook(self, patch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
        function = getattr(owner, name)

        @functools.wraps(function)
        def hooked(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            self._pass(name)
            return result

        patch.setattr(owner, name, hooked)

    def _pass(self, name: str) -> None:
        if not self._runs:
            return
        this = self._runs[-1]
        this.passed.append(name)
        if this.at == len(this.passed) - 1:
            # Whatever is done at the point passes points of its own.
            self._runs.append(_Run(None, kill))
            try:
                this.act()
            finally:
                self._runs.pop()
