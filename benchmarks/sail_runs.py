"""Runs of the product on one Sail engine that is up already, for the benchmarks that compare such runs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import dagster as dg

from stedi_assets.definitions import build_definitions
from stedi_assets.engine.session import SparkEngine
from stedi_assets.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pyspark.sql import SparkSession


class RunningEngine(SparkEngine):
    """An engine whose session is up already and outlives the runs that use it."""

    # Of the class, since Dagster makes a resource anew for each run.
    started: ClassVar[SparkSession]

    @property
    def session(self) -> SparkSession:
        """The session of the whole benchmark."""
        return self.started


@contextmanager
def sail_session() -> Iterator[SparkSession]:
    """Start Sail, and stop it in the end."""
    engine = SparkEngine(spark="sail")
    with engine.running():
        RunningEngine.started = engine.session
        yield engine.session


def step_seconds(lake: Path, tables: Sequence[dg.AssetKey] | None = None) -> dict[str, float]:
    """Run tables of a lake, or all, within a `sail_session`.

    Returns:
        The seconds of each step, without those of the run around them.
    """
    engine = RunningEngine(spark="sail")
    job = build_definitions(Settings(lake_uri=str(lake)), engine).resolve_job_def("refresh")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, asset_selection=tables)
        steps = instance.get_run_step_stats(result.run_id)
    return {step.step_key: (step.end_time or 0) - (step.start_time or 0) for step in steps}


def link_landing(given: Path, lake: Path, sources: Iterable[str]) -> None:
    """Give a lake the landing files of another, which costs no copy."""
    for source in sources:
        folder = lake / source / "landing"
        folder.mkdir(parents=True)
        for file in (given / source / "landing").iterdir():
            os.link(file, folder / file.name)
