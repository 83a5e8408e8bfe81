"""The checks of landing and quarantine tables: conservation of records, unknown fields, and the delivery itself.

How figures come about belongs in ``landing``. Sentences name files, reasons and sources, never a value of a record.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import dagster as dg

from stedi_assets.checks import Candidate, CheckOutcome, expectation
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.records.convert import OTHER_NAMES
from stedi_assets.sources import SOURCES
from stedi_assets.text import counted, percent, ranked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stedi_assets.landing.conservation import Accounts
    from stedi_assets.landing.reader import FileReport
    from stedi_assets.records.counts import Counts

DELIVERY_DESCRIPTION = "Every file was read, and every record of the files that the run read could be landed."
# A field that a source adds is in many records. A name that few have may be a person's, in a map with people as keys.
_FEWEST_RECORDS_OF_A_FIELD = 10
# A sentence about a file has no room for more.
_FILES_NAMED, _REASONS_NAMED = 3, 3


def conservation(table: str, accounts: Accounts, candidate: Candidate) -> CheckOutcome:
    """The outcome of ``row_count`` for a landing or quarantine table: each record found is a row of one of the two.

    Args:
        table: Name of the table.
        accounts: What was found and staged of each file.
        candidate: What was staged.
    """
    figures = {**accounts.figures, "rows": candidate.rows}
    wrong = list(accounts.wrong)
    expected = expectation(candidate, table)
    if expected is not None:
        figures["rows_expected"] = expected.rows
        in_all = candidate.rows + accounts.figures["rows_of_other_files"]
        if in_all != expected.rows:
            wrong.append(f"{counted(in_all, 'row')} in all, {expected.rows:,} expected by {expected.file}")
    if wrong:
        to_do = expected.to_do if expected is not None and len(wrong) > len(accounts.wrong) else ""
        sentence = f"What was delivered cannot be published: {'; '.join(wrong)}"
        return CheckOutcome(passed=False, sentence=sentence, metadata=figures, to_do=to_do)
    found, files = counted(figures["records_found"], "record"), counted(figures["files_read"], "file")
    sentence = f"{found} found in {files}, {candidate.rows:,} of them in {table}, and none is lost"
    if erased := figures["records_of_erased_people"]:
        sentence += f"; {erased:,} of people who were erased were not kept"
    if not figures["files_read"]:
        sentence = "No file was new or changed, and none was read"
    unusual = []
    if unreadable := figures["files_unreadable"]:
        unusual.append(f"{counted(unreadable, 'file')} could not be read")
    if corrected := figures["files_otherwise_in_ledger"]:
        unusual.append(f"the ledger was corrected for {counted(corrected, 'file')}")
    return CheckOutcome(
        passed=not unusual,
        sentence="; ".join([sentence, *unusual]),
        metadata=figures,
        severity=dg.AssetCheckSeverity.WARN,
        to_do="Replace unreadable files by readable ones: each run tries them again." if unreadable else "",
    )


def with_unknown_fields(outcome: CheckOutcome, unknown: Counter[str]) -> CheckOutcome:
    """A contract's outcome, in which fields that the contract does not know are worth a warning, and never an error."""
    if not unknown:
        return outcome
    fields = without_rare_names(unknown)
    named = ", ".join(f"{name} (in {counted(records, 'record')})" for name, records in fields.items())
    return replace(
        outcome,
        passed=False,
        sentence=f"{outcome.sentence}; records have fields that no table takes: {named}",
        severity=outcome.severity if outcome.blocks else dg.AssetCheckSeverity.WARN,
        metadata={**outcome.metadata, "unknown_fields": dict(fields)},
    )


def without_rare_names(fields: Counter[str]) -> Counter[str]:
    """Counts by the names of fields; names that few records have are counted together."""
    shown: Counter[str] = Counter()
    for name, count in fields.items():
        shown[name if count >= _FEWEST_RECORDS_OF_A_FIELD else OTHER_NAMES] += count
    return shown


def delivery(
    source: str, reports: Sequence[FileReport], unknown: Sequence[str], again: Mapping[str, str]
) -> CheckOutcome:
    """The outcome of ``delivery``: a warning if records are in quarantine, or if files are not read for their names.

    Args:
        source: The source.
        reports: What became of the files that were to be read.
        unknown: Paths of the files that nobody knows how to read.
        again: Files with the content of another file that is there, each with that file. The tables that are made from
            landing tables have no row twice for them, so that they are told and no warning.
    """
    files = sorted(
        (report for report in reports if report.counts.quarantined),
        key=lambda report: -report.counts.quarantined,
    )
    records = sum(report.counts.records for report in reports)
    quarantined = sum(report.counts.quarantined for report in files)
    figures = {
        "records_read": records,
        "records_quarantined": quarantined,
        "percent_quarantined": percent(quarantined, records),
        "files_of_unknown_names": len(unknown),
        "files_delivered_again": len(again),
    }
    repeated = [f"{path} is {other} delivered again under another name" for path, other in again.items()]
    if (unnamed := len(repeated) - _FILES_NAMED) > 0:
        repeated[_FILES_NAMED:] = [f"{counted(unnamed, 'more file')} were delivered so"]
    if not files and not unknown:
        return CheckOutcome(
            passed=True,
            sentence="; ".join(
                [f"No record of this delivery was quarantined ({counted(records, 'record')} read)", *repeated]
            ),
            metadata=figures,
        )
    named = [_told(source, report) for report in files[:_FILES_NAMED]]
    if more := files[_FILES_NAMED:]:
        rest = sum(report.counts.quarantined for report in more)
        named.append(f"{counted(rest, 'record')} of {counted(len(more), 'more file')} were quarantined")
    to_do = []
    if files:
        to_do.append(
            f"Look at the records with: stedi quarantine --source {source} --records 100. Put a repaired file in the "
            "place of the broken one, or move a file of another source to that source's landing folder."
        )
    if unknown:
        others = f" and {len(unknown) - _FILES_NAMED} more" if len(unknown) > _FILES_NAMED else ""
        named.append(f"no file of such a name is read: {', '.join(unknown[:_FILES_NAMED])}{others}")
        to_do.append(
            "Name each file .json or .csv, or begin its name with an underscore if it is no delivery."
        )
    return CheckOutcome(
        passed=False,
        sentence="; ".join([*named, *repeated]),
        metadata=figures,
        severity=dg.AssetCheckSeverity.WARN,
        to_do=" ".join(to_do),
    )


def _told(source: str, report: FileReport) -> str:
    counts = report.counts
    reasons = ranked(counts.reasons)
    named = ", ".join(reason for reason, _ in reasons[:_REASONS_NAMED])
    more = f" and {len(reasons) - _REASONS_NAMED} more" if len(reasons) > _REASONS_NAMED else ""
    other = looks_like(source, counts)
    return (
        f"{counts.quarantined:,} of {counted(counts.records, 'record')} of {report.file.path} were quarantined "
        f"({named}{more})" + (f"; the file looks like {other}" if other else "")
    )


def looks_like(source: str, counts: Counts) -> str | None:
    """The source whose fields most records of a file have where they lack the own source's; None if there is none."""
    if counts.quarantined * 2 < counts.records:
        return None
    own = {field.name.casefold() for field in source_of(CONTRACTS[f"{source}_landing"]).fields}
    unknown = {name.casefold(): records for name, records in counts.drift.items()}
    for other in SOURCES:
        fields = {
            field.name.casefold()
            for field in source_of(CONTRACTS[f"{other}_landing"]).fields
            if field.required
        }
        if (others := fields - own) and all(unknown.get(name, 0) * 2 >= counts.records for name in others):
            return other
    return None
