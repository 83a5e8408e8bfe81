"""The sample lake: generated landing files in the shape of the reference data, and the rows they lead to.

Here the files are written. ``people``, ``sessions`` and ``customers`` invent what is in them, ``broken`` adds the
broken records, ``counts`` states what the tables must hold. Nothing here knows Spark, Dagster or the settings.
"""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml

from stedi_assets.errors import StediError
from stedi_assets.sample_data.broken import BROKEN, broken_reasons, with_broken
from stedi_assets.sample_data.counts import POLICIES, count_rows
from stedi_assets.sample_data.customers import snapshot_customers
from stedi_assets.sample_data.people import invent_people
from stedi_assets.sample_data.sessions import DAY_MS, FIRST_SESSIONS_MS, record_sessions

__all__ = ["COUNTS_FILE", "LakeInUseError", "SampleCounts", "write_sample_lake"]

COUNTS_FILE = "expected_row_counts.yaml"

# Intact records of one cohort; the broken ones come on top.
_RECORDS = {"customer": 956, "accelerometer": 81_273, "step_trainer": 28_680}
# Files of the reference data's size; from ten times the data on larger ones, as a lake of that size has.
_LINES_PER_FILE, _LINES_PER_LARGE_FILE, _LARGE_SCALE = 10_000, 100_000, 10
_MS_BETWEEN_FILES = 47

_HEADER = """\
# Row counts that the sample landing files beside this file must lead to, generated with them.
# landing_files:      the delivery that the counts describe, path below the lake -> bytes
# row_counts:         rows per table: default; STEDI_CONSENT_FROM_DATE=true; STEDI_ML_MATCH=timestamp; both
# quarantine_reasons: broken records per source and reason
"""


class LakeInUseError(StediError):
    """The lake's landing folders hold files that are not of this sample data set."""


@dataclass(frozen=True)
class SampleCounts:
    """What was written and what it leads to, as in ``expected_row_counts.yaml``.

    ``landing_files`` maps paths below the lake to bytes, ``row_counts`` policy to table to rows,
    ``quarantine_reasons`` source to reason to records.
    """

    landing_files: dict[str, int]
    row_counts: dict[str, dict[str, int]]
    quarantine_reasons: dict[str, dict[str, int]]


def write_sample_lake(
    lake: Path, seed: int = 0, scale: int = 1, on_progress: Callable[[int, int], None] | None = None
) -> SampleCounts:
    """Write landing files and ``expected_row_counts.yaml`` into a lake; equal arguments give equal bytes.

    The data come in ``scale`` cohorts of the reference data's row counts, disjoint in people, devices and days,
    one in memory at a time. Files of an earlier, perhaps interrupted, run of the same scale are replaced.

    Args:
        lake: The lake's folder; made if absent.
        seed: Another seed gives other people and readings, and the same row counts by default policy.
        scale: Number of cohorts, at least 1.
        on_progress: Called with the records written so far and in all.

    Raises:
        LakeInUseError: If a landing folder holds files that this call would not itself write.
        ValueError: If ``scale`` is below 1.
    """
    if scale < 1:
        raise ValueError(f"scale is {scale}: give 1 or more")
    lines_per_file = _LINES_PER_LARGE_FILE if scale >= _LARGE_SCALE else _LINES_PER_FILE
    lines = {source: scale * (count + len(BROKEN[source])) for source, count in _RECORDS.items()}
    paths = _file_paths(lake, lines, lines_per_file, FIRST_SESSIONS_MS + scale * DAY_MS)
    for source in lines:
        _require_no_other_files(lake / source / "landing", paths[source])
    (lake / COUNTS_FILE).unlink(missing_ok=True)  # it must never stand beside files that it does not describe

    rng = random.Random(seed)  # noqa: S311 - the data must be the same every time
    deliveries = {source: _Delivery(paths[source], lines_per_file) for source in lines}
    row_counts: dict[str, Counter[str]] = {policy: Counter() for policy in POLICIES}
    done, total = 0, sum(lines.values())
    for cohort in range(scale):
        people = invent_people(rng, cohort)
        readings, steps = record_sessions(rng, people, cohort)
        customers = snapshot_customers(rng, people)
        for policy, counts in count_rows(customers, readings, steps).items():
            row_counts[policy].update(counts)
        texts = {
            "customer": [row.line for row in customers],
            "accelerometer": [
                f'{{"user":"{user}","timestamp":{time},"x":{x},"y":{y},"z":{z}}}'
                for user, time, x, y, z in readings
            ],
            "step_trainer": [
                f'{{"sensorReadingTime":{time},"serialNumber":"{serial}","distanceFromObject":{distance}}}'
                for time, serial, distance in steps
            ],
        }
        for source, records in texts.items():
            done += deliveries[source].write(with_broken(source, records))
            if on_progress:
                on_progress(done, total)

    reasons = {
        source: {reason: scale * count for reason, count in broken_reasons(source).items()}
        for source in BROKEN
    }
    quarantined = {f"{source}_quarantine": sum(counts.values()) for source, counts in reasons.items()}
    result = SampleCounts(
        landing_files={
            path.relative_to(lake).as_posix(): size
            for delivery in deliveries.values()
            for path, size in delivery.finish().items()
        },
        row_counts={policy: {**counts, **quarantined} for policy, counts in row_counts.items()},
        quarantine_reasons=reasons,
    )
    _write_atomically(lake / COUNTS_FILE, _HEADER + yaml.safe_dump(vars(result), sort_keys=False))
    return result


class _Delivery:
    """Writes the lines of one source to its files, each file whole and at once."""

    def __init__(self, paths: list[Path], lines_per_file: int) -> None:
        self._paths = iter(paths)
        self._lines_per_file = lines_per_file
        self._pending: list[str] = []
        self._sizes: dict[Path, int] = {}

    def write(self, lines: list[str]) -> int:
        """Take the lines, write every file that is full; returns the number of lines taken."""
        self._pending += lines
        while len(self._pending) >= self._lines_per_file:
            self._write_file()
        return len(lines)

    def finish(self) -> dict[Path, int]:
        """Write what is left; returns the bytes of each file."""
        if self._pending:
            self._write_file()
        return self._sizes

    def _write_file(self) -> None:
        path = next(self._paths)
        text = "\n".join([*self._pending[: self._lines_per_file], ""])
        del self._pending[: self._lines_per_file]
        self._sizes[path] = _write_atomically(path, text)


def _file_paths(
    lake: Path, lines: dict[str, int], lines_per_file: int, delivered_at: int
) -> dict[str, list[Path]]:
    """The paths of all files by source, numbered by the epoch millisecond of delivery as the sources do."""
    paths: dict[str, list[Path]] = {}
    moment = delivered_at
    for source, count in lines.items():
        paths[source] = []
        for _ in range(-(-count // lines_per_file)):
            paths[source].append(lake / source / "landing" / f"{source}-{moment}.json")
            moment += _MS_BETWEEN_FILES
    return paths


def _require_no_other_files(folder: Path, own: list[Path]) -> None:
    if not folder.is_dir():
        return
    others = sum(path not in own and not path.name.startswith(".") for path in folder.iterdir())
    if others:
        raise LakeInUseError(
            f"{folder} holds {others} file(s) that are not of this sample data set: "
            "choose another lake folder, or move them away first"
        )


def _write_atomically(path: Path, text: str) -> int:
    """Write under a hidden name, which listings of landing files skip, then rename; returns the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".{path.name}.partial")
    try:
        size = hidden.write_bytes(text.encode())
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)
    return size
