"""The command ``dev``: the Dagster UI and its sensor on this machine, for one lake."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from stedi_assets.cli.common import CommandError, app, examples
from stedi_assets.cli.instance import UI_LOCK, alone, instance_with_pools, use_history
from stedi_assets.cli.output import say
from stedi_assets.settings import get_settings

if TYPE_CHECKING:
    from stedi_assets.settings import Settings

_HOST = "127.0.0.1"
_LAST_PORT = 65535
_PATIENCE_SECONDS = 120
_SECONDS_TO_END = 10
# Dagster opens no group of the graph by itself. This is how its page names open groups, all in one code location.
_OPEN_GRAPH = "asset-groups?expanded=" + ",".join(
    f"global@global:{group}" for group in ("files", "landing", "quarantine", "trusted", "curated", "ledger")
)
# What the end of a log says of a server that did not start.
_LINES_SHOWN = 20


@app.command(
    short_help="Serve the Dagster UI of the lake on this machine.",
    epilog=examples("stedi dev", "stedi dev --port 3001 --lake /data/other"),
)
def dev(
    *,
    port: Annotated[int, typer.Option(min=1, max=_LAST_PORT, help="Port of the UI.")] = 3000,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show what Dagster logs, instead of keeping it in a file.")
    ] = False,
) -> None:
    """Serve the Dagster UI on 127.0.0.1, with the sensor that watches the landing folders, until Ctrl-C.

    A lake is served once at a time. What Dagster logs is in dev.log of the lake's history folder.
    """
    settings = get_settings()
    began = time.monotonic()
    folder = use_history(settings)
    served = folder / UI_LOCK
    where = served.read_text().strip() if served.exists() else ""
    otherwise = f"the UI of {settings.lake_uri} is served already: {where}"
    with alone(served, otherwise) as lock:
        _require_free(port)
        say(f"Starting the Dagster UI of {settings.lake_uri}")
        _register_pools_once(settings, folder)
        address = f"http://{_HOST}:{port}"
        served.write_text(address)
        log = None if verbose else folder / "dev.log"
        with _dagster(port, log, lock) as process:
            _end_when_told()
            try:
                _await(address, process, log)
                say(f"Ready in {time.monotonic() - began:.0f} s: {address}    (Ctrl-C ends it)")
                say(f"The graph with its groups open: {address}/{_OPEN_GRAPH}")
                if log:
                    say(f"What Dagster logs is in {log}")
                _wait(process)
            except KeyboardInterrupt:
                say("Ending the Dagster UI")
                _end(process)
                return
    raise CommandError(f"the Dagster UI has ended by itself{f'; see {log}' if log else ''}")


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        # A port whose last server has ended a moment ago is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise CommandError(
                f"port {port} cannot be had ({error.strerror}): end what uses it, or take another one, "
                f"such as make dev PORT={port + 1 if port < _LAST_PORT else 3000}"
            ) from None


def _register_pools_once(settings: Settings, folder: Path) -> None:
    """Tell the instance of the pools before its first run, and again after an asset has changed."""
    marker = folder / "pools"
    assets = Path(__file__).parents[1] / "assets"
    newest = max(path.stat().st_mtime for path in assets.glob("*.py"))
    if marker.exists() and marker.stat().st_mtime > newest:
        return
    from stedi_assets.definitions import build_definitions
    from stedi_assets.engine.session import SparkEngine

    with instance_with_pools(build_definitions(settings, SparkEngine.of(settings))):
        marker.touch()


def _dagster(port: int, log: Path | None, lock: int) -> subprocess.Popen[bytes]:
    """Start Dagster in a group of its own, so that Ctrl-C reaches it once, and by way of this process."""
    # The command says of itself that `dg dev` supersedes it, which starts the same servers with packages more.
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "dagster",
        "dev",
        "--module-name",
        "stedi_assets.definitions",
    ]
    command += ["--host", _HOST, "--port", str(port)]
    output = log.open("wb") if log else None
    return subprocess.Popen(  # noqa: S603 - this Python
        command,
        stdout=output,
        stderr=subprocess.STDOUT if log else None,
        stdin=subprocess.DEVNULL,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
        process_group=0,
        # Dagster holds the lock as well: it may outlive this process.
        pass_fds=[lock],
    )


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait until Dagster ends, and look up in between: polars' handler of Ctrl-C lets a wait without an end go on."""
    while process.poll() is None:
        time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Dagster, and what it has started; it was seen to wait for more than a minute for its own servers."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGTERM)
        _wait(process)


def _end_when_told() -> None:
    """Take the end of the terminal or of a service for Ctrl-C, so that Dagster ends with this process."""

    def end(number: int, frame: object) -> NoReturn:  # noqa: ARG001 - a signal handler's signature
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)


def _await(address: str, process: subprocess.Popen[bytes], log: Path | None) -> None:
    """Wait until the UI answers.

    Raises:
        CommandError: Dagster has ended, or does not answer.
    """
    until = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < until:
        request = f"{address}/server_info"
        with suppress(OSError), urllib.request.urlopen(request, timeout=1):  # noqa: S310 - our own address
            return
        time.sleep(0.2)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:]) if log else ""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    raise CommandError(f"the Dagster UI did not start{f'; the end of {log}:' if log else ''}\n{end}".rstrip())
