"""The three sources as these tests know them, the folder of shared data, and ways to read a text."""

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from stedi_assets.records.json_lines import Lines
from stedi_assets.records.json_objects import add_plain
from stedi_assets.records.outcome import Outcome
from stedi_assets.records.source import Field, Parsed, Rule, Source
from stedi_assets.records.text_reader import TextReader

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


def read_fast(text: bytes, source: Source, offset: int = 0) -> Parsed | None:
    """What the fast way alone reads of a text of JSON lines; None if it refuses the text."""
    outcome, lines = Outcome(source, text, offset), Lines.of(text)
    add_plain(outcome, lines)
    return outcome.parsed() if outcome.records == len(lines.ends) else None


def read_in_pieces(reader: TextReader, text: bytes, cuts: list[int]) -> Parsed:
    """What a reader gives of a text that it gets piece by piece, put together."""
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    parts = [*map(reader.feed, pieces[:-1]), reader.close(pieces[-1])]
    return Parsed(
        landed=pl.concat([part.landed for part in parts]),
        quarantined=pl.concat([part.quarantined for part in parts]),
        records=sum(part.records for part in parts),
        repaired=dict(sum((Counter(part.repaired) for part in parts), Counter())),
        drift=dict(sum((Counter(part.drift) for part in parts), Counter())),
    )
