"""The lakes whose tables are known beforehand: the repository's sample data, and the reference data."""

from pathlib import Path

import yaml

from stedi_assets.checks import EXPECTATIONS_FILE
from stedi_assets_tests.builders.graph import copy_landing

DATA = Path(__file__).parents[2] / "data"
# Measured on the reference data set by three independent implementations.
REFERENCE = {
    "default": ({}, (956, 81273, 28680, 482, 40981, 482, 14460, 40981)),
    "consent dates": ({"consent_from_date": True}, (956, 81273, 28680, 482, 32025, 464, 11297, 32025)),
    "time only": ({"ml_match": "timestamp"}, (956, 81273, 28680, 482, 40981, 482, 14460, 43681)),
}


def sample_lake(folder: Path) -> Path:
    copy_landing(DATA, folder)
    (folder / EXPECTATIONS_FILE).write_bytes((DATA / EXPECTATIONS_FILE).read_bytes())
    return folder


def stated_counts(column: str) -> dict[str, int]:
    return yaml.safe_load((DATA / EXPECTATIONS_FILE).read_text())["row_counts"][column]
