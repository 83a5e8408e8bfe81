"""Which landing files a run has read, as tags of the run, for the list of runs and for the tables made next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import dagster as dg

    from stedi_assets.landing.reader import FileReport

_PREFIX = "stedi/read_of_"


def tell_files_read(
    instance: dg.DagsterInstance, run_id: str, source: str, files: Sequence[FileReport]
) -> None:
    """Tag a run with the files that it has read of a source; with nothing if it read none."""
    if not files:
        return
    # The landing tables' own pages name more; a tag has no room for them.
    first = files[0].file.path.rpartition("/")[2]
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    instance.add_run_tags(run_id, {f"{_PREFIX}{source}": f"{first}{more}"})


def triggered_by(instance: dg.DagsterInstance, run_id: str) -> dict[str, str]:
    """The files that the run has read before it came to a table, as metadata of the table."""
    run = instance.get_run_by_id(run_id)
    tags = run.tags if run is not None else {}
    read = [
        f"{tag.removeprefix(_PREFIX)}: {names}"
        for tag, names in sorted(tags.items())
        if tag.startswith(_PREFIX)
    ]
    return {"triggered_by": "; ".join(read) or "no landing file: this run read none"}
