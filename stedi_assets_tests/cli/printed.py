"""What a command printed, and what it left in a lake."""

import re
from pathlib import Path


def cells(printed: str) -> list[list[str]]:
    """The cells of a printed table: the names of its columns, then its rows."""
    return [re.split(r" {2,}", line.strip()) for line in printed.splitlines() if not line.startswith("─")]


def data_files(lake: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in lake.rglob("*") if path.is_file()}
