"""Commands that look after a lake as a whole: ``relocate`` and ``upgrade``."""

from __future__ import annotations

from stedi_assets.cli.common import app, print_table, say
from stedi_assets.settings import get_settings


@app.command()
def relocate() -> None:
    """Register the tables of a folder that was moved or copied; run it once, before anything else uses the lake."""
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.relocate import relocate as register_anew
    from stedi_assets.privacy.pseudonym import key_file

    settings = get_settings()
    tables = register_anew(Lake(settings))
    print_table(["table", "was in", "rows"], [[item.name, item.lake, f"{item.rows:,}"] for item in tables])
    key = key_file(settings)
    if settings.pseudonym_key is None and not key.exists():
        say(
            f"The key of the pseudonyms was kept beside the old lake, in .stedi/pseudonym.key: bring it to {key} "
            "before the next run"
        )


@app.command()
def upgrade() -> None:
    """Give the tables of a lake that an earlier version made the columns that they lack. Let no run be in progress."""
    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.upgrade import upgrade as upgrade_lake

    upgraded = upgrade_lake(Lake(get_settings()))
    for table, rows in upgraded.items():
        say(f"{table}: {rows:,} rows upgraded")
    if upgraded:
        say(
            "Run the job refresh now: the next run reads every raw file again, and refreshes all other tables."
        )
    else:
        say("Nothing to upgrade: landing and quarantine tables have all columns of this version.")
