"""A process that is killed before one of its writes to a lake: by SIGKILL, so that nothing of it is cleaned up.

A write is whatever changes the folder: a file that is opened for writing, renamed, linked or deleted, a folder that is
made or deleted, and a transaction of the catalog. Python tells of each before it happens. The engine's own writes do
not count: they go to staged folders, which nobody reads before a later write of Python's names them.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REMOVALS = {"os.remove", "os.rmdir"}
_CHANGES = _REMOVALS | {"os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_PRELOADED = (
    "pysail.spark",
    "pyspark.sql.connect.session",
    "pyiceberg.table",
    "pandera.pyspark",
    "stedi_assets.definitions",
    "stedi_assets.cli",
    "stedi_assets_tests.builders.graph",
    "sqlalchemy",
    "duckdb",
)


class Killing:
    """Runs actions in processes of their own. All begin as copies of one process that has imported all there is."""

    def __init__(self) -> None:
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(list(_PRELOADED))

    def run(self, action: Callable[[str], None], lake: str, *, at: int) -> bool:
        """Do something with a lake, and say whether it came to its end.

        Args:
            action: Does it; gets the lake's folder.
            lake: The folder.
            at: The write before which the process is killed, counted from 0; none if below.
        """
        process = self._processes.Process(target=_act, args=(action, lake, at))
        process.start()
        process.join()
        assert process.exitcode in {0, -signal.SIGKILL}, f"the action failed with {process.exitcode}"
        return process.exitcode == 0


def _act(action: Callable[[str], None], lake: str, at: int) -> None:
    left = at

    def before_a_write(_: bool) -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    watch(lake, before_a_write)
    action(lake)


def watch(folder: str, before_a_write: Callable[[bool], None]) -> None:
    """Have a function called before each write of this process to a folder, for as long as the process lives.

    Args:
        folder: The folder.
        before_a_write: Is told whether the write makes room, and is no other. What it raises, the write raises.
    """

    def hook(name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            path, _, flags = arguments
            is_write = isinstance(path, str | bytes | os.PathLike) and bool((flags or 0) & _WRITING)
        elif name in _CHANGES:
            path, is_write = arguments[0], True
        else:
            return
        if is_write and Path(os.fsdecode(path)).is_relative_to(folder):
            before_a_write(name in _REMOVALS)

    from sqlalchemy import event
    from sqlalchemy.engine import Connection, Engine

    @event.listens_for(Engine, "commit")
    def commits(connection: Connection) -> None:
        # Dagster keeps its history in a database, too.
        if Path(connection.engine.url.database or "").is_relative_to(folder):
            before_a_write(False)

    sys.addaudithook(hook)
