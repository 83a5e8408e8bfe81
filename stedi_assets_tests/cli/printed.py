"""What a command printed, and what it left in a lake."""

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

STEDI = Path(sys.executable).with_name("stedi")


def cells(printed: str) -> list[list[str]]:
    """The cells of a printed table: the names of its columns, then its rows."""
    return [re.split(r" {2,}", line.strip()) for line in printed.splitlines() if not line.startswith("─")]


def on_a_terminal(*arguments: str, columns: int, lake: str) -> str:
    """What the command prints to a terminal of so many columns."""
    reading, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, columns))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    with subprocess.Popen(
        [STEDI, *arguments],
        env=environment | {"STEDI_LAKE_URI": lake},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        printed = b""
        while part := _read(reading):
            printed += part
    os.close(reading)
    assert process.returncode == 0, printed
    return printed.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux says so that the other end is closed
        return b""


def data_files(lake: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in lake.rglob("*") if path.is_file()}
