"""What the commands share: the application with its groups of commands, and the error that a user can put right."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from stedi_assets.cli.output import complain
from stedi_assets.errors import StediError
from stedi_assets.settings import SettingsError, get_settings

if TYPE_CHECKING:
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.readable import ReadableTables

# Every command, as ``stedi --help`` shows them.
GROUPS = {
    "Every day": ("dev", "run", "status", "counts", "sql", "quarantine", "upload"),
    "Look closer": ("tables", "diff", "rescan", "verify", "doctor"),
    "Look after the lake": (
        "retract",
        "forget",
        "rotate-key",
        "relocate",
        "upgrade",
        "sample-data",
        "register-pools",
        "spark-defaults",
    ),
}


class CommandError(StediError):
    """Something that the user can put right."""


class Commands(TyperGroup):
    """The commands in groups, each with the option ``--lake`` that the application declares."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - Typer's own settings
        super().__init__(**settings)
        lake = next(parameter for parameter in self.params if parameter.name == "lake")
        for command in self.commands.values():
            # ``sample-data`` has an option of that name that must be given.
            if not any(parameter.name == "lake" for parameter in command.params):
                command.params.append(lake)

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - of Typer's own copy of Click
        """Write all on one screen: no line is empty, and each command has one line."""
        formatter.write(
            f"Usage: {ctx.command_path} [--version] COMMAND [--lake ADDRESS] [OPTIONS]  ({self.help})\n"
        )
        width = max(map(len, self.commands))
        for group, names in GROUPS.items():
            commands = [(name, self.commands[name]) for name in names if name in self.commands]
            _write_section(
                formatter, group, [(name.ljust(width), item.short_help or "") for name, item in commands]
            )


def _write_section(formatter: Any, heading: str, rows: list[tuple[str, str]]) -> None:  # noqa: ANN401 - of Typer's own copy of Click
    if rows:
        formatter.write_heading(heading)
        with formatter.indentation():
            formatter.write_dl(rows)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # Plain text: it is the same on a screen, in a pipe and in docs/commands.md.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def require_folder(lake: Lake) -> None:
    """Refuse a lake whose folder is not there, rather than find nothing in it.

    Raises:
        CommandError: There is no such folder.
    """
    if not lake.on_s3 and not Path(lake.uri).exists():
        raise CommandError(f"there is no folder {lake.uri}: correct STEDI_LAKE_URI or --lake")


def no_tables(lake: Lake) -> CommandError:
    """The error of a lake without tables."""
    require_folder(lake)
    return CommandError(f"the lake {lake.uri} has no tables yet; make them with: stedi run")


def left_out(tables: ReadableTables) -> str:
    """Why tables are not shown: the first reason whole, since the others are most often like it."""
    first, *others = tables.unreadable
    return tables.unreadable[first] + (f"; nor can {', '.join(others)}" if others else "")


def require_some(lake: Lake, tables: ReadableTables) -> None:
    """Tell which tables cannot be read, and refuse to go on without any table.

    Raises:
        CommandError: There is no table that can be read.
    """
    if not tables.snapshots:
        raise CommandError(left_out(tables)) if tables.unreadable else no_tables(lake)
    if tables.unreadable:
        complain(f"stedi: left out: {left_out(tables)}")


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def _use_lake(value: str | None) -> None:
    """Let ``--lake`` take the place of the variable, for this process and those that it starts."""
    if value is not None:
        os.environ["STEDI_LAKE_URI"] = value
        get_settings.cache_clear()
        try:
            get_settings()
        except SettingsError as error:
            raise typer.BadParameter(str(error).removeprefix("STEDI_LAKE_URI: ")) from None


def _show_version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"stedi {version('stedi-assets')}")
        raise typer.Exit


@app.callback(help="-h has examples")
def stedi(
    lake: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="The lake; else STEDI_LAKE_URI, else data/.",
            callback=_use_lake,
            expose_value=False,
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Declare what stands before a command."""
