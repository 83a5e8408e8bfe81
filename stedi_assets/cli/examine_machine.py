"""What ``stedi doctor`` looks at on this machine: Python, packages, memory, disk, port, Dagster's folder, engine."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets.cli.finding import Finding
from stedi_assets.cli.instance import history_folder
from stedi_assets.cli.output import size
from stedi_assets.engine.memory import share_of_machine

if TYPE_CHECKING:
    from stedi_assets.cli.finding import State
    from stedi_assets.settings import Settings

# What ``pyproject.toml`` allows.
_PYTHON = ((3, 11), (3, 13))
_PACKAGES = ("stedi-assets", "dagster", "pyspark", "pysail", "pyiceberg", "duckdb", "polars")
_JAVA = 17
_GIGABYTE = 1_000_000_000
# A run of the sample data takes a few megabytes of disk and about a gigabyte of memory.
_LEAST_DISK, _LITTLE_DISK = _GIGABYTE, 5 * _GIGABYTE
_LITTLE_MEMORY = 2 * _GIGABYTE
_PORT = 3000


def python() -> Finding:
    """Which Python runs this."""
    here = sys.version.split()[0]
    if _PYTHON[0] <= sys.version_info[:2] <= _PYTHON[1]:
        return Finding("python", "ok", here)
    return Finding("python", "wrong", f"{here}: use Python 3.11, 3.12 or 3.13")


def versions() -> Finding:
    """Whether the packages are there, in which versions."""
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            "versions", "wrong", f"{', '.join(missing)} not installed: install requirements/runtime.txt"
        )
    return Finding("versions", "ok", ", ".join(found))


def memory(settings: Settings) -> Finding:
    """Whether there is memory for a run, and how much a run may take."""
    available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        # What the system would give without swapping; free pages alone leave out its caches.
        fields = dict(line.split(":") for line in meminfo.read_text().splitlines())
        available = int(fields["MemAvailable"].split()[0]) * 1024
    if available < _LITTLE_MEMORY:
        return Finding(
            "memory", "warning", f"{size(available)} available: a run takes 1 GB or more; free some first"
        )
    most = settings.memory_bytes or share_of_machine()
    return Finding("memory", "ok", f"{size(available)} available; a run may take {size(most)} (STEDI_MEMORY)")


def port() -> Finding:
    """Whether the UI's port is free."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", _PORT)):
            return Finding("port", "ok", f"{_PORT} is free for the Dagster UI")
    return Finding(
        "port",
        "warning",
        f"something answers on {_PORT}: the Dagster UI is up already, or another program must end before `make dev`",
    )


def dagster_home(settings: Settings) -> Finding:
    """Where the history of the runs is."""
    home = history_folder(settings)
    if "DAGSTER_HOME" in os.environ and not (home / "dagster.yaml").is_file():
        return Finding(
            "instance",
            "wrong",
            f"DAGSTER_HOME={home} has no dagster.yaml: unset the variable, or copy deploy/dagster.yaml",
        )
    return Finding("instance", "ok", str(home))


def engine(settings: Settings) -> Finding:
    """Whether the engine has the Java that it needs."""
    if settings.spark == "sail" or settings.spark.startswith("sc://"):
        # The rest of the address may hold a token.
        return Finding("engine", "ok", f"{settings.spark.partition('/;')[0]}, which needs no Java here")
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(str(Path(home, "bin", "java")) if home else "java")
    if java is None:
        return Finding(
            "engine",
            "wrong",
            f"{settings.spark} needs Java {_JAVA}: install it or set JAVA_HOME, or STEDI_SPARK=sail",
        )
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - the user's own Java
    major = told.partition('"')[2].partition(".")[0].partition('"')[0]
    if not major.isdigit() or int(major) < _JAVA:
        return Finding(
            "engine", "wrong", f"{java} is no Java {_JAVA} or newer: install one, or set JAVA_HOME to it"
        )
    return Finding("engine", "ok", f"{settings.spark} on Java {major}")


def disk(settings: Settings) -> Finding:
    """Whether there is room for a lake in a folder."""
    folder = Path(settings.lake_uri)
    folder = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    state: State = "wrong" if free < _LEAST_DISK else "warning" if free < _LITTLE_DISK else "ok"
    advice = "" if state == "ok" else ": make room, or lower STEDI_RETENTION_DAYS"
    return Finding("disk", state, f"{size(free)} free for the lake{advice}")
