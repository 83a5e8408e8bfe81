"""What a command costs: seconds, processor time, and the memory of its whole tree of processes."""

from __future__ import annotations

import os
import resource
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Sequence

# To look takes some 10 ms where a process has gigabytes.
SAMPLED_EVERY_SECONDS = 0.25


@dataclass(frozen=True)
class Cost:
    """What was measured.

    Attributes:
        seconds: From start to exit.
        cpu_seconds: Of all processes of the tree.
        peak_bytes: The most that the tree had at once; memory that its processes share counts once.
        output: What the command printed.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    output: str


def measured(command: Sequence[str], environment: dict[str, str]) -> Cost:
    """Run a command.

    Raises:
        RuntimeError: It failed; the message ends with what it printed.
    """
    waited_for, began = _waited_for(), time.monotonic()
    # Files, since nobody reads a pipe while the processes are looked at.
    with open(os.memfd_create("output"), "w+b") as output, open(os.memfd_create("errors"), "w+b") as errors:  # noqa: PTH123 - no path
        process = psutil.Popen(list(command), env=os.environ | environment, stdout=output, stderr=errors)
        cpu_of: dict[int, float] = {}
        peak = 0
        while True:
            try:
                code = process.wait(timeout=SAMPLED_EVERY_SECONDS)
                break
            except psutil.TimeoutExpired:
                peak = max(peak, _sample(process, cpu_of))
        seconds = time.monotonic() - began
        output.seek(0)
        errors.seek(0)
        printed = output.read().decode()
        if code:
            raise RuntimeError(f"{command} gave {code}: {errors.read().decode()[-2000:]}{printed[-2000:]}")
    # A process that nobody waits for, as Spark's server, is known from the samples alone.
    return Cost(seconds, max(_waited_for() - waited_for, sum(cpu_of.values())), peak, printed)


def _waited_for() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _sample(root: psutil.Process, cpu_of: dict[int, float]) -> int:
    """The memory of the tree now; keeps the processor time of each process so far."""
    total = 0
    try:
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in tree:
        try:
            times = process.cpu_times()
            cpu_of[process.pid] = times.user + times.system
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # It has ended.
    return total
