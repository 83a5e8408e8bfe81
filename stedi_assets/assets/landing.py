"""The landing tables and their quarantine: everything that was delivered, read or accounted for.

One op a source reads its files once and makes both tables. How files are read belongs in ``landing``.
"""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import dagster as dg

from stedi_assets.assets.checks import Outcome, contract_outcome
from stedi_assets.assets.conservation import Accounts, entries_corrected, rows_replaced
from stedi_assets.assets.lake_table import (
    OWNERS,
    RESOURCES,
    candidate_of,
    check_specs,
    raise_if_blocked,
    report,
    without_engine_messages,
)
from stedi_assets.contracts.dagster import definition_metadata
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.lake.lake import Lake, Staged
from stedi_assets.landing import ledger
from stedi_assets.landing.files import SOURCES, Listing, list_landing
from stedi_assets.landing.reader import Reading, read_landing_files
from stedi_assets.records.convert import OTHER_NAMES
from stedi_assets.records.piece import Job

# A table of thousands of files is no help to anybody; the ledger has them all.
_FILES_SHOWN = 100
# A field that a source adds is in many records. A name that few have may be a person's, in a map with people as keys.
_FEWEST_RECORDS_OF_A_FIELD = 10


class LandingConfig(dg.Config):
    """Run configuration of the landing tables.

    Attributes:
        full_refresh: Read every file again and rebuild the tables from the raw files.
    """

    full_refresh: bool = False


def landing_assets(source: str) -> dg.AssetsDefinition:
    """Make the landing and quarantine tables of a source."""
    tables = {kind: CONTRACTS[f"{source}_{kind}"] for kind in ("landing", "quarantine")}

    @dg.multi_asset(
        name=f"{source}_ingest",
        outs={
            contract.name: dg.AssetOut(
                description=contract.description,
                group_name=kind,
                kinds={"pyspark", "iceberg", "parquet"},
                owners=OWNERS,
                metadata=definition_metadata(contract, {}),
            )
            for kind, contract in tables.items()
        },
        check_specs=[
            spec for c in tables.values() for spec in check_specs(c.name, ["contract", "row_count"])
        ],
        required_resource_keys=RESOURCES,
        pool=tables["landing"].name,
    )
    @without_engine_messages
    def ingest(context: dg.AssetExecutionContext, config: LandingConfig) -> Iterator[Any]:
        began = time.monotonic()
        now = time.time_ns() // 1_000_000
        lake: Lake = context.resources.lake
        base = {kind: lake.table(contract) for kind, contract in tables.items()}
        listing = list_landing(lake, source)
        entries = ledger.read_entries(lake, source)
        in_step = {
            kind: ledger.is_in_step(base[kind], entries.values()) and not config.full_refresh
            for kind in tables
        }
        known = dict(entries)
        for kind in tables:
            if not in_step[kind]:
                known |= entries_corrected(kind, base[kind], known, context.resources.engine)
        pending = [
            file
            for file in listing.files
            if config.full_refresh or file.path not in known or known[file.path].identity != file.identity
        ]
        job = Job(
            source=source_of(tables["landing"]),
            lake=lake.address("").rstrip("/"),
            storage_options=lake.storage_options,
            landed_folder=lake.new_folder(tables["landing"]),
            quarantined_folder=lake.new_folder(tables["quarantine"]),
            ingested_at=now,
        )
        reading = read_landing_files(
            job, pending, context.resources.engine, relist=partial(list_landing, lake, source)
        )
        read = [item for item in reading.files if item.failure is None]
        kept = {path: entry for path, entry in known.items() if path not in {item.file.path for item in read}}
        outcomes: dict[str, dict[str, Outcome]] = {}
        staged: dict[str, Staged] = {}
        for kind, contract in tables.items():
            staged[kind] = Staged(
                contract,
                base[kind],
                job.landed_folder if kind == "landing" else job.quarantined_folder,
                reading.landed_files if kind == "landing" else reading.quarantined_files,
                replaces=rows_replaced(read, entries, kept, in_step=in_step[kind]),
            )
            candidate, verdict = candidate_of(context, staged[kind])
            accounts = Accounts(kind, reading, kept, entries, in_step[kind])
            outcomes[kind] = {
                "contract": _with_drift(contract_outcome(verdict), reading if kind == "landing" else None),
                "row_count": accounts.outcome(contract.name, candidate),
            }
            yield from report(outcomes[kind], contract.name, staged[kind])
        for kind, contract in tables.items():
            raise_if_blocked(outcomes[kind], contract.name)
        shown = _metadata(listing, reading, gone=[path for path in kept if path not in _paths(listing)])
        seconds = round(time.monotonic() - began, 2)
        for kind, contract in tables.items():
            yield dg.Output(staged[kind], output_name=contract.name, metadata={**shown, "seconds": seconds})
        # The tables are published when the generator gets here; from now on the ledger answers for their rows.
        ledger.record(lake, source, listing, read, entries, kept=kept, run_id=context.run.run_id, now=now)

    return ingest


def _paths(listing: Listing) -> set[str]:
    return {file.path for file in listing.files}


def _with_drift(outcome: Outcome, reading: Reading | None) -> Outcome:
    """A contract's outcome, in which fields that the contract does not know are worth a warning, and never an error."""
    drift = _without_rare_names(sum((item.drift for item in reading.files), Counter())) if reading else None
    if not drift:
        return outcome
    severity = outcome.severity if outcome.blocks else dg.AssetCheckSeverity.WARN
    metadata = {**outcome.metadata, "unknown_fields": dict(drift)}
    return replace(outcome, passed=False, severity=severity, metadata=metadata)


def _metadata(listing: Listing, reading: Reading, gone: Sequence[str]) -> dict[str, Any]:
    """What the UI shows of a reading: files, figures, reasons; field names, never values."""
    totals: dict[str, Counter[str]] = {
        "repaired": Counter(),
        "quarantined_because": Counter(),
        "unknown_fields": Counter(),
    }
    for item in reading.files:
        totals["repaired"].update(item.repaired)
        totals["quarantined_because"].update(item.reasons)
        totals["unknown_fields"].update(item.drift)
    totals["unknown_fields"] = _without_rare_names(totals["unknown_fields"])
    files = [
        dg.TableRecord(
            {
                "file": item.file.path,
                "bytes": item.file.size,
                "records": item.records,
                "landed": item.landed,
                "quarantined": item.quarantined,
                "repaired": sum(item.repaired.values()),
                "problem": item.failure or "",
            }
        )
        # Files that need a look come first, since the table is cut.
        for item in sorted(reading.files, key=lambda item: (item.failure is None, -item.quarantined))[
            :_FILES_SHOWN
        ]
    ]
    shown: dict[str, Any] = {
        "files_read": len(reading.files),
        "files_ignored": len(listing.ignored),
        "files_gone": len(gone),
        **{name: dict(counter) for name, counter in totals.items()},
    }
    if files:
        shown["files"] = dg.MetadataValue.table(files)
    if listing.ignored:
        shown["ignored"] = list(listing.ignored[:_FILES_SHOWN])
    if gone:
        shown["gone"] = list(gone[:_FILES_SHOWN])
    return shown


def _without_rare_names(fields: Counter[str]) -> Counter[str]:
    shown: Counter[str] = Counter()
    for name, records in fields.items():
        shown[name if records >= _FEWEST_RECORDS_OF_A_FIELD else OTHER_NAMES] += records
    return shown


ingests = [landing_assets(source) for source in SOURCES]
