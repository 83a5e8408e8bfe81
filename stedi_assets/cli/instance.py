"""The Dagster instance of a lake, where its history is; and ``register-pools``, for an instance that is no lake's."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets.cli.common import CommandError, app, examples
from stedi_assets.cli.output import say
from stedi_assets.settings import Settings, get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg

# Held by the UI, and by a run of this command, in the lake's history folder.
LOCKS = UI_LOCK, RUN_LOCK = ("dev.lock", "run.lock")
# Dagster's states of a run that may still write to the lake.
_UNFINISHED = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
# Dagster's own variable.
_BATCH = "DAGSTER_EVENT_BATCH_SIZE"
_CONFIGURATION = Path(__file__).with_name("dagster.local.yaml")


def history_folder(settings: Settings) -> Path:
    """The folder of a lake's Dagster history: ``DAGSTER_HOME`` if it is set, else a folder of this lake alone.

    The history of a folder is beside the folder, as the key of its pseudonyms is, so that nothing in the lake has to be
    passed over. The history of a bucket is in the working directory.
    """
    if home := os.environ.get("DAGSTER_HOME"):
        return Path(home)
    if not settings.on_s3:
        return Path(settings.lake_uri).parent / ".dagster" / Path(settings.lake_uri).name
    # Two addresses that differ in their punctuation alone would have one name without the digest.
    address = settings.lake_uri.removeprefix("s3://")
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    return Path.cwd() / ".dagster" / f"{re.sub(r'[^a-z0-9]+', '-', address.lower())}-{digest}"


def use_history(settings: Settings) -> Path:
    """Let Dagster keep the history of this process, and of those that it starts, in the lake's folder for it."""
    folder = history_folder(settings)
    if "DAGSTER_HOME" not in os.environ:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "dagster.yaml").write_bytes(_CONFIGURATION.read_bytes())
        except OSError as error:
            raise CommandError(
                f"the lake's history cannot be kept in {folder} ({error.strerror}): "
                "set DAGSTER_HOME to a folder that can be written"
            ) from error
        os.environ["DAGSTER_HOME"] = str(folder)
    return folder


def find_history(settings: Settings) -> bool:
    """Let Dagster read the lake's history; whether there is one. A command that only reads leaves none behind."""
    if "DAGSTER_HOME" not in os.environ and not history_folder(settings).exists():
        return False
    use_history(settings)
    return True


def require_no_runs(instance: dg.DagsterInstance) -> None:
    """Refuse to go on while a run may write to the lake.

    Raises:
        CommandError: A run is queued or in progress.
    """
    import dagster as dg

    unfinished = [dg.DagsterRunStatus[name] for name in _UNFINISHED]
    if in_progress := instance.get_runs_count(dg.RunsFilter(statuses=unfinished)):
        raise CommandError(f"{in_progress} runs are queued or in progress: let them end, then run this again")


def require_idle(settings: Settings) -> None:
    """As ``require_no_runs``, of the lake's history if there is one."""
    import dagster as dg

    if find_history(settings):
        with dg.DagsterInstance.get() as instance:
            require_no_runs(instance)


@contextmanager
def instance_with_pools(definitions: dg.Definitions) -> Iterator[dg.DagsterInstance]:
    """The instance of ``DAGSTER_HOME``, which knows the tables' pools."""
    from stedi_assets import pools

    with _instance() as instance:
        pools.register_pools(instance, definitions)
        yield instance


@contextmanager
def _instance() -> Iterator[dg.DagsterInstance]:
    """The instance of ``DAGSTER_HOME``; a history that is configured here stays open."""
    import dagster as dg

    folder = Path(os.environ["DAGSTER_HOME"])
    file = folder / "dagster.yaml"
    if not file.exists() or file.read_bytes() != _CONFIGURATION.read_bytes():
        with dg.DagsterInstance.get() as instance:
            yield instance
        return
    storage = {
        "module": "stedi_assets.cli.history",
        "class": "OpenHistory",
        "config": {"base_dir": str(folder)},
    }
    # Nothing about it is temporary: it is the one public way to an instance with another storage.
    with dg.DagsterInstance.local_temp(str(folder), {"storage": {"custom": storage}}) as instance:
        kept = os.environ.get(_BATCH)
        os.environ[_BATCH] = "1000"  # More than a run plans: all that it plans is written at once.
        try:
            yield instance
        finally:
            # Dagster's own storage, in a process that is started later, does not write a batch as a whole.
            del os.environ[_BATCH]
            if kept is not None:
                os.environ[_BATCH] = kept


@contextmanager
def alone(file: Path, otherwise: str) -> Iterator[int]:
    """Hold a file's lock, which the system takes back however this process ends.

    Yields:
        The lock's descriptor; a process that inherits it holds the lock as well.

    Raises:
        CommandError: Another process holds it; the message is ``otherwise``.
    """
    import fcntl

    with file.open("a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CommandError(otherwise) from None
        yield held.fileno()


@app.command(
    short_help="Let one run at a time write a table of this instance.",
    epilog=examples("DAGSTER_HOME=/opt/dagster stedi register-pools"),
)
def register_pools() -> None:
    """Register the tables' pools with the Dagster instance (DAGSTER_HOME), so that one run at a time writes a table.

    May be repeated. Needed before the first run, and again after an upgrade that brings new tables.
    """
    from stedi_assets import pools
    from stedi_assets.definitions import build_definitions
    from stedi_assets.engine.session import SparkEngine

    if not os.environ.get("DAGSTER_HOME"):
        raise CommandError("DAGSTER_HOME is not set: set it to the folder of the instance's dagster.yaml")
    import dagster as dg

    settings = get_settings()
    with dg.DagsterInstance.get() as instance:
        names = pools.register_pools(instance, build_definitions(settings, SparkEngine.of(settings)))
    say(f"{len(names)} pools let one run at a time write a table: {', '.join(names)}")
