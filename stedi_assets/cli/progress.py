"""What ``stedi run`` prints: a line a table while the run is at work, and a summary at its end."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TextIO

from stedi_assets.cli.followed import RUNS, WAITS
from stedi_assets.cli.output import folded
from stedi_assets.text import counted, printable, ranked

if TYPE_CHECKING:
    from collections import Counter
    from types import TracebackType

    from rich.console import RenderableType

    from stedi_assets.cli.followed import RunShown, TableShown

# Where the text of a line of the summary begins.
_INDENT = 13
# The commonest reasons of quarantine; ``stedi quarantine`` has them all.
_REASONS_SHOWN = 5
_MARKS = {"ok": ("✓", "green"), "warned": ("!", "yellow"), "failed": ("✗", "red"), "skipped": ("-", "dim")}
_HEADING = f"  {'table':<24} {'rows in':>11} {'rows out':>11}  {'checks':<18} {'time':>7}"


class Progress:
    """Shows a run on a screen, or as plain lines where nobody watches; without a file, nothing."""

    def __init__(self, file: TextIO | None, title: str) -> None:
        self._file = file
        self._live = file is not None and file.isatty()
        self._title = title
        self._said = title
        self._run: RunShown | None = None
        self._printed: set[str] = set()
        self._stack = ExitStack()
        self._began = time.monotonic()

    def __enter__(self) -> None:
        """Show a first sign of life before what takes seconds is imported."""
        if not self._live:
            self._print(self._title)
            return
        from rich.console import Console
        from rich.live import Live
        from rich.spinner import Spinner

        self._spinner = Spinner("dots")
        self._console = Console(file=self._file, highlight=False)
        live = Live(
            console=self._console,
            get_renderable=self._render,
            refresh_per_second=10,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._stack.enter_context(live)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last picture on the screen."""
        self._stack.close()

    def say(self, text: str) -> None:
        """Say what the run waits for, once."""
        if not self._live and text != self._said:
            self._print(text)
        self._said = text

    def follow(self, run: RunShown) -> None:
        """Show the tables of a run from now on."""
        self._run, self._said = run, self._title
        if not self._live:
            self._print(_HEADING)
            run.instance.add_event_listener(run.run_id, lambda _: self._print_finished(run))

    def summarize(self, run: RunShown) -> None:
        """Print the summary."""
        if not self._live:
            self._print_finished(run)
        width = self._console.width if self._live else None
        self._print("")
        for line in _summary(run):
            self._print(folded(line, width, _INDENT))

    def _print_finished(self, run: RunShown) -> None:
        for table in run.tables.values():
            # In the order of the pipeline, whichever step is first.
            if table.status in (WAITS, RUNS):
                break
            if table.table not in self._printed:
                self._printed.add(table.table)
                self._print(f"  {_line(table)}".rstrip())

    def _print(self, text: str) -> None:
        if self._file is None:
            return
        print("\n".join(map(printable, text.split("\n"))), file=self._file, flush=True)

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        now = time.monotonic()
        frame: Any = self._spinner.render(now)
        beginning = Text.assemble(frame, " ", self._said, f" ({now - self._began:.0f} s)")
        if self._run is None:
            return beginning
        lines = [Text(self._title), Text(_HEADING, "bold")]
        for table in self._run.tables.values():
            mark, style = _MARKS.get(table.status, (str(frame) if table.status == RUNS else " ", ""))
            lines.append(
                Text.assemble((mark, style), " ", (_line(table), "dim" if table.status == WAITS else ""))
            )
        return Group(*lines)


def _line(table: TableShown) -> str:
    """The line without its mark, to 78 columns."""
    counts = [(table.passed, "passed"), (len(table.warned), "warned"), (len(table.failed), "failed")]
    checks = ", ".join(f"{count} {word}" for count, word in counts if count)
    cells = ["" if value is None else f"{value:,}" for value in (table.rows_in, table.rows_out)]
    seconds = "" if table.seconds is None else f"{table.seconds:.1f} s"
    rows_in, rows_out = cells
    return f"{table.table:<24} {rows_in:>11} {rows_out:>11}  {checks or table.status:<18} {seconds:>7}"


def _summary(run: RunShown) -> list[str]:
    """What a person should know at the end."""
    lines = []
    if sum(run.landed.values()) + sum(run.quarantined.values()):
        lines += _found(run)
    elif run.landed:
        # A file that is new, and that a check has held back, is told of below.
        why = ": no landing file is new or changed" if run.succeeded else ""
        lines.append(f"Landed       nothing{why}")
    if people := run.held_back.get("people_held_back"):
        lines.append(
            f"Held back    {counted(people, 'person', 'people')}, until the records in quarantine are settled"
        )
    lines.append(f"Published    {counted(len(run.published), 'table')} in {run.seconds:.1f} s")
    lines += [f"Note         {notice}" for notice in run.notices]
    lines += [f"Failed       {failure}" for failure in dict.fromkeys(run.failures)]
    return [*lines, *_next(run)]


def _found(run: RunShown) -> list[str]:
    lines = [f"Landed       {_by_source(run.landed)}", f"Quarantined  {_by_source(run.quarantined)}"]
    shown = ranked(run.reasons)[:_REASONS_SHOWN]
    lines += [f"             {count:>7,} {reason}" for reason, count in shown]
    if more := len(run.reasons) - len(shown):
        lines.append(f"             and {counted(more, 'more reason')}: stedi quarantine")
    return lines


def _next(run: RunShown) -> list[str]:
    if not run.succeeded:
        return [
            "",
            "A table that failed, and all that is made from it, is as it was before.",
            "Next: make dev            the figures of each check, in the UI",
        ]
    lines = ["", "Next: stedi counts        the rows of every table"]
    if sum(run.quarantined.values()):
        lines.append("      stedi quarantine    which records could not be landed, and why")
    return lines


def _by_source(records: Counter[str]) -> str:
    total = counted(sum(records.values()), "record")
    parts = ", ".join(f"{count:,} of {source}" for source, count in records.items() if count)
    return f"{total} ({parts})" if parts else total
