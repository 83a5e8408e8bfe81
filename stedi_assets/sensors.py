"""The sensors: one asks for tables that wait for a run, and one for consent where a run has failed.

See https://docs.dagster.io/guides/automate/sensors. Which table is stale belongs in ``lake.lineage``.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from stedi_assets.assets.raw import observation
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.jobs import enforce_consent, refresh, retention
from stedi_assets.lake.erasures import awaits_entry
from stedi_assets.lake.evolution import is_made_of_files
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.lineage import Recipe, made_by, stale_tables
from stedi_assets.landing.files import LandingFile, Listing, list_landing
from stedi_assets.landing.ingest import KINDS
from stedi_assets.landing.ledger import read_ledger
from stedi_assets.resources import failing_clearly
from stedi_assets.settings import Settings
from stedi_assets.sources import SOURCES
from stedi_assets.text import counted

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph

INTERVAL_SECONDS = 30
# A file in a folder that was written so short a time ago may be unfinished.
SETTLED_AFTER_SECONDS = 5
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
        settled: A digest of landing files, tables and recipes when nothing was left to do.
        asked_for: A digest of the files of each source that a run was asked for and has not yet come to.
        left: Tables that are left to be made, as they were at the last evaluation.
        asked: How often these tables were asked for.
        next_at: When they may be asked for again, epoch s.
    """

    requests: int = 0
    settled: str = ""
    asked_for: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    asked: int = 0
    next_at: float = 0

    @classmethod
    def from_json(cls, text: str | None) -> "Cursor":
        """Read a cursor; what another version wrote into it beside this is passed over."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in json.loads(text or "{}").items() if name in known})

    def to_json(self) -> str:
        """Write a cursor."""
        return json.dumps(asdict(self))

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


@dataclass(frozen=True)
class Waiting:
    """What waits for a run.

    Attributes:
        files: Of each source whose ledger does not have every file as it is, a digest of the files in question.
        stale: Tables that are stale.
        unfinished: Paths of files that were written a moment ago, and wait for another evaluation.
        erasure_begun: Whether an erasure is about to enter somebody into the register, or died before.
    """

    files: Mapping[str, str]
    stale: frozenset[str]
    unfinished: tuple[str, ...]
    erasure_begun: bool = False

    @property
    def tables(self) -> set[str]:
        """The tables that a run has to come to."""
        return _tables_of(self.files) | self.stale


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
    """Compare the landing folders with the ledger, and the tables with their inputs, while no run is in progress.

    A changed file is asked for at once. What a run has left, since it died or failed, is asked for until it is done.
    The number of requests is part of the run key, since Dagster remembers keys for ever and a folder may come to look
    as it did before. Where neither files nor tables changed since nothing was left, only these are listed: on S3 in
    four requests.
    """
    if _is_busy(context.instance):
        # Tables are stale because the run has not come to them yet.
        return dg.SensorResult(skip_reason=_BUSY, cursor=context.cursor)
    cursor = Cursor.from_json(context.cursor)
    repository = context.repository_def
    assert repository is not None  # noqa: S101 - the daemon and the tests both evaluate the sensor in a repository
    with failing_clearly(lake, "landing_files_sensor"):
        listings = {source: list_landing(lake, source) for source in SOURCES}
        how = recipes(repository.asset_graph, settings)
        state = _state(lake, listings, how)
        waiting = _NOTHING if state == cursor.settled else _waiting(lake, listings, how)
    cursor.settled = state if waiting == _NOTHING else ""
    changed = [source for source, files in waiting.files.items() if cursor.asked_for.get(source) != files]
    cursor.asked_for = dict(waiting.files)
    is_due = cursor.is_due(waiting.tables, time.time())
    if not changed and not is_due:
        return dg.SensorResult(skip_reason=_why_not(waiting, listings), cursor=cursor.to_json())
    for source in changed:
        context.log.info(_seen(source, listings[source]))
    cursor.requests += 1
    digests = "-".join(waiting.files[source] for source in changed) or "left"
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=f"{cursor.requests}-{digests}",
                asset_selection=sorted(_selection(repository, changed, waiting.tables)),
                tags=_tags(changed, waiting.tables),
            )
        ],
        # Not at each tick: three events every half a minute would be three million a year.
        asset_events=[observation(source, listings[source]) for source in changed],
        cursor=cursor.to_json(),
    )


def _tags(changed: Iterable[str], left: set[str]) -> dict[str, str]:
    """Say why a run was asked for: sources whose files changed, and what was left beside their tables."""
    left = left - _tables_of(changed)
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


_NOTHING = Waiting({}, frozenset(), ())
_BUSY = "A run is queued or in progress. What it leaves is asked for when it has ended."


def _why_not(waiting: Waiting, listings: Mapping[str, Listing]) -> str:
    """Say why no run is asked for, and what waits."""
    told = []
    if waiting.tables:
        told.append(f"{', '.join(sorted(waiting.tables))} will be asked for again")
    if waiting.unfinished:
        told.append(f"{_some(waiting.unfinished)} may be unfinished and will be looked at again")
    if waiting.erasure_begun:
        told.append("an erasure has begun; if no stedi forget is at work, it died: run stedi forget again")
    counts = ", ".join(f"{len(listing.files)} of {source}" for source, listing in listings.items())
    return (
        f"{'; '.join(told) or 'No landing file is new, changed or gone, and no table is stale'}. "
        f"Landing files: {counts}."
    )


def _some(paths: Sequence[str]) -> str:
    more = len(paths) - _FILES_NAMED
    return ", ".join(paths[:_FILES_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _seen(source: str, listing: Listing) -> str:
    """Say which landing files of a source there are, the newest first."""
    paths = [file.path for file in listing.newest_first]
    return ", ".join([f"{source}: {counted(len(paths), 'landing file')}", *([_some(paths)] if paths else [])])


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def _state(lake: Lake, listings: Mapping[str, Listing], how: Mapping[str, Recipe]) -> str:
    """A digest of all that decides whether something waits for a run."""
    files = {
        source: [(file.path, file.identity) for file in listing.files] for source, listing in listings.items()
    }
    return _digest(
        [files, lake.metadata_locations(), {name: dict(each.made_by) for name, each in how.items()}]
    )


def _tables_of(sources: Iterable[str]) -> set[str]:
    return {f"{source}_{kind}" for source in sources for kind in KINDS}


def _selection(
    repository: dg.RepositoryDefinition, changed: Iterable[str], left: set[str]
) -> set[dg.AssetKey]:
    """The tables of changed sources, the tables that are left, and all that is made from them.

    A landing table that is left is read alone: if it gets new rows, what is made from it is stale. A file that cannot
    be read would refresh every table time and again.
    """
    made_of_files = {table for table in left if is_made_of_files(CONTRACTS[table])}
    tables = _tables_of(changed) | left - made_of_files
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


def _waiting(lake: Lake, listings: Mapping[str, Listing], how: Mapping[str, Recipe]) -> Waiting:
    """Compare files with the ledger, and tables with their recipes."""
    files, unfinished, now = {}, [], time.time()
    for source, listing in listings.items():
        ledger = read_ledger(lake, source)
        changes = ledger.changes(listing)
        present = {file.path: file for file in listing.files}
        written = [present[path] for path in (*changes.new, *changes.changed)]
        fresh = [] if lake.on_s3 else [file.path for file in written if _may_be_unfinished(file, now)]
        settled = [(file.path, file.identity) for file in written if file.path not in fresh]
        if settled or changes.gone or ledger.repeated:
            files[source] = _digest([settled, changes.gone, sorted(ledger.repeated)])
        unfinished += fresh
    return Waiting(files, frozenset(stale_tables(lake, how)), tuple(unfinished), awaits_entry(lake))


def _may_be_unfinished(file: LandingFile, now: float) -> bool:
    """Whether a file in a folder was written a moment ago; a time to come says nothing, since a clock was set back."""
    return 0 <= now - file.modified.timestamp() < SETTLED_AFTER_SECONDS
