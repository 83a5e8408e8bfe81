"""Fixtures for every test: the engines, and the folder of shared data.

A test that cannot run here is skipped and says why. Where ``STEDI_TEST_NO_SKIPS=1`` is set, as in CI, a
skip is a failure.
"""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from stedi_assets import cli
from stedi_assets.settings import get_settings
from stedi_assets_tests import engines as both
from stedi_assets_tests.aws_lake import new_lake, s3_server
from stedi_assets_tests.builders.graph import Graph, KeptLake
from stedi_assets_tests.builders.three_people import deliver_three_people
from stedi_assets_tests.builders.worlds import World, draw_worlds, landing_rows
from stedi_assets_tests.shares import PROVE

# The S3 and Glue server, and lakes in it: of one module, fixtures of all.
__all__ = ["new_lake", "s3_server"]

# Here, since Hypothesis asks for the profile before any test is imported.
settings.register_profile(PROVE, settings.get_profile("default"))


@pytest.fixture(scope="session")
def sail_engine() -> Iterator[both.RunningEngine]:
    """Sail, started when first used."""
    with both.sail() as engine:
        yield engine


@pytest.fixture(scope="session")
def suite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of temporary files that all processes of this run of the suite share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def spark_engine(suite_folder: Path) -> Iterator[both.RunningEngine]:
    """Apache Spark, started when first used."""
    with both.spark(suite_folder) as engine:
        yield engine


@pytest.fixture(scope="session", params=["sail", "spark"])
def engine(request: pytest.FixtureRequest) -> both.RunningEngine:
    """Each engine in turn."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture(scope="session")
def engines(
    sail_engine: both.RunningEngine, spark_engine: both.RunningEngine
) -> tuple[both.RunningEngine, both.RunningEngine]:
    """Sail and Apache Spark, to be compared."""
    return sail_engine, spark_engine


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared data: ``STEDI_TEST_SHARED``, or ``shared`` beside the repository."""
    folder = Path(os.environ.get("STEDI_TEST_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set STEDI_TEST_SHARED")
    return folder


@pytest.fixture(scope="session")
def kept_three_people(sail_engine: both.RunningEngine, tmp_path_factory: pytest.TempPathFactory) -> KeptLake:
    """A lake of three people that was run once."""
    lake = tmp_path_factory.mktemp("three") / "lake"
    deliver_three_people(lake)
    graph = Graph(str(lake), sail_engine)
    graph.run()
    return KeptLake(graph)


@pytest.fixture
def three_people(kept_three_people: KeptLake) -> Graph:
    """The lake of three people as its first run left it."""
    return kept_three_people.graph()


@pytest.fixture(scope="session")
def worlds() -> list[World]:
    """Thousands of random small worlds."""
    return draw_worlds()


@pytest.fixture(scope="session")
def landing(worlds: list[World]) -> dict[str, list]:
    """What the three landing tables hold of all worlds together."""
    return landing_rows(worlds)


@pytest.fixture
def stedi(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command ``stedi`` as a shell does, in this process; gives its exit code, output and errors."""
    # Wide enough for every table.
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, lake: str) -> tuple[int, str, str]:
        monkeypatch.setenv("STEDI_LAKE_URI", lake)
        monkeypatch.setattr(sys, "argv", ["stedi", *arguments])
        get_settings.cache_clear()
        capsys.readouterr()
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            get_settings.cache_clear()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def spark_driver(suite_folder: Path) -> Iterator[None]:
    """The one port on which PySpark's own server listens: the processes of the suite take turns."""
    with (suite_folder / "spark_driver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report: pytest.TestReport = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector):
    report: pytest.CollectReport = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("STEDI_TEST_NO_SKIPS") == "1":
        report.outcome = "failed"
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.longrepr = f"{reason}\n(a failure, since STEDI_TEST_NO_SKIPS=1)"
