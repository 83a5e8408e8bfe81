"""What the UI shows of an ingest: files, figures and reasons; names of files and fields, never a value of a record."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from stedi_assets.landing.explanation import explain
from stedi_assets.landing.ingest import Ingest
from stedi_assets.landing.ledger import Kind
from stedi_assets.landing.reader import FileReport
from stedi_assets.landing_checks import without_rare_names
from stedi_assets.text import bar, markdown_table, percent, ranked

# A table of thousands of files is no help to anybody; the ledger has them all.
_FILES_SHOWN = 100
_DELIVERIES_SHOWN = 10


def ingest_metadata(found: Ingest, kind: Kind) -> dict[str, Any]:
    """Metadata of a landing or quarantine table.

    Args:
        found: What a run read of a source.
        kind: Which of the two tables.
    """
    files, counts = found.records.reports, found.counts
    again = [entry for report in found.read if (entry := found.before(report.file.path))]
    shown: dict[str, Any] = {
        "files_read": len(files),
        "files_ignored": len(found.listing.ignored),
        "files_gone": len(found.gone),
        "records_read": counts.records,
        "rows_added": counts.landed if kind == "landing" else counts.quarantined,
        "rows_replaced": sum(entry.rows(kind) for entry in again),
        "percent_quarantined": percent(counts.quarantined, counts.records),
        "repaired": dict(counts.repaired),
        "unknown_fields": dict(without_rare_names(counts.drift)),
    }
    if counts.reasons:
        shown["quarantined_because"] = dg.MetadataValue.table(_reasons(found))
        shown["reasons_explained"] = dg.MetadataValue.md(_explained(found))
    if files:
        # Files that need a look come first, since the table is cut.
        first = sorted(files, key=lambda item: (item.failure is None, -item.counts.quarantined))
        shown["files"] = dg.MetadataValue.table([_file(item) for item in first[:_FILES_SHOWN]])
    if found.listing.ignored:
        shown["ignored"] = list(found.listing.ignored[:_FILES_SHOWN])
    if found.gone:
        shown["gone"] = found.gone[:_FILES_SHOWN]
    if found.moved:
        shown["moved"] = [f"{before} is {path} now" for path, before in found.moved.items()][:_FILES_SHOWN]
    return shown


def _reasons(found: Ingest) -> list[dg.TableRecord]:
    """Why records are in quarantine, the most frequent reason first."""
    records = []
    for reason, count in ranked(found.counts.reasons):
        example = next(report for report in found.records.reports if reason in report.counts.examples)
        records.append(
            dg.TableRecord(
                {
                    "reason": reason,
                    "records": count,
                    "example_file": example.file.path,
                    "example_position": example.counts.examples[reason],
                }
            )
        )
    return records


def _explained(found: Ingest) -> str:
    """What the reasons mean, and what to do. The UI wraps long text in Markdown alone, and cuts it off in a table."""
    rows = []
    for reason, _ in ranked(found.counts.reasons):
        explained = explain(found.source, reason)
        meaning = explained.meaning
        rows.append((f"`{reason}`", meaning, explained.to_do))
    return markdown_table(("reason", "meaning", "what to do"), rows)


def deliveries(found: Ingest) -> dg.MarkdownMetadataValue:
    """The newest deliveries of a source as a picture: what was read at a time and is in the ledger."""
    records: Counter[int] = Counter()
    quarantined: Counter[int] = Counter()
    for entry in found.other_entries.values():
        records[entry.ingested_at] += entry.records
        quarantined[entry.ingested_at] += entry.quarantined
    if found.read:
        records[found.began] = found.counts.records
        quarantined[found.began] = found.counts.quarantined
    times = sorted(records, reverse=True)[:_DELIVERIES_SHOWN]
    most = max((records[time] for time in times), default=0)
    rows = (
        (
            f"{datetime.fromtimestamp(time / 1000, UTC):%Y-%m-%d %H:%M}",
            bar(records[time], most),
            f"{records[time]:,}",
            f"{quarantined[time]:,}",
        )
        for time in times
    )
    return dg.MetadataValue.md(markdown_table(("read at (UTC)", "", "records", "quarantined"), rows))


def _file(item: FileReport) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "file": item.file.path,
            "bytes": item.file.size,
            "records": item.counts.records,
            "landed": item.counts.landed,
            "quarantined": item.counts.quarantined,
            "repaired": sum(item.counts.repaired.values()),
            "problem": item.failure or "",
        }
    )
