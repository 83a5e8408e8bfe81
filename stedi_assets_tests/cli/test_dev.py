"""``stedi dev`` as installed: it says when the UI is ready, and starts neither twice nor on a port in use."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from stedi_assets.cli.instance import RUN_LOCK, alone

STEDI = str(Path(sys.executable).with_name("stedi"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "lake").mkdir()
    environment = os.environ | {"STEDI_LAKE_URI": str(tmp_path / "lake")}
    return {name: value for name, value in environment.items() if name != "DAGSTER_HOME"}


def dev(environment: dict[str, str], port: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [STEDI, "dev", "--port", str(port)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_ui_is_ready_where_it_says_and_a_second_one_of_the_lake_is_refused(environment, tmp_path):
    port = free_port()
    with dev(environment, port) as served:
        said = [served.stdout.readline() for _ in range(2)]
        try:
            assert said[0] == f"Starting the Dagster UI of {tmp_path / 'lake'}\n", served.stderr.read()
            assert f"http://127.0.0.1:{port} " in said[1]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info") as answer:
                assert answer.status == 200
            second = dev(environment, free_port())
            assert second.communicate() == (
                "",
                f"stedi: the UI of {tmp_path / 'lake'} is served already: http://127.0.0.1:{port}\n",
            )
            assert second.returncode == 1
            aside = [STEDI, "sample-data", "--lake", str(tmp_path / "lake"), "--anew"]
            refused = subprocess.run(aside, env=environment, capture_output=True, text=True, check=False)
            assert refused.returncode == 1
            assert "end it, then run this again" in refused.stderr
        finally:
            served.send_signal(signal.SIGINT)
        rest, errors = served.communicate()
    assert (served.returncode, errors) == (0, "")
    assert "WARNING" not in rest
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))


def test_a_port_in_use_is_named_with_another_one(environment):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = dev(environment, port)
        _, errors = process.communicate()
    assert process.returncode == 1
    assert f"port {port} cannot be had" in errors
    assert f"make dev PORT={port + 1}" in errors


def test_sample_data_anew_keeps_what_was_there_under_another_name(stedi, tmp_path):
    lake = tmp_path / "lake"
    (lake / "customer" / "landing").mkdir(parents=True)
    (lake / "customer" / "landing" / "mine.json").write_text("{}")
    history = tmp_path / ".dagster" / "lake"
    history.mkdir(parents=True)
    code, out, _ = stedi("sample-data", "--lake", str(lake), "--anew", lake=str(lake))
    assert code == 0
    (kept,) = tmp_path.glob("lake-*")
    assert (kept / "customer" / "landing" / "mine.json").read_text() == "{}"
    assert str(kept) in out
    assert not (lake / "customer" / "landing" / "mine.json").exists()
    assert (tmp_path / ".dagster" / kept.name).exists()
    assert not history.exists()


def test_sample_data_anew_is_refused_while_a_run_of_the_users_own_instance_is_at_work(tmp_path, environment):
    """Its locks are where the instance is, whether or not the lake has a history beside it."""
    home = tmp_path / "home"
    home.mkdir()
    with alone(home / RUN_LOCK, "held"):
        refused = subprocess.run(
            [STEDI, "sample-data", "--lake", str(tmp_path / "lake"), "--anew"],
            env=environment | {"DAGSTER_HOME": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert refused.returncode == 1
    assert "end it, then run this again" in refused.stderr
    assert list(tmp_path.glob("lake-*")) == []
