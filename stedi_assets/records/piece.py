"""What a Spark task does with the pieces of landing files given to it: read, parse, write Parquet, report.

A piece is a file or a byte range of one. A range of plain lines is settled by whoever has it; a range that is in
doubt is reported as such and read again, with its neighbours in doubt, from a place where a record is known to
begin: what is one record in damaged text depends on what stands before it.

Travels to executors by value, as the parsers do: imports only what every executor has.
"""

from __future__ import annotations

import io
import json
import uuid
import zlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import fsspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from stedi_assets.records.csv_rows import Header, parse_csv
from stedi_assets.records.parse import Parsed, Source, parse_damaged, parse_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Large enough that a task's cost is its data, small enough that two tasks a core fit in memory many times over.
PIECE_BYTES = 16 * 1024 * 1024
# How far behind its end a piece looks for the end of its last line before it is in doubt.
_OVERHANG_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Piece:
    """Bytes ``start`` to ``end`` of a file; ``is_whole`` and then ``is_settled`` mean that records begin at ``start``.

    Attributes:
        file: Path below the lake.
        start: First byte.
        end: First byte behind it.
        size: Size of the whole file.
        is_csv: Whether it is CSV.
        compression: How it is compressed, if it is; such a file is one piece.
        is_settled: Whether ``start`` and ``end`` are known to stand between records.
    """

    file: str
    start: int
    end: int
    size: int
    is_csv: bool
    compression: str | None
    is_settled: bool


@dataclass
class PieceReport:
    """What became of a piece: figures and file names, never a value of a record.

    Attributes:
        file: Path below the lake.
        start: First byte of its first line.
        end: First byte behind its last line.
        in_doubt: Whether it is to be read again with its neighbours; then nothing of it was written.
        failure: Why the file could not be read; then nothing of it was written.
        records: Records found by the scan of the text.
        landed: Records written as landed.
        quarantined: Records written as quarantined.
        repaired: Repairs by kind.
        drift: Records with an unknown field, by its name.
        reasons: Quarantined records by reason.
    """

    file: str
    start: int
    end: int
    in_doubt: bool = False
    failure: str | None = None
    records: int = 0
    landed: int = 0
    quarantined: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    drift: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class TaskReport:
    """What a task wrote, and what became of its pieces."""

    landed_file: str | None
    quarantined_file: str | None
    pieces: tuple[PieceReport, ...]

    def to_json(self) -> str:
        """The report as the text that the task sends to the driver."""
        return json.dumps(self, default=vars)

    @classmethod
    def from_json(cls, text: str) -> TaskReport:
        """Read a report back."""
        found = json.loads(text)
        pieces = [PieceReport(**piece) for piece in found.pop("pieces")]
        for piece in pieces:
            piece.repaired, piece.drift, piece.reasons = map(
                Counter, (piece.repaired, piece.drift, piece.reasons)
            )
        return cls(**found, pieces=tuple(pieces))


@dataclass(frozen=True)
class Job:
    """What all tasks of a reading share.

    Attributes:
        source: Fields and row rules.
        lake: Address of the lake, with its scheme.
        storage_options: For fsspec.
        landed_folder: Where landed rows are staged.
        quarantined_folder: Where quarantined records are staged.
        ingested_at: Epoch ms UTC.
    """

    source: Source
    lake: str
    storage_options: dict[str, Any]
    landed_folder: str
    quarantined_folder: str
    ingested_at: int


def run_task(job: Job, pieces: tuple[Piece, ...]) -> TaskReport:
    """Read pieces, write their rows to at most one file of each kind, and report."""
    filesystem, _ = fsspec.url_to_fs(job.lake, **job.storage_options)
    landed: list[pl.DataFrame] = []
    quarantined: list[pl.DataFrame] = []
    reports = []
    for piece in pieces:
        report, parsed = _read_piece(job, piece, filesystem)
        reports.append(report)
        landed += [_with_provenance(part.landed, job, piece) for part in parsed]
        quarantined += [_with_provenance(part.quarantined, job, piece) for part in parsed]
    return TaskReport(
        _write(filesystem, job.landed_folder, landed),
        _write(filesystem, job.quarantined_folder, quarantined),
        tuple(reports),
    )


