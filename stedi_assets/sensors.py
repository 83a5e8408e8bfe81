"""The sensors: one asks for tables that wait for a run, and one for consent where a run has failed.

See https://docs.dagster.io/guides/automate/sensors. Which table is stale belongs in ``lake.lineage``.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from stedi_assets.assets.raw import observation
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.jobs import enforce_consent, refresh, retention
from stedi_assets.lake.evolution import is_made_of_files
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.lineage import Recipe, made_by, stale_tables
from stedi_assets.landing.files import Listing, list_landing
from stedi_assets.landing.ingest import KINDS
from stedi_assets.landing.ledger import read_ledger
from stedi_assets.resources import failing_clearly
from stedi_assets.settings import Settings
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

INTERVAL_SECONDS = 30
# However often a run has failed, another one is asked for after this time.
LONGEST_PAUSE_SECONDS = 3600
# A run whose process died stays in progress for ever where nothing monitors runs.
LONGEST_RUN = timedelta(hours=1)
# A tick that names thousands of files is no help to anybody.
_FILES_NAMED = 10
_IN_PROGRESS = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dataclass
class Cursor:
    """What the sensor remembers from one evaluation to the next.

    Attributes:
        requests: Number of requests so far.
        files: A digest of each source's landing files.
        settled: The landing files and the ledger when the ledger last had every file as it is, as a digest.
        left: Tables that a run has left, as they were at the last evaluation.
        asked: How often these tables were asked for.
        next_at: When they may be asked for again, epoch s.
    """

    requests: int = 0
    files: dict[str, str] = field(default_factory=dict)
    settled: str = ""
    left: list[str] = field(default_factory=list)
    asked: int = 0
    next_at: float = 0

    def is_due(self, left: set[str], now: float) -> bool:
        """Whether to ask for what is left: at the second look, then after pauses that double each time."""
        if sorted(left) != self.left:
            self.left, self.asked, self.next_at = sorted(left), 0, 0
            return False
        if not left or now < self.next_at:
            return False
        self.asked += 1
        self.next_at = now + min(INTERVAL_SECONDS * 2**self.asked, LONGEST_PAUSE_SECONDS)
        return True


@dg.sensor(
    job=refresh,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Requests a run of the landing tables whose files changed, of tables that are stale, and of all that is made "
        "from them."
    ),
)
def landing_files_sensor(
    context: dg.SensorEvaluationContext, lake: dg.ResourceParam[Lake], settings: dg.ResourceParam[Settings]
) -> dg.SensorResult:
    """Compare the landing folders with what they were at the last evaluation, and the tables with their inputs.

    A changed file is asked for at once. What a run has left, since it died or failed, is asked for until it is done.
    The number of requests is part of the run key, since Dagster remembers keys for ever and a folder may come to look
    as it did before.
    """
    cursor = Cursor(**json.loads(context.cursor or "{}"))
    repository = context.repository_def
    assert repository is not None  # noqa: S101 - the daemon and the tests both evaluate the sensor in a repository
    with failing_clearly(lake, "landing_files_sensor"):
        listings = {source: list_landing(lake, source) for source in SOURCES}
        files = {source: _digest(listing) for source, listing in listings.items() if listing.files}
        changed = [source for source in SOURCES if files.get(source) != cursor.files.get(source)]
        cursor.files = files
        # While a run is in progress, tables are stale because the run has not come to them yet.
        how = recipes(repository.asset_graph, settings)
        left = None if _is_busy(context.instance) else _left(lake, how, listings, cursor)
    for source in changed:
        context.log.info(_seen(source, listings[source]))
    is_due = left is not None and cursor.is_due(left, time.time())
    if not changed and not is_due:
        waiting = f"{', '.join(sorted(left))} will be asked for again" if left else _NOTHING_TO_DO
        counts = ", ".join(f"{len(listing.files)} of {source}" for source, listing in listings.items())
        return dg.SensorResult(
            skip_reason=f"{waiting}. Landing files: {counts}.", cursor=json.dumps(asdict(cursor))
        )
    cursor.requests += 1
    digests = "-".join(files.get(source, "none") for source in changed) or "left"
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{cursor.requests}-{digests}",
                asset_selection=sorted(_selection(repository, changed, left or set())),
                tags=_tags(changed, left or set()),
            )
        ],
        # Not at each tick: three events every half a minute would be three million a year.
        asset_events=[observation(source, listings[source]) for source in changed],
        cursor=json.dumps(asdict(cursor)),
    )


def _tags(changed: Iterable[str], left: set[str]) -> dict[str, str]:
    """Say why a run was asked for: sources whose files changed, and what was left beside their tables."""
    left = left - {f"{source}_{kind}" for source in changed for kind in KINDS}
    why = {"stedi/sources": ",".join(changed), "stedi/left": ",".join(sorted(left))}
    return {name: value for name, value in why.items() if value}


@dg.run_failure_sensor(
    request_job=enforce_consent,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests enforce_consent after a failed run, which may have left withdrawn people in tables.",
)
def consent_sensor(context: dg.RunFailureSensorContext) -> dg.RunRequest | dg.SkipReason:
    """Ask that withdrawn people be taken out, whatever the run has failed of."""
    failed = context.dagster_run
    if failed.job_name in {enforce_consent.name, retention.name}:
        return dg.SkipReason(f"{failed.job_name} makes no table from customer records")
    return dg.RunRequest(run_key=failed.run_id, tags={"stedi/after": failed.run_id})


_NOTHING_TO_DO = "No landing file is new, changed or gone, and no table is stale"


def _seen(source: str, listing: Listing) -> str:
    """Say which landing files of a source there are, the newest first."""
    named = "".join(f", {file.path}" for file in listing.newest_first[:_FILES_NAMED])
    more = len(listing.files) - _FILES_NAMED
    return f"{source}: {len(listing.files)} landing files{named}" + (
        f" and {more:,} more" if more > 0 else ""
    )


def _digest(listing: Listing) -> str:
    identities = json.dumps([(file.path, file.identity) for file in listing.files])
    return hashlib.sha256(identities.encode()).hexdigest()[:16]


def _selection(
    repository: dg.RepositoryDefinition, changed: Iterable[str], left: set[str]
) -> set[dg.AssetKey]:
    """The tables of changed sources, the tables that are left, and all that is made from them.

    A landing table that is left is read alone: if it gets new rows, what is made from it is stale. A file that cannot
    be read would refresh every table time and again.
    """
    made_of_files = {table for table in left if is_made_of_files(CONTRACTS[table])}
    tables = {f"{source}_{kind}" for source in changed for kind in KINDS} | left - made_of_files
    below = dg.AssetSelection.assets(*sorted(tables)).downstream().materializable()
    return {*below.resolve(repository.asset_graph), *map(dg.AssetKey, made_of_files)}


def _is_busy(instance: dg.DagsterInstance) -> bool:
    """Whether a run is in progress that may yet do what is left."""
    since = datetime.now(UTC) - LONGEST_RUN
    filters = dg.RunsFilter(job_name=refresh.name, statuses=_IN_PROGRESS, updated_after=since)
    return bool(instance.get_run_records(filters, limit=1))


def recipes(graph: "BaseAssetGraph[Any]", settings: Settings) -> dict[str, Recipe]:
    """How each trusted and curated table is to be made now."""
    return {
        key.path[-1]: Recipe(
            frozenset(parent.path[-1] for parent in graph.get(key).parent_keys),
            made_by(settings, graph.get(key).code_version),
        )
        for key in graph.materializable_asset_keys
        if not is_made_of_files(CONTRACTS[key.path[-1]])
    }


def _left(
    lake: Lake,
    how: Mapping[str, Recipe],
    listings: Mapping[str, Listing],
    cursor: Cursor,
) -> set[str]:
    """Tables that are stale, and the tables of sources whose ledger does not have every file as it is."""
    left = stale_tables(lake, how)
    ledger = lake.find_table("landing_files")
    state = json.dumps([cursor.files, ledger and ledger.metadata.current_snapshot_id], sort_keys=True)
    if cursor.settled != state:
        unsettled = {
            source
            for source, listing in listings.items()
            if not read_ledger(lake, source).is_settled(listing)
        }
        left |= {f"{source}_{kind}" for source in unsettled for kind in KINDS}
        cursor.settled = "" if unsettled else state
    return left
