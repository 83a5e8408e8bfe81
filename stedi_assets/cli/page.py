"""The page ``docs/commands.md``: the help of every command, in the order of ``stedi --help``."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import typer

from stedi_assets import cli
from stedi_assets.cli.common import GROUPS

if TYPE_CHECKING:
    from typer.core import TyperGroup

_WIDTH = 80
_BEGINNING = """# Commands

`stedi` works on the lake that `--lake` or the environment names (see [settings](settings.md)). This
page is the help of each command; `make docs` writes it. An error is one sentence and exit code 1; wrong usage is exit
code 2.

Tables show at most 20 rows unless `--all` is given, and times are UTC. `--json` and `--csv` print every row, the values
as they are, and nothing else to the standard output. What a person should know besides goes to the standard error.

`stedi --install-completion` lets bash, zsh or fish complete commands and options: it adds a line to the settings of
the shell, and a new shell has it. `stedi --show-completion` prints the script instead.
"""


def commands_page() -> str:
    """The text of the page."""
    group = cast("TyperGroup", typer.main.get_command(cli.app))
    top = typer.Context(group, info_name="stedi", terminal_width=_WIDTH, **group.context_settings)
    sections = [_section("stedi", top)]
    for name in (name for names in GROUPS.values() for name in names if name in group.commands):
        context = typer.Context(group.commands[name], parent=top, info_name=name)
        sections.append(f"## stedi {name}\n\n" + _section(f"stedi {name}", context))
    return "\n".join([_BEGINNING, *sections])


def _section(command: str, context: typer.Context) -> str:
    return f"```text\n$ {command} --help\n{context.command.get_help(context)}\n```\n"
