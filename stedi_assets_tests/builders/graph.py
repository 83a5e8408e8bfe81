"""Lakes for end-to-end tests, and the graph run on them in this process."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.definitions import build_definitions
from stedi_assets.engine.session import SparkEngine
from stedi_assets.lake.lake import Lake
from stedi_assets.settings import Settings

KEY = "0123456789abcdef"
EIGHT = (
    "customer_landing",
    "accelerometer_landing",
    "step_trainer_landing",
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
)


@dataclass
class Graph:
    """The asset graph on a lake; each ``run`` is a run of the ``refresh`` job, or of the assets named."""

    lake_uri: str
    engine: SparkEngine
    policies: dict[str, Any] = field(default_factory=dict)
    instance: dg.DagsterInstance = field(default_factory=dg.DagsterInstance.ephemeral)

    @property
    def settings(self) -> Settings:
        return Settings(**{"lake_uri": self.lake_uri, "pseudonym_key": KEY} | self.policies)

    @property
    def lake(self) -> Lake:
        return Lake(self.settings)

    def run(
        self, *assets: str, full_refresh: bool = False, whole: bool = False, ok: bool = True
    ) -> dg.ExecuteInProcessResult:
        """Run the graph or some assets of it.

        Args:
            assets: Names of the assets; all if there are none.
            full_refresh: Whether raw files are read again, and all tables made whole.
            whole: Whether the trusted and curated tables are made whole.
            ok: Whether the run must succeed.
        """
        definitions = build_definitions(self.settings, self.engine)
        steps = {
            f"{name.removesuffix('_landing')}_ingest" if name.endswith("_landing") else name: full_refresh
            or (whole and not name.endswith("_landing"))
            for name in EIGHT
            if not assets or name in assets
        }
        config = {"ops": {step: {"config": {"full_refresh": full}} for step, full in steps.items()}}
        result = definitions.resolve_job_def("refresh").execute_in_process(
            instance=self.instance,
            asset_selection=[dg.AssetKey(name) for name in assets] or None,
            run_config=config,
            raise_on_error=False,
        )
        if ok and not result.success:
            failed = [event.event_specific_data.error for event in result.all_events if event.is_step_failure]
            raise AssertionError("\n".join(error.to_string() for error in failed if error))
        return result

    def rows(self) -> dict[str, int]:
        """Rows of each of the eight tables."""
        lake = self.lake
        return {name: lake.snapshot(name).rows for name in EIGHT}

    def snapshots(self) -> dict[str, int | None]:
        lake = self.lake
        return {name: lake.snapshot(name).snapshot_id for name in CONTRACTS}

    def table(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table as PyIceberg, which knows nothing of ours, reads them."""
        return self.lake.ensure_table(CONTRACTS[name]).scan().to_arrow().to_pylist()


class KeptFolder:
    """A folder as it was, put back for each test: at one address, which a lake's tables hold."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = folder.with_name(f"{folder.name} kept")
        shutil.copytree(self.folder, self._kept)

    def restore(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)  # a test may have moved it away
        shutil.copytree(self._kept, self.folder)


class KeptLake:
    """A lake in a folder as runs left it, put back for each test."""

    def __init__(self, graph: Graph) -> None:
        self._engine = graph.engine
        self._kept = KeptFolder(Path(graph.lake_uri))

    def graph(self) -> Graph:
        """The graph on the lake as it was."""
        self._kept.restore()
        return Graph(str(self._kept.folder), self._engine)


def checks_of(result: dg.ExecuteInProcessResult, table: str) -> dict[str, dg.AssetCheckEvaluation]:
    """The outcome of each check of a table in a run."""
    return {
        check.check_name: check
        for check in result.get_asset_check_evaluations()
        if check.asset_key.to_user_string() == table
    }


def how_made(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """How each trusted and curated table was made in a run."""
    return {
        event.asset_key.to_user_string(): event.materialization.metadata["made"].value
        for event in result.all_events
        if event.is_step_materialization and "made" in event.materialization.metadata
    }


def comparable(graph: Graph) -> dict[str, list[str]]:
    """Every table's rows but for when they were ingested."""
    rows = {name: graph.table(name) for name in CONTRACTS if name != "landing_files"}
    for table in rows.values():
        for row in table:
            row.pop("ingested_at", None)
    return {name: sorted(repr(sorted(row.items())) for row in table) for name, table in rows.items()}


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """What a failed run tells its user, by step."""
    told = []
    for event in result.all_events:
        if event.is_step_failure:
            assert event.step_failure_data.user_failure_data is not None, event.step_failure_data.error
            told.append(event.step_failure_data.user_failure_data.description)
    return told


def copy_landing(source: Path, lake: Path) -> Path:
    """A lake with the landing files of another, and nothing else."""
    for folder in source.glob("*/landing"):
        shutil.copytree(folder, lake / folder.relative_to(source))
    for folder in lake.rglob("*"):
        folder.chmod(0o755 if folder.is_dir() else 0o644)
    return lake
