"""``deploy/dagster.yaml``: an instance made from it, on a real PostgreSQL, runs jobs through its queue and daemon."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._cli.job import _create_run
from dagster._cli.workspace.cli_target import (
    WorkspaceOpts,
    get_code_location_from_workspace,
    get_remote_job_from_remote_repo,
    get_remote_repository_from_code_location,
    get_workspace_from_cli_opts,
)
from dagster._core.instance.config import dagster_instance_config

from stedi_assets.pools import register_pools
from stedi_assets_tests.deploy import production_jobs
from stedi_assets_tests.deploy.conftest import ADMINISTRATOR, TEMPLATE, Stack, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = TEMPLATE.with_name("dagster.yaml")
JOBS = Path(production_jobs.__file__)
LAUNCHED = ["write", "write", "fail", "die", "go_beside"]
BINARIES = [
    Path(found).resolve().parent
    for found in (shutil.which("initdb"), *Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if found
]


def test_configuration_is_valid():
    config, _ = dagster_instance_config(str(CONFIG.parent))
    assert config["run_retries"]["retry_on_asset_or_op_failure"] is False


def test_only_one_run_writes_a_table_at_a_time(runs: list[dg.DagsterRun], instance: dg.DagsterInstance):
    of_table = [instance.get_run_stats(run.run_id) for run in runs if run.job_name != "go_beside"]
    stats = sorted(of_table, key=lambda each: each.start_time)
    for before, after in pairwise(stats):
        assert before.end_time <= after.start_time


def test_runs_succeed_through_queue_and_daemon(runs: list[dg.DagsterRun]):
    written = [run for run in runs if run.job_name == "write"]
    assert [run.status for run in written] == [dg.DagsterRunStatus.SUCCESS] * 2


def test_run_whose_process_was_lost_is_tried_again(runs: list[dg.DagsterRun]):
    statuses = {run.tags.get("dagster/retry_number"): run.status for run in runs if run.job_name == "die"}
    assert statuses == {None: dg.DagsterRunStatus.FAILURE, "1": dg.DagsterRunStatus.SUCCESS}


def test_run_that_failed_is_not_tried_again(runs: list[dg.DagsterRun]):
    """By the time that the lost run was tried again, the daemon had looked at this one as well."""
    assert [run.status for run in runs if run.job_name == "fail"] == [dg.DagsterRunStatus.FAILURE]


def test_output_of_runs_is_in_the_bucket(runs: list[dg.DagsterRun], stack: Stack):
    s3 = stack.server.client("s3")
    for run in runs:
        if run.job_name == "write":
            found = s3.list_objects_v2(Bucket=stack.bucket, Prefix=f"compute-logs/storage/{run.run_id}/")
            outputs = [
                s3.get_object(Bucket=stack.bucket, Key=item["Key"])["Body"].read().decode()
                for item in found["Contents"]
            ]
            assert any(production_jobs.GREETING in output for output in outputs)


def without_waits(configuration: str) -> str:
    """The configuration, but that the daemon looks into the queue every second: runs here take no longer."""
    found, wanted = "dequeue_interval_seconds: 5", "dequeue_interval_seconds: 1"
    assert configuration.count(found) == 1
    return configuration.replace(found, wanted)


@pytest.fixture(scope="module")
def instance(
    postgres: dict[str, str], stack: Stack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dg.DagsterInstance]:
    """An instance made from the file, its environment being that of this process and of those that it starts."""
    home = tmp_path_factory.mktemp("dagster_home")
    (home / CONFIG.name).write_text(without_waits(CONFIG.read_text()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        for name, value in postgres.items():
            patch.setenv(f"DAGSTER_PG_{name}", value)
        patch.setenv("DAGSTER_COMPUTE_LOG_BUCKET", stack.bucket)
        patch.setenv("AWS_ENDPOINT_URL", stack.server.url)
        patch.setenv("AWS_DEFAULT_REGION", ADMINISTRATOR["region_name"])
        patch.setenv("AWS_ACCESS_KEY_ID", ADMINISTRATOR["aws_access_key_id"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", ADMINISTRATOR["aws_secret_access_key"])
        with dg.DagsterInstance.from_config(str(home)) as made:
            yield made


def launch(instance: dg.DagsterInstance) -> None:
    """Queue a run of each job, as ``dagster job launch`` does, from one code server for all."""
    options = WorkspaceOpts(python_file=(str(JOBS),))
    with get_workspace_from_cli_opts(instance, dg.__version__, options) as workspace:
        location = get_code_location_from_workspace(workspace, None)
        repository = get_remote_repository_from_code_location(location, None)
        for name in LAUNCHED:
            job = get_remote_job_from_remote_repo(repository, name)
            run = _create_run(
                instance=instance,
                code_location=location,
                remote_repo=repository,
                remote_job=job,
                run_config={},
                tags=None,
                op_selection=None,
                run_id=None,
            )
            instance.submit_run(run.run_id, workspace)


@pytest.fixture(scope="module")
def runs(instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> list[dg.DagsterRun]:
    """Runs of the jobs, all queued before the daemon starts, and of what it tries again: once the last has ended."""
    programs = Path(sys.executable).parent
    # Without this, the two runs that write would start together: the first meeting of a pool sets no limit.
    register_pools(instance, production_jobs.defs)
    launch(instance)
    log = tmp_path_factory.mktemp("daemon") / "log"
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [programs / "dagster-daemon", "run", "-f", JOBS], stdout=output, stderr=output
        )
        try:
            while sum(run.is_finished for run in instance.get_runs()) <= len(LAUNCHED):
                try:
                    daemon.wait(timeout=0.5)
                except subprocess.TimeoutExpired:
                    continue
                pytest.fail(f"the daemon ended by itself:\n{log.read_text()}")
        finally:
            daemon.terminate()
            daemon.wait()
    return list(instance.get_runs())


@pytest.fixture(scope="module")
def postgres() -> Iterator[dict[str, str]]:
    """Where a database of a PostgreSQL server on the loopback address is, and who may use it."""
    if not BINARIES:
        pytest.skip(
            "PostgreSQL's server is not installed (initdb is neither on the path nor in /usr/lib/postgresql)"
        )
    # The server refuses to run as root.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    with _folder_of_its_user(as_user) as folder:
        port = free_port()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        control = [*as_user, str(BINARIES[0] / "pg_ctl"), "--pgdata", f"{folder}/data", "--silent"]
        initialise = ["--auth=trust", "--username=dagster", "--encoding=UTF8", "--no-sync"]
        subprocess.run([*control, "initdb", "--options", " ".join(initialise)], check=True, cwd=folder)
        start = ["start", "--wait", "--log", f"{folder}/log", "--options", options]
        subprocess.run([*control, *start], check=True, cwd=folder)
        try:
            yield {
                "HOST": "127.0.0.1",
                "PORT": str(port),
                "DB": "postgres",
                "USERNAME": "dagster",
                # A server that trusts its own machine asks for none, but the client must not trip over such a one.
                "PASSWORD": "p@ss/word:?#%",
            }
        finally:
            subprocess.run([*control, "stop", "--mode=immediate"], check=True, cwd=folder)


@contextmanager
def _folder_of_its_user(as_user: list[str]) -> Iterator[str]:
    """A folder for the server; pytest's own are closed to other users."""
    with tempfile.TemporaryDirectory(prefix="stedi-postgres-") as folder:
        if as_user:
            shutil.chown(folder, "postgres")
        yield folder
