"""Random histories end equal to a rebuild from the raw files; see ``histories``."""

from collections import Counter

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from stedi_assets.assets import increment
from stedi_assets.lake import packing
from stedi_assets_tests.end_to_end.histories import Histories
from stedi_assets_tests.shares import STABLE

# What happens in some histories and not in others, and would prove nothing if it never did.
RARE = (
    "broken record",
    "came anew",
    "came from a backup",
    "consent enforced",
    "delivered again",
    "delivered again and not kept",
    "erased",
    "erased twice",
    "erased what was delivered again",
    "erasure refused",
    "files packed",
    "held back or withdrawn",
    "nobody left",
    "rows added",
    "shared device withheld",
    "snapshots expired",
    "taken back",
    "a withdrawal stays",
)


@pytest.mark.prove
@pytest.mark.parametrize(("histories", "steps"), [(2, 6), (60, 20)])
def test_every_history_ends_as_its_raw_files_say(kept_three_people, monkeypatch, histories, steps):
    """The histories are the same each time. A history that fails is shown step by step, as a program."""
    monkeypatch.setattr(packing, "FEWEST_FILES", 2)
    # Much of so small a lake is new each time.
    monkeypatch.setattr(increment, "_MOST_NEW", 2.0)
    reached: Counter[str] = Counter()
    run_state_machine_as_test(
        lambda: Histories(kept_three_people, reached),
        settings=settings(
            STABLE,
            max_examples=histories,
            stateful_step_count=steps,
            # To shrink a history takes hours.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert reached["histories"] == histories
    if histories > 2:
        assert [name for name in RARE if not reached[name]] == []
