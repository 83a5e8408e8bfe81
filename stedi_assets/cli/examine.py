"""What ``stedi doctor`` looks at: each examination says what is right, or what is wrong and what to do.

Nothing is changed, and nothing is written: neither a lake, nor a key, nor a file to try whether one can.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stedi_assets.cli.common import left_out
from stedi_assets.cli.instance import history_folder
from stedi_assets.cli.output import size
from stedi_assets.errors import StediError
from stedi_assets.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings

State = Literal["ok", "warning", "wrong"]
# What ``pyproject.toml`` allows.
_PYTHON = ((3, 11), (3, 13))
_PACKAGES = ("stedi-assets", "dagster", "pyspark", "pysail", "pyiceberg", "duckdb", "polars")
_JAVA = 17
_GIGABYTE = 1_000_000_000
# A run of the sample data takes a few megabytes of disk and about a gigabyte of memory.
_LEAST_DISK, _LITTLE_DISK = _GIGABYTE, 5 * _GIGABYTE
_LITTLE_MEMORY = 2 * _GIGABYTE
_PORT = 3000


@dataclass(frozen=True)
class Finding:
    """The outcome of an examination.

    Attributes:
        name: What was examined.
        state: How it is: a warning hinders nothing yet.
        message: What is so; where something is wrong, what to do.
    """

    name: str
    state: State
    message: str


def examine() -> Iterator[Finding]:
    """Examine this machine, the settings and the lake; what one examination finds is no obstacle to the others."""
    yield _python()
    yield _versions()
    yield _memory()
    yield _port()
    try:
        settings = get_settings()
    except StediError as error:
        yield Finding("settings", "wrong", str(error))
        return
    from stedi_assets.lake.lake import Lake

    lake = Lake(settings)
    yield _dagster_home(settings)
    yield _engine(settings)
    if not settings.on_s3:
        yield _disk(settings)
    examinations: dict[str, Callable[[Settings, Lake], Finding]] = {
        "lake": _lake,
        "catalog": _catalog,
        "tables": _tables,
        "key": _key,
    }
    for name, look in examinations.items():
        finding = _looked(name, look, settings, lake)
        yield finding
        if name == "lake" and finding.state == "wrong":
            return  # the others would find the same


def _looked(name: str, look: Callable[[Settings, Lake], Finding], settings: Settings, lake: Lake) -> Finding:
    from stedi_assets.lake.aws_errors import explain

    try:
        return look(settings, lake)
    except (StediError, OSError) as error:
        return Finding(name, "wrong", explain(error, lake.uri) or str(error))
    except Exception as error:
        if (message := explain(error, lake.uri)) is None:
            raise
        return Finding(name, "wrong", message)


def _python() -> Finding:
    here = sys.version.split()[0]
    if _PYTHON[0] <= sys.version_info[:2] <= _PYTHON[1]:
        return Finding("python", "ok", here)
    return Finding("python", "wrong", f"{here}: use Python 3.11, 3.12 or 3.13")


def _versions() -> Finding:
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


def _memory() -> Finding:
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
    return Finding("memory", "ok", f"{size(available)} available")


def _port() -> Finding:
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", _PORT)):
            return Finding("port", "ok", f"{_PORT} is free for the Dagster UI")
    return Finding(
        "port",
        "warning",
        f"something answers on {_PORT}: the Dagster UI is up already, or another program must end before `make dev`",
    )


def _dagster_home(settings: Settings) -> Finding:
    home = history_folder(settings)
    if "DAGSTER_HOME" in os.environ and not (home / "dagster.yaml").is_file():
        return Finding(
            "instance",
            "wrong",
            f"DAGSTER_HOME={home} has no dagster.yaml: unset the variable, or copy deploy/dagster.yaml",
        )
    return Finding("instance", "ok", str(home))


def _engine(settings: Settings) -> Finding:
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


def _disk(settings: Settings) -> Finding:
    folder = Path(settings.lake_uri)
    folder = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    state: State = "wrong" if free < _LEAST_DISK else "warning" if free < _LITTLE_DISK else "ok"
    advice = "" if state == "ok" else ": make room, or lower STEDI_RETENTION_DAYS"
    return Finding("disk", state, f"{size(free)} free for the lake{advice}")


def _lake(settings: Settings, lake: Lake) -> Finding:
    from stedi_assets.landing.files import landing_sizes

    if not settings.on_s3 and not Path(lake.uri).exists():
        return Finding("lake", "wrong", f"there is no folder {lake.uri}: correct STEDI_LAKE_URI or --lake")
    sizes = landing_sizes(lake)
    told = f"{lake.uri}{_reached_by(settings)}: {len(sizes):,} landing files, {size(sum(sizes.values()))}"
    if not settings.on_s3 and not os.access(lake.uri, os.W_OK):
        return Finding("lake", "warning", f"{told}; it cannot be written: queries work, runs need to write")
    if not sizes:
        return Finding("lake", "warning", f"{told}: bring some with `stedi upload`")
    return Finding("lake", "ok", told)


def _reached_by(settings: Settings) -> str:
    """The region and the source of the credentials of a bucket; the credentials themselves are never shown."""
    if not settings.on_s3:
        return ""
    import boto3

    from stedi_assets import aws

    credentials = boto3.Session().get_credentials()
    return f" (region {aws.region()}, credentials from {credentials.method if credentials else 'nowhere'})"


def _catalog(settings: Settings, lake: Lake) -> Finding:
    names = lake.table_names()
    if not names:
        return Finding(
            "catalog", "warning", f"no tables in {settings.database} yet: make them with `stedi run`"
        )
    return Finding("catalog", "ok", f"{len(names)} tables in the database {settings.database}")


def _tables(settings: Settings, lake: Lake) -> Finding:  # noqa: ARG001 - as all examinations
    from stedi_assets.lake.readable import readable_tables

    found = readable_tables(lake, lake.table_names())
    if found.unreadable:
        return Finding("tables", "wrong", left_out(found))
    total = sum(snapshot.bytes for _, snapshot in found.snapshots.values())
    return Finding(
        "tables", "ok", f"{len(found.snapshots)} published, this lake's own, every file there ({size(total)})"
    )


def _key(settings: Settings, lake: Lake) -> Finding:
    from stedi_assets.lake.snapshot import snapshot_of
    from stedi_assets.privacy.pseudonym import existing_key, fingerprint, published_key

    table = lake.find_table("machine_learning_curated")
    if table is not None and snapshot_of(table).rows:
        of_pseudonyms = fingerprint(published_key(table, settings))
        return Finding("key", "ok", f"the published pseudonyms' own (fingerprint {of_pseudonyms})")
    if (key := existing_key(settings)) is not None:
        return Finding(
            "key", "ok", f"set (fingerprint {fingerprint(key)}); nothing is published under a key yet"
        )
    if settings.on_s3:
        return Finding(
            "key", "wrong", "STEDI_PSEUDONYM_KEY is not set: set it, such as to: openssl rand -hex 32"
        )
    return Finding("key", "ok", "none yet: the first run makes one and keeps it beside the lake")
