"""The landing tables and their quarantine: everything that was delivered, read or accounted for.

One op a source reads its files once and makes both tables. How files are read belongs in ``landing``.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
from pyiceberg.expressions import AlwaysFalse, AlwaysTrue, BooleanExpression, In, Not

from stedi_assets.assets.checks import EXPECTATIONS_FILE, Candidate, Outcome, contract_outcome, expected_rows
from stedi_assets.assets.lake_table import (
    OWNERS,
    RESOURCES,
    candidate_of,
    check_specs,
    raise_if_blocked,
    report,
)
from stedi_assets.contracts.dagster import definition_metadata
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.lake.lake import Lake, Staged
from stedi_assets.landing import ledger
from stedi_assets.landing.files import SOURCES, Listing, list_landing
from stedi_assets.landing.ledger import Entry
from stedi_assets.landing.reader import FileReport, Reading, read_landing_files
from stedi_assets.records.piece import Job

# A table of thousands of files is no help to anybody; the ledger has them all.
_FILES_SHOWN = 100


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
    )
    def ingest(context: dg.AssetExecutionContext, config: LandingConfig) -> Iterator[Any]:
        began = time.monotonic()
        now = time.time_ns() // 1_000_000
        lake: Lake = context.resources.lake
        base = {kind: lake.table(contract) for kind, contract in tables.items()}
        listing = list_landing(lake, source)
        entries = ledger.read_entries(lake, source)
        pending = [
            file
            for file in listing.files
            if config.full_refresh or file.path not in entries or entries[file.path].identity != file.identity
        ]
        job = Job(
            source=source_of(tables["landing"]),
            lake=lake.address("").rstrip("/"),
            storage_options=lake.storage_options,
            landed_folder=lake.new_folder(tables["landing"]),
            quarantined_folder=lake.new_folder(tables["quarantine"]),
            ingested_at=now,
        )
        reading = read_landing_files(job, pending, context.resources.engine)
        read = [item for item in reading.files if item.failure is None]
        kept = {
            path: entry for path, entry in entries.items() if path not in {item.file.path for item in read}
        }
        outcomes: dict[str, dict[str, Outcome]] = {}
        staged: dict[str, Staged] = {}
        for kind, contract in tables.items():
            in_step = ledger.is_in_step(base[kind], entries.values()) and not config.full_refresh
            staged[kind] = Staged(
                contract,
                base[kind],
                job.landed_folder if kind == "landing" else job.quarantined_folder,
                reading.landed_files if kind == "landing" else reading.quarantined_files,
                replaces=_rows_replaced(read, entries, kept, in_step=in_step),
            )
            candidate, verdict = candidate_of(context, staged[kind])
            accounts = _Accounts(kind, reading, kept, entries if in_step else None)
            outcomes[kind] = {
                "contract": contract_outcome(verdict),
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
        ledger.record(lake, source, listing, read, entries, run_id=context.run.run_id, now=now)

    return ingest


def _paths(listing: Listing) -> set[str]:
    return {file.path for file in listing.files}


def _rows_replaced(
    read: Sequence[FileReport], entries: Mapping[str, Entry], kept: Mapping[str, Entry], *, in_step: bool
) -> BooleanExpression:
    """Which published rows go: those of files that were read again, and those that no entry answers for."""
    if not in_step:
        return Not(In(term="source_file", literals=list(kept))) if kept else AlwaysTrue()
    again = [item.file.path for item in read if item.file.path in entries]
    return In(term="source_file", literals=again) if again else AlwaysFalse()


@dataclass(frozen=True)
class _Accounts:
    """Conservation: what was found in each file against what was staged of it.

    Attributes:
        kind: ``landing`` or ``quarantine``.
        reading: What was found and staged.
        kept: Entries whose rows stay.
        before: The ledger, if the table should agree with it.
    """

    kind: str
    reading: Reading
    kept: Mapping[str, Entry]
    before: Mapping[str, Entry] | None

    def outcome(self, table: str, candidate: Candidate) -> Outcome:
        """The outcome of ``row_count``."""
        staged = {
            row["source_file"]: row["count"]
            for row in candidate.frame.groupBy("source_file").count().collect()
        }
        read = [item for item in self.reading.files if item.failure is None]
        other = {item.file.path: item.quarantined if self.kind == "landing" else item.landed for item in read}
        unaccounted = [
            item.file.path
            for item in read
            if item.records != staged.get(item.file.path, 0) + other[item.file.path]
        ]
        rows_kept = sum(self._rows(entry) for entry in self.kept.values())
        expected = expected_rows(candidate.lake, candidate.settings, table)
        figures: dict[str, Any] = {
            "files_read": len(read),
            "records_found": sum(item.records for item in read),
            "rows": candidate.rows,
            "rows_of_other_files": rows_kept,
            "files_unaccounted_for": len(unaccounted),
            "files_unreadable": len(self.reading.files) - len(read),
        }
        wrong = []
        if unaccounted:
            wrong.append(
                f"records found are not rows landed and quarantined in {', '.join(unaccounted[:10])}"
            )
        if self.before is not None:
            answered_for = sum(self._rows(entry) for entry in self.before.values())
            if answered_for != candidate.before.rows:
                wrong.append(
                    f"the table has {candidate.before.rows} rows where its ledger has {answered_for}: something else "
                    "wrote to it; rebuild it with full_refresh"
                )
        if expected is not None:
            figures["rows_expected"] = expected
            if candidate.rows + rows_kept != expected:
                wrong.append(f"{EXPECTATIONS_FILE} expects {expected} rows in all")
        if wrong:
            return Outcome(passed=False, metadata={**figures, "wrong": "; ".join(wrong)})
        severity = dg.AssetCheckSeverity.WARN
        return Outcome(passed=not figures["files_unreadable"], metadata=figures, severity=severity)

    def _rows(self, entry: Entry) -> int:
        return entry.landed if self.kind == "landing" else entry.quarantined


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


ingests = [landing_assets(source) for source in SOURCES]
