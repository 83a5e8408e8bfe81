"""What the documentation says of deliveries is what becomes of them."""

import pytest

from stedi_assets.landing.examples import QUARANTINED, READ, REPAIRED, UNREADABLE
from stedi_assets.landing.examples_page import counts_of, problem_of
from stedi_assets.records.source import REASONS, REPAIRS

# Its text would be 16 MiB.
NOT_SHOWN = {"too_long"}


@pytest.mark.parametrize("example", [*READ, *REPAIRED, *QUARANTINED], ids=lambda example: example.of)
def test_as_many_records_of_an_example_land_as_it_says(example):
    counts = counts_of(example)
    assert counts.landed == example.landed
    assert counts.records == counts.landed + counts.quarantined
    assert (counts.quarantined > 0) == (example in QUARANTINED)


@pytest.mark.parametrize("example", REPAIRED, ids=lambda example: example.of)
def test_an_example_of_a_repair_needs_it(example):
    assert example.of in counts_of(example).repaired


@pytest.mark.parametrize("example", QUARANTINED, ids=lambda example: example.of)
def test_an_example_of_a_reason_is_quarantined_for_it(example):
    assert any(reason.startswith(example.of) for reason in counts_of(example).reasons)


@pytest.mark.parametrize("example", UNREADABLE, ids=lambda example: example.of)
def test_a_file_that_cannot_be_read_says_what_it_holds(example):
    assert set(example.of.split()) & set(problem_of(example).split())


def test_every_reason_and_every_repair_has_an_example():
    assert {example.of for example in REPAIRED} == {*REPAIRS}
    assert {example.of for example in QUARANTINED} == {*REASONS} - NOT_SHOWN
