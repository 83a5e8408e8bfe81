"""The sensor on landing files: anything new, changed or gone brings the tables concerned up to date."""

import hashlib
import json
from typing import Any

import dagster as dg

from stedi_assets.jobs import refresh
from stedi_assets.lake.lake import Lake
from stedi_assets.landing.files import Listing, list_landing
from stedi_assets.resources import failing_clearly
from stedi_assets.sources import SOURCES

INTERVAL_SECONDS = 30


def _digest(listing: Listing) -> str:
    identities = json.dumps([(file.path, file.identity) for file in listing.files])
    return hashlib.sha256(identities.encode()).hexdigest()[:16]


@dg.sensor(
    job=refresh,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests a run of the landing tables whose files changed, and of everything made from them.",
)
def landing_files_sensor(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake]
) -> dg.SensorResult | dg.SkipReason:
    """Compare the landing folders with what they were at the last request.

    The cursor has a digest of each source's files and the number of requests so far. The number is part of the
    run key, since Dagster remembers keys for ever and a folder may come to look as it did before.
    """
    cursor: dict[str, Any] = json.loads(context.cursor or '{"requests": 0, "files": {}}')
    with failing_clearly(lake, "landing_files_sensor"):
        files = {
            source: _digest(listing) for source in SOURCES if (listing := list_landing(lake, source)).files
        }
    changed = [source for source in SOURCES if files.get(source) != cursor["files"].get(source)]
    if not changed:
        return dg.SkipReason("No landing file is new, changed or gone.")
    request = cursor["requests"] + 1
    tables = dg.AssetSelection.assets(*(f"{source}_landing" for source in changed)).downstream()
    quarantine = dg.AssetSelection.assets(*(f"{source}_quarantine" for source in changed))
    graph = context.repository_def.asset_graph if context.repository_def else None
    assert graph is not None  # noqa: S101 - the daemon and the tests both evaluate the sensor in a repository
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{request}-{'-'.join(files.get(source, 'none') for source in changed)}",
                asset_selection=sorted((tables | quarantine).resolve(graph)),
                tags={"stedi/sources": ",".join(changed)},
            )
        ],
        cursor=json.dumps({"requests": request, "files": files}),
    )
