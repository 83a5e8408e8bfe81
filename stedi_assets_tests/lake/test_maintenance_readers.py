"""Readers beside publication and retention: never an error, a mix of two publications, or a gap."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Lock

import pytest

from stedi_assets.lake import maintenance
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.maintenance import GRACE, Removed, retain
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.one_table import CONTRACT, publish

PUBLICATIONS = 40
READERS = 3


class Clock:
    """When the oldest work in progress began, and a time at which the grace period has just passed for all before it.

    A day, real protection, is more than any reader takes. With this clock a test sees a day go by, again and again,
    while no reader takes longer than that. It reads the time off a file: a file system stamps what is written with
    the time of the kernel's last tick, so that by ``time.time()`` a file may be milliseconds older than the work that
    wrote it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._begun: dict[object, float] = {}
        self._publication: float | None = None

    @contextmanager
    def work(self, *, publishes: bool = False) -> Iterator[None]:
        this = object()
        with self._lock:
            began = self._time()
            if publishes:
                self._publication = began
            # A snapshot bears the time at which it was made; until it is committed, readers still begin with the one
            # before it. A commit takes no time, compared with a day.
            self._begun[this] = began if self._publication is None else self._publication
        yield
        with self._lock:
            if publishes:
                self._publication = None
            del self._begun[this]

    def now(self, _zone: object) -> datetime:
        with self._lock:
            oldest = min(self._begun.values(), default=self._time())
        return datetime.fromtimestamp(oldest, UTC) + GRACE

    def _time(self) -> float:
        self._file.touch()
        return self._file.stat().st_mtime

    @staticmethod
    def fromtimestamp(seconds: float, _zone: object) -> datetime:
        return datetime.fromtimestamp(seconds, UTC)


@pytest.fixture
def clock(monkeypatch, tmp_path) -> Clock:
    clock = Clock(tmp_path / "clock")
    monkeypatch.setattr(maintenance, "datetime", clock)
    return clock


def test_readers_see_whole_publications_while_retention_runs(tmp_path, clock):
    def a_lake() -> Lake:
        return Lake(Settings(lake_uri=str(tmp_path)))

    done = Event()
    publish(a_lake(), 0)

    def write() -> None:
        lake = a_lake()
        try:
            for generation in range(1, PUBLICATIONS + 1):
                with clock.work(publishes=True):
                    publish(lake, generation)
        finally:
            done.set()

    def clean() -> Removed:
        lake, removed = a_lake(), Removed()
        while not done.is_set():
            removed += retain(lake, CONTRACT.name, keep=timedelta(0))
        return removed

    def read() -> list[list[int]]:
        lake, seen = a_lake(), []
        while not done.is_set():
            with clock.work():
                seen.append(lake.ensure_table(CONTRACT).scan().to_arrow()["timestamp"].to_pylist())
        return seen

    with ThreadPoolExecutor(READERS + 2) as threads:
        readers = [threads.submit(read) for _ in range(READERS)]
        cleaner = threads.submit(clean)
        threads.submit(write).result()
        removed = cleaner.result()
        seen = [reader.result() for reader in readers]
    for reads in seen:
        assert all(len(rows) == 3 and len(set(rows)) == 1 for rows in reads)
        generations = [rows[0] for rows in reads]
        assert generations == sorted(generations)
    # They did meet: readers saw several publications, and retention deleted several beside them.
    assert len({rows[0] for reads in seen for rows in reads}) > PUBLICATIONS / 4
    assert removed.snapshots > PUBLICATIONS / 4
    assert removed.files > PUBLICATIONS / 4


def test_retention_as_it_is_set_up_deletes_nothing_under_readers(tmp_path):
    """With no days to keep anything, the grace period alone protects what is read and written now."""
    lake = Lake(Settings(lake_uri=str(tmp_path), retention_days=0))
    readers = []
    for generation in range(10):
        publish(lake, generation)
        readers.append((generation, lake.ensure_table(CONTRACT)))
        retain(lake, CONTRACT.name, keep=timedelta(days=0))
    for generation, table in readers:
        assert table.scan().to_arrow()["timestamp"].to_pylist() == [generation] * 3
