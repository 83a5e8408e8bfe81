"""Landing files that every contender can read, and a delivery into a lake of them."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from typing import TYPE_CHECKING

from stedi_assets.sample_data import write_sample_lake
from stedi_assets.sample_data.broken import BROKEN

if TYPE_CHECKING:
    from pathlib import Path

# Readings of a delivery into a lake that is up to date.
DELIVERED = 10_000


def well_formed(lake: Path, scale: int) -> Path:
    """Generate landing files that a plain JSON reader can read; kept for the next time.

    The broken records of the generated data are left out: only this product gets past them.
    """
    if not (lake / "complete").exists():
        shutil.rmtree(lake, ignore_errors=True)
        write_sample_lake(lake, scale=scale)
        for source, broken in BROKEN.items():
            left_out = {line for _, line in broken}
            for file in (lake / source / "landing").iterdir():
                lines = file.read_text().splitlines()
                file.write_text("".join(f"{line}\n" for line in lines if line not in left_out))
        (lake / "complete").touch()
    return lake


def new_readings(lake: Path) -> str:
    """A delivery: other accelerometer readings of moments that a lake has. Each finds a step, and none is there."""
    with min((lake / "accelerometer" / "landing").iterdir()).open() as lines:
        readings = [json.loads(line) for line in islice(lines, DELIVERED)]
    return "".join(json.dumps(reading | {"x": reading["x"] + 1e-6}) + "\n" for reading in readings)
