"""Commands that look after a lake as a whole: ``relocate`` and ``upgrade``."""

from __future__ import annotations

from stedi_assets.cli.common import app, examples, require_folder
from stedi_assets.cli.output import AsCsv, AsJson, Output, complain, number, say
from stedi_assets.settings import get_settings


@app.command(
    short_help="Register the tables of a folder that was moved or copied.",
    epilog=examples("stedi relocate --lake /new/place"),
)
def relocate(*, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Register the tables of a folder that was moved or copied at the addresses where their files are now.

    Run it once, before anything else uses the lake. If files are missing, it names one and changes nothing.
    docs/move-a-lake.md says how to move, copy and restore a lake.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.lake.relocate import relocate as register_anew
    from stedi_assets.privacy.pseudonym import key_file

    output = Output(as_json, as_csv, all_rows=True)
    settings = get_settings()
    tables = register_anew(Lake(settings))
    output.rows(
        ("table", "was in", "rows"), ((item.name, item.lake, item.rows) for item in tables), {"rows": number}
    )
    key = key_file(settings)
    if settings.pseudonym_key is None and not key.exists():
        complain(
            f"The key of the pseudonyms was kept beside the old lake, in .stedi/pseudonym.key: bring it to {key} "
            "before the next run"
        )


@app.command(
    short_help="Give an older lake's tables the columns of this version.",
    epilog=examples("stedi upgrade", "stedi upgrade --json"),
)
def upgrade(*, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Give the landing and quarantine tables of a lake that an earlier version made the columns that they lack.

    No run may be in progress. docs/deploy.md says what it does, and when.
    """
    from stedi_assets.lake.lake import Lake
    from stedi_assets.landing.upgrade import upgrade as upgrade_lake

    output = Output(as_json, as_csv, all_rows=True)
    lake = Lake(get_settings())
    require_folder(lake)
    upgraded = upgrade_lake(lake)
    if upgraded or not output.for_people:
        output.rows(("table", "rows"), upgraded.items(), {"rows": number})
    if not output.for_people:
        return
    if upgraded:
        say(
            "Now run `stedi run`, or the job refresh: the next run reads every raw file again, and refreshes all "
            "other tables."
        )
    else:
        say("Nothing to upgrade: landing and quarantine tables have all columns of this version.")