def _read_piece(job: Job, piece: Piece, filesystem: Any) -> tuple[PieceReport, list[Parsed]]:  # noqa: ANN401 - fsspec is untyped
    try:
        if piece.is_settled:
            report = PieceReport(piece.file, piece.start, piece.end)
            parsed = list(_read_settled(job, piece, filesystem))
        else:
            report, parsed = _read_range(job, piece, filesystem)
    except FileNotFoundError:
        return PieceReport(piece.file, piece.start, piece.end, failure="it vanished after it was listed"), []
    except PermissionError:
        return PieceReport(piece.file, piece.start, piece.end, failure="reading it is not permitted"), []
    except (ConnectionError, TimeoutError):
        # Not the file's fault: the run fails, and may be tried again.
        raise
    except (EOFError, OSError, zlib.error) as error:
        # The class says what is wrong; the message may hold what was in the file.
        failure = f"it cannot be read ({type(error).__name__}: damaged, or not compressed as its name says)"
        return PieceReport(piece.file, piece.start, piece.end, failure=failure), []
    for part in parsed:
        report.records += part.records
        report.landed += part.landed.height
        report.quarantined += part.quarantined.height
        report.repaired.update(part.repaired)
        report.drift.update(part.drift)
        report.reasons.update(part.quarantined["reasons"].explode(empty_as_null=False).to_list())
    return report, parsed


def _read_range(job: Job, piece: Piece, filesystem: Any) -> tuple[PieceReport, list[Parsed]]:  # noqa: ANN401 - as above
    """Settle the lines that begin in a range, if they are plain; the line across its start is its neighbour's."""
    before = max(0, piece.start - 1)
    text = filesystem.cat_file(
        f"{job.lake}/{piece.file}", before, min(piece.end + _OVERHANG_BYTES, piece.size)
    )
    first = 0 if piece.start == 0 else text.find(b"\n") + 1
    behind = text.find(b"\n", piece.end - 1 - before) + 1
    if piece.end == piece.size:
        behind = len(text)
    report = PieceReport(piece.file, before + first, before + behind)
    if (first == 0 and piece.start > 0) or behind == 0 or first > behind:
        return PieceReport(piece.file, piece.start, piece.end, in_doubt=True), []
    parsed = parse_lines(text[first:behind], report.start, job.source)
    if parsed is None:
        report.in_doubt = True
        return report, []
    return report, [parsed]


def _read_settled(job: Job, piece: Piece, filesystem: Any) -> Iterator[Parsed]:  # noqa: ANN401 - as above
    """Read from one place between records to another, in windows, whatever the text is like."""
    header: Header | None = None
    rest, offset = b"", piece.start
    with filesystem.open(f"{job.lake}/{piece.file}", "rb", compression=piece.compression) as stream:
        if piece.compression is None:
            stream.seek(piece.start)
        remaining = None if piece.compression else piece.end - piece.start
        while True:
            text = stream.read(PIECE_BYTES if remaining is None else min(PIECE_BYTES, remaining))
            if remaining is not None:
                remaining -= len(text)
            final = not text or remaining == 0
            window = rest + text
            if piece.is_csv:
                parsed, settled, header = parse_csv(window, offset, job.source, final=final, header=header)
            else:
                parsed, settled = _parse_json(window, offset, job.source, final=final)
            yield parsed
            rest, offset = window[settled:], offset + settled
            if final:
                return


def _parse_json(window: bytes, offset: int, source: Source, *, final: bool) -> tuple[Parsed, int]:
    """Parse what of a window can be settled, as plain lines if it is that."""
    lines_end = len(window) if final else window.rfind(b"\n") + 1
    plain = parse_lines(window[:lines_end], offset, source) if lines_end else None
    return (plain, lines_end) if plain is not None else parse_damaged(window, offset, source, final=final)


def _with_provenance(rows: pl.DataFrame, job: Job, piece: Piece) -> pl.DataFrame:
    return rows.with_columns(source_file=pl.lit(piece.file), ingested_at=pl.lit(job.ingested_at, pl.Int64))


def _write(filesystem: Any, folder: str, frames: list[pl.DataFrame]) -> str | None:  # noqa: ANN401 - as above
    """Write rows to a new file; its name is the task's own, so that a task that runs twice doubles nothing."""
    rows = pl.concat(frames) if frames else pl.DataFrame()
    if rows.is_empty():
        return None
    buffer = io.BytesIO()
    table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
    # Without the schema that Arrow would add, by which Sail reads lists and texts as their 64-bit kinds.
    pq.write_table(table, buffer, compression="zstd", store_schema=False)
    address = f"{folder}/{uuid.uuid4().hex}.parquet"
    filesystem.pipe_file(address, buffer.getvalue())
    return address


def task_function(
    job: Job, tasks: tuple[tuple[Piece, ...], ...]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """The function that Spark maps over the numbers of the tasks; it yields one report, as JSON, for each."""

    def run_tasks(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column("id").to_numpy():
                report = run_task(job, tasks[int(number)]).to_json()
                yield pa.RecordBatch.from_pydict({"report": [report]})

    return run_tasks
