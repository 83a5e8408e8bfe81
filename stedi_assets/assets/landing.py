"""The landing tables and their quarantine: everything that was delivered, read or accounted for.

One op a source reads its files once and makes both tables; see
https://docs.dagster.io/guides/build/assets/defining-assets#multi-asset. How files are read belongs in ``landing``.
"""

import time
from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from stedi_assets import records
from stedi_assets.assets.files_read import tell_files_read
from stedi_assets.assets.lake_table import (
    candidate_of,
    code_version,
    raise_if_blocked,
    report,
)
from stedi_assets.assets.metadata import FRESHNESS, KINDS_OF_TABLES, OWNERS, about, definition_metadata
from stedi_assets.assets.raw import files_of, observation
from stedi_assets.assets.shown import deliveries, ingest_metadata
from stedi_assets.checks import (
    CONTRACT_DESCRIPTION,
    ROW_COUNT_DESCRIPTION,
    Candidate,
    CheckOutcome,
    contract_outcome,
)
from stedi_assets.contracts.audit import Audit
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.pinned import PinnedSnapshots
from stedi_assets.landing.conservation import account
from stedi_assets.landing.ingest import KINDS, Ingest, ingest
from stedi_assets.landing.ledger import Kind
from stedi_assets.landing_checks import (
    DELIVERY_DESCRIPTION,
    conservation,
    delivery,
    with_unknown_fields,
)
from stedi_assets.resources import computed_again
from stedi_assets.settings import Settings
from stedi_assets.sources import SOURCES

_LEDGER = CONTRACTS["landing_files"]


class LandingConfig(dg.Config):
    """Run configuration of the landing tables, as the launchpad shows it."""

    full_refresh: bool = Field(
        default=False, description="Read every file again, and rebuild both tables from the raw files."
    )


def landing_assets(source: str) -> dg.AssetsDefinition:
    """Make the landing and quarantine tables of a source."""
    tables = {kind: CONTRACTS[f"{source}_{kind}"] for kind in KINDS}

    @dg.multi_asset(
        name=f"{source}_ingest",
        outs={
            contract.name: dg.AssetOut(
                description=about(contract, [f"{source}_files"], __name__),
                group_name=kind,
                kinds=KINDS_OF_TABLES,
                owners=OWNERS,
                freshness_policy=FRESHNESS,
                metadata=definition_metadata(contract, {}),
                code_version=code_version(contract, records),
            )
            for kind, contract in tables.items()
        },
        deps=[files_of(source)],
        check_specs=[
            dg.AssetCheckSpec(name, asset=contract.name, blocking=True, description=description)
            for contract in tables.values()
            for name, description in (
                ("contract", CONTRACT_DESCRIPTION),
                ("row_count", ROW_COUNT_DESCRIPTION),
            )
        ]
        + [dg.AssetCheckSpec("delivery", asset=tables["quarantine"].name, description=DELIVERY_DESCRIPTION)],
        pool=tables["landing"].name,
    )
    def landing(
        context: dg.AssetExecutionContext,
        config: LandingConfig,
        settings: dg.ResourceParam[Settings],
        snapshots: dg.ResourceParam[PinnedSnapshots],
    ) -> Iterator[Any]:
        with computed_again(snapshots, f"{source}_ingest", context.retry_number):
            began = time.monotonic()
            base = {kind: snapshots.base(contract) for kind, contract in tables.items()}
            lake, engine, register = snapshots.lake, snapshots.engine, snapshots.register
            found = ingest(lake, engine, source, base, register, full_refresh=config.full_refresh)
            read = time.monotonic()
            context.log_event(observation(source, found.listing))
            tell_files_read(context.instance, context.run.run_id, source, found.read)
            outcomes: dict[str, dict[str, CheckOutcome]] = {}
            for kind, staged in found.staged.items():
                outcomes[tables[kind].name] = _outcomes(
                    found, kind, *candidate_of(staged, settings, snapshots)
                )
                yield from report(outcomes[tables[kind].name], tables[kind].name, staged)
            for table, of_table in outcomes.items():
                raise_if_blocked(of_table, table)
            audited = time.monotonic()
            seconds = {"seconds_read": round(read - began, 2), "seconds_audit": round(audited - read, 2)}
            for kind, staged in found.staged.items():
                yield dg.Output(
                    staged, output_name=tables[kind].name, metadata=ingest_metadata(found, kind) | seconds
                )
            # Dagster asks for more when it has published both tables; a run that dies before is put right by the next.
            published = {kind: snapshots.snapshot(contract.name).version for kind, contract in tables.items()}
            if found.enter(context.run.run_id, published):
                context.log_event(_entered(found))
            else:
                context.log.warning(
                    "another run published these tables meanwhile, has read the same files, and enters them into the "
                    "ledger"
                )

    return landing


def _outcomes(found: Ingest, kind: Kind, candidate: Candidate, verdict: Audit) -> dict[str, CheckOutcome]:
    """What the checks of a staged landing or quarantine table find."""
    contract = contract_outcome(verdict)
    row_count = conservation(
        found.staged[kind].contract.name, account(found, kind, candidate.frame), candidate
    )
    if kind == "landing":
        return {"contract": with_unknown_fields(contract, found.counts.drift), "row_count": row_count}
    return {
        "contract": contract,
        "row_count": row_count,
        "delivery": delivery(
            found.source, found.records.reports, found.listing.unknown, found.delivered_again
        ),
    }


def _entered(found: Ingest) -> dg.AssetMaterialization:
    """What the UI shows of the ledger after the files of a source were entered."""
    files = {*found.other_entries, *(report.file.path for report in found.read)}
    return dg.AssetMaterialization(
        _LEDGER.name,
        description=f"{found.source}: {len(found.read)} files entered, of the {len(files)} that the ledger has.",
        metadata={
            "source": found.source,
            "files_entered": len(found.read),
            "files_of_source": len(files),
            "files_gone": len(found.gone),
            "deliveries": deliveries(found),
        },
    )


ingests = [landing_assets(source) for source in SOURCES]
# The step of each source writes its own entries into this one table. So it is no step's output: a step reports what it
# entered.
_ENTERED_BY = [f"{source}_{kind}" for kind in KINDS for source in SOURCES]
ledger = dg.AssetSpec(
    _LEDGER.name,
    deps=_ENTERED_BY,
    description=about(_LEDGER, _ENTERED_BY, __name__),
    group_name="ledger",
    kinds=KINDS_OF_TABLES,
    owners=OWNERS,
    metadata=definition_metadata(_LEDGER, {}),
)
