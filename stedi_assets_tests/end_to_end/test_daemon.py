"""``stedi dev`` with its real daemon: what is dropped arrives, although the first run that takes it is killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import dagster as dg
import pytest

from stedi_assets.lake.lake import Lake
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.three_people import deliver_three_people
from stedi_assets_tests.cli.test_dev import free_port

Found = TypeVar("Found")
STEDI = str(Path(sys.executable).with_name("stedi"))
# Of a busy machine with two cores: the sensor looks every half a minute, and the monitor of runs does, too.
PATIENCE_SECONDS = 480

pytestmark = pytest.mark.prove


@pytest.fixture
def lake(tmp_path) -> Path:
    (tmp_path / "lake").mkdir()
    return tmp_path / "lake"


@pytest.fixture
def served(lake) -> Iterator[subprocess.Popen[str]]:
    """The UI and the daemon of the lake."""
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    process = subprocess.Popen(
        [STEDI, "dev", "--port", str(free_port())],
        env=environment | {"STEDI_LAKE_URI": str(lake)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Starting")
        assert process.stdout.readline().startswith("Ready")
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


@pytest.fixture
def instance(served, lake) -> Iterator[dg.DagsterInstance]:
    """The lake's history."""
    with dg.DagsterInstance.from_config(str(lake.parent / ".dagster" / "lake")) as made:
        yield made


def wait_for(served: subprocess.Popen[str], is_so: Callable[[], Found | None]) -> Found:
    """Look time and again until something is so, and give it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if (found := is_so()) is not None:
            return found
        with suppress(subprocess.TimeoutExpired):
            served.wait(timeout=0.2)
            pytest.fail("stedi dev ended by itself")
    pytest.fail("nothing of the kind within the time given")


def process_of(instance: dg.DagsterInstance, run_id: str) -> int | None:
    """The process of a run, as the launcher names it in the run's log."""
    told = (
        re.search(r"Started process for run \(pid: (\d+)\)", entry.message)
        for entry in instance.all_logs(run_id)
    )
    return next((int(found[1]) for found in told if found), None)


def test_a_file_that_is_dropped_arrives_although_the_first_run_that_takes_it_is_killed(
    served, instance, lake
):
    deliver_three_people(lake)

    def at_work() -> dg.DagsterRun | None:
        filters = dg.RunsFilter(job_name="refresh", statuses=[dg.DagsterRunStatus.STARTED])
        return next(iter(instance.get_runs(filters)), None)

    first = wait_for(served, at_work)
    os.kill(wait_for(served, lambda: process_of(instance, first.run_id)), signal.SIGKILL)
    tables = Lake(Settings(lake_uri=str(lake)))
    wait_for(served, lambda: tables.snapshot("machine_learning_curated").rows or None)
    assert tables.snapshot("machine_learning_curated").rows == 10
    killed = instance.get_run_by_id(first.run_id)
    assert killed is not None
    assert killed.status == dg.DagsterRunStatus.FAILURE
