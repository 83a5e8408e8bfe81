"""The command ``relocate``, which registers a moved or copied lake."""

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
