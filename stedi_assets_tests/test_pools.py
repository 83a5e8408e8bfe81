"""The pools of the tables: an instance that was set up lets one run at a time write each table."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.config import dagster_instance_config
from typer.testing import CliRunner

from stedi_assets.cli import app

REPOSITORY = Path(__file__).parents[1]
PRODUCTION = REPOSITORY / "deploy" / "dagster.yaml"
LOCAL = REPOSITORY / "stedi_assets" / "cli" / "dagster.local.yaml"
POOLS = {
    "customer_landing",
    "accelerometer_landing",
    "step_trainer_landing",
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
}


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """A new instance of ``make dev``."""
    shutil.copy(LOCAL, tmp_path / "dagster.yaml")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as made:
        yield made


def limits(instance: dg.DagsterInstance) -> dict[str, tuple[int, bool]]:
    """The limit of each pool, and whether it is the instance's default."""
    return {
        pool.name: (pool.limit, pool.from_default) for pool in instance.event_log_storage.get_pool_limits()
    }


def test_one_command_limits_every_pool_of_an_instance_to_one_and_may_be_repeated(
    instance: dg.DagsterInstance,
):
    for _ in range(2):
        result = CliRunner().invoke(app, ["register-pools"])
        assert result.exit_code == 0, result.output
        assert limits(instance) == dict.fromkeys(POOLS, (1, False))


def test_a_limit_that_somebody_has_changed_is_one_again_afterwards(instance: dg.DagsterInstance):
    instance.event_log_storage.set_concurrency_slots("customer_trusted", 4)
    instance.event_log_storage.initialize_concurrency_limit_to_default("customer_curated")
    assert limits(instance) == {"customer_trusted": (4, False), "customer_curated": (1, True)}
    assert CliRunner().invoke(app, ["register-pools"]).exit_code == 0
    assert limits(instance) == dict.fromkeys(POOLS, (1, False))


def test_without_an_instance_the_command_says_what_to_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    result = CliRunner().invoke(app, ["register-pools"])
    assert result.exit_code == 1
    assert "DAGSTER_HOME is not set" in str(result.exception)


@pytest.mark.parametrize("path", [PRODUCTION, LOCAL], ids=lambda path: path.name)
def test_runs_queue_for_pools_of_one_wherever_the_product_runs(path: Path):
    config, _ = dagster_instance_config(str(path.parent), path.name)
    assert config["concurrency"]["pools"] == {"granularity": "run", "default_limit": 1}


def test_the_local_instance_does_not_wait_for_ever_for_a_run_whose_computer_was_switched_off():
    monitoring = dagster_instance_config(str(LOCAL.parent), LOCAL.name)[0]["run_monitoring"]
    assert monitoring["enabled"]
    assert 0 < monitoring["max_runtime_seconds"] <= 3600
