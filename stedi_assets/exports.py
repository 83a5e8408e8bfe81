"""What is derived from the code and committed: Athena DDL and documentation. ``make docs`` writes it.

What is in a file belongs in ``contracts.ddl``, ``contracts.docs``, ``contracts.diagram``, ``cli.page``,
``cli.settings_page`` and ``landing.examples_page``.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import dagster as dg
import yaml

from stedi_assets.assets import curated, landing, trusted
from stedi_assets.cli.page import commands_page
from stedi_assets.cli.settings_page import settings_page
from stedi_assets.contracts.ddl import athena_ddl
from stedi_assets.contracts.diagram import asset_graph
from stedi_assets.contracts.docs import tables_page
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.landing.examples_page import what_is_read_page
from stedi_assets.settings import Settings
from stedi_assets.sources import SOURCES

_SAMPLE = Path(__file__).parents[1] / "data/expected_row_counts.yaml"


def exports() -> dict[str, str]:
    """The text of each file, by its path below the repository."""
    # Of the defaults, whatever the environment says.
    database = Settings.model_construct().database
    ddl = {f"sql/ddl/{name}.sql": athena_ddl(contract, database) for name, contract in CONTRACTS.items()}
    pages = {
        "docs/tables.md": tables_page(CONTRACTS.values(), made_from()),
        "docs/commands.md": commands_page(),
        "docs/settings.md": settings_page(),
        "docs/what-is-read.md": what_is_read_page(),
        "docs/images/flow.svg": asset_graph(SOURCES, made_from(), sample_counts()),
    }
    return ddl | pages


def sample_counts() -> dict[str, str]:
    """For each table its rows on the sample lake, and for each source how many files it has."""
    expected = yaml.safe_load(_SAMPLE.read_text())
    rows = {table: f"{rows:,}" for table, rows in expected["row_counts"]["default"].items()}
    files = Counter(name.partition("/")[0] for name in expected["landing_files"])
    return rows | {f"{source}_files": f"{n} file{'s' * (n > 1)}" for source, n in files.items()}


def made_from() -> dict[str, list[str]]:
    """For each table the tables that it is made from, as the asset graph has it, in the order of the contracts."""
    parents = {
        key.to_user_string(): {parent.to_user_string() for parent in upstream}
        for definition in (*landing.ingests, *vars(trusted).values(), *vars(curated).values())
        if isinstance(definition, dg.AssetsDefinition)
        for key, upstream in definition.asset_deps.items()
    }
    return {name: [parent for parent in CONTRACTS if parent in parents.get(name, ())] for name in CONTRACTS}


def main() -> None:
    """Write the files below the working folder."""
    for name, text in exports().items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
