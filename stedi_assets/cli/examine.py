"""The order of what ``stedi doctor`` looks at: each examination says what is right, or what is wrong and what to do.

Nothing is changed, and nothing is written: neither a lake, nor a key, nor a file to try whether one can. What is looked
at belongs in ``cli.examine_machine`` and ``cli.examine_lake``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.cli import examine_lake, examine_machine
from stedi_assets.cli.finding import Finding
from stedi_assets.errors import StediError
from stedi_assets.settings import get_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings


def examine() -> Iterator[Finding]:
    """Examine this machine, the settings and the lake; what one examination finds is no obstacle to the others."""
    yield examine_machine.python()
    yield examine_machine.versions()
    yield examine_machine.port()
    try:
        settings = get_settings()
    except StediError as error:
        yield Finding("settings", "wrong", str(error))
        return
    from stedi_assets.lake.lake import Lake

    lake = Lake(settings)
    yield examine_machine.memory(settings)
    yield examine_machine.dagster_home(settings)
    yield examine_machine.engine(settings)
    if not settings.on_s3:
        yield examine_machine.disk(settings)
    examinations: dict[str, Callable[[Settings, Lake], Finding]] = {
        "lake": examine_lake.folder_or_bucket,
        "catalog": examine_lake.catalog,
        "tables": examine_lake.tables,
        "key": examine_lake.key,
    }
    for name, look in examinations.items():
        finding = _looked(name, look, settings, lake)
        yield finding
        if name == "lake" and finding.state == "wrong":
            return  # the others would find the same


def _looked(name: str, look: Callable[[Settings, Lake], Finding], settings: Settings, lake: Lake) -> Finding:
    from stedi_assets.lake.aws_errors import explain

    try:
        return look(settings, lake)
    except (StediError, OSError) as error:
        return Finding(name, "wrong", explain(error, lake.uri) or str(error))
    except Exception as error:
        if (message := explain(error, lake.uri)) is None:
            raise
        return Finding(name, "wrong", message)
