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

_CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate"}
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

    def before_a_write() -> None:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            is_write = isinstance(path, str | bytes | os.PathLike) and bool((flags or 0) & _WRITING)
        elif event in _CHANGES:
            path, is_write = arguments[0], True
        else:
            return
        if is_write and Path(os.fsdecode(path)).is_relative_to(lake):
            before_a_write()

    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "commit", lambda _: before_a_write())
    sys.addaudithook(hook)
    action(lake)
