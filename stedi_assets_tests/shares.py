"""What ``make test`` runs of many cases and of many drawn examples; ``make prove`` runs the rest and the whole.

Each kind of case has a case that runs in every ``make test``.
"""

from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest
from hypothesis import settings

# Of drawn examples, `make test` takes one in so many; `make prove` asks for all by this profile of Hypothesis.
ONE_IN = 4
PROVE = "prove"

STABLE = settings(derandomize=True, deadline=None, database=None)

# A test whose examples are drawn: `make prove` runs it again, on all of them.
drawn = pytest.mark.drawn


def part_of(whole: int) -> int:
    """How many of the examples this run draws."""
    return whole if settings.get_current_profile_name() == PROVE else whole // ONE_IN


def examples(whole: int) -> settings:
    """The same examples each time: so many in ``make prove``, and a part of them in ``make test``."""
    return settings(STABLE, max_examples=part_of(whole))


def share(cases: Iterable[Any], *kept: Any) -> list[Any]:
    """Parameters of a test: those of ``kept`` run in ``make test``, all others in ``make prove`` alone.

    Args:
        cases: The value of each case; a tuple where a case has several values.
        kept: Which of these ``make test`` runs.
    """
    cases = list(cases)
    assert kept
    assert [case for case in kept if case not in cases] == []
    return [
        case
        if case in kept
        else pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.prove)
        for case in cases
    ]


def on_both_engines(cases: Iterable[Any], *on_spark: Any) -> list[Any]:
    """Pairs of an engine and a case: ``make test`` runs all cases on Sail, and some on Apache Spark."""
    cases = list(cases)
    kept = *product(["sail"], cases), *product(["spark"], on_spark)
    return share(product(["sail", "spark"], cases), *kept)
