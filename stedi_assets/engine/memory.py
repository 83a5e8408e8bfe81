"""How much memory a run may take, what of it the engine gets, and how many files are read at once in the rest.

What a run takes beside data does not grow with them: about half a gigabyte for Python, libraries and the engine.
"""

from __future__ import annotations

import os
from pathlib import Path

# Of the machine or the container; the rest is for others, and for what the engine does not count.
_SHARE = 0.75
_BESIDE_DATA = 500_000_000
# A task of the record reader at its peak: text, rows, and the rows that it gathers for a Parquet file.
_READER_TASK = 150_000_000
# On a machine so small, less would only fail sooner.
_LEAST_FOR_ENGINE = 200_000_000
_CGROUPS = Path("/sys/fs/cgroup")
_UNBOUNDED = 1 << 60
# As Sail 0.7.2 and Apache Spark 4.1 say that their memory does not suffice.
_EXHAUSTED = ("Failed to allocate additional", "OutOfMemoryError", "UNABLE_TO_ACQUIRE_MEMORY")


def share_of_machine() -> int:
    """What a run may take by default, in bytes: three quarters of the machine's memory, or of its container's limit."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (_limit(_CGROUPS / name) for name in ("memory.max", "memory/memory.limit_in_bytes"))
    return int(_SHARE * min(machine, *limits))


def _limit(file: Path) -> int:
    """The limit that a control group's file states."""
    try:
        text = file.read_text().strip()
    except OSError:
        return _UNBOUNDED
    return int(text) if text.isdigit() else _UNBOUNDED


def for_sail(memory: int) -> int:
    """What Sail's queries may take: what they take uncounted, in buffers and while they write, is a third of it."""
    return max(_LEAST_FOR_ENGINE, (memory - _BESIDE_DATA) * 3 // 4)


def for_java(memory: int) -> int:
    """The heap of a driver on this machine: Java takes more beside it, and tasks that read files run in Python."""
    return max(_LEAST_FOR_ENGINE, (memory - _BESIDE_DATA) // 2)


def tasks_at_once(memory: int) -> int:
    """How many tasks should read landing files side by side.

    Sail runs all tasks at once: eighty took 3.5 GB and twice the work of two. One task of a core waits for storage, or
    for the interpreter, while the other parses.
    """
    return max(1, min(2 * (os.cpu_count() or 1), (memory - _BESIDE_DATA) // _READER_TASK))


def sail_environment(memory: int) -> dict[str, str]:
    """What Sail must be told before it is loaded.

    Its pool is unbounded by default; a fair one spills before one operator takes it all. What a query has freed, Sail's
    allocator (mimalloc 3) keeps for the next one. By default it keeps it for a second, in pages of 2 MB, and an idle
    thread keeps its own for as long as it likes: a run of 8.1 million readings took 1.9 GB. With the settings here it
    takes 1.2 GB, and as much processor time.

    Args:
        memory: What a run may take, in bytes.
    """
    return {
        "SAIL_RUNTIME__MEMORY_POOL__TYPE": "fair",
        "SAIL_RUNTIME__MEMORY_POOL__FAIR__MAX_SIZE": str(for_sail(memory)),
        # No pages of 2 MB, of which nothing goes back as long as a part is in use.
        "MIMALLOC_ALLOW_THP": "0",
        # In milliseconds. At 0, each page is fetched again, zeroed: a seventh more processor time.
        "MIMALLOC_PURGE_DELAY": "1",
        # A thread keeps no page that it has emptied, and looks for what others have freed ten times as often.
        "MIMALLOC_PAGE_FULL_RETAIN": "0",
        "MIMALLOC_GENERIC_COLLECT": "1000",
    }


def is_exhausted(error: Exception) -> bool:
    """Whether an engine's error says that its memory does not suffice."""
    return any(sign in str(error) for sign in _EXHAUSTED)
