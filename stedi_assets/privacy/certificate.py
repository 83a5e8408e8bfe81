"""The certificate of an erasure, to hand out to the person who asked for it.

It has the address, since whoever holds it must know whom it is about. So it is written only where somebody asked for
it, outside the lake, for its owner's eyes alone. What was erased belongs in ``erasure``.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets.errors import StediError
from stedi_assets.lake.erasures import read_register
from stedi_assets.sources import SOURCES

if TYPE_CHECKING:
    from stedi_assets.lake.erasures import Register
    from stedi_assets.lake.lake import Lake
    from stedi_assets.privacy.erasure import Erasure

_NOT_SEARCHED = (
    "copies, exports and backups outside the lake, and what was trained on the data",
    "noncurrent versions and replicas that a bucket keeps",
    "landing files that cannot be read, which are listed above",
)


class CertificateError(StediError):
    """Certificates cannot be written; the message says why."""


def require_folder_outside(lake: Lake, folder: Path) -> None:
    """Refuse to write certificates where a lake is, or where no folder is.

    Raises:
        CertificateError: The folder is in the lake, or is not there.
    """
    if not folder.is_dir():
        raise CertificateError(f"{folder} is no folder: make it first")
    if not lake.on_s3 and folder.resolve().is_relative_to(Path(lake.uri).resolve()):
        raise CertificateError(
            f"{folder} is in the lake, which must not have the addresses: choose another folder"
        )


def write_certificates(folder: Path, lake: Lake, erased: Erasure) -> list[Path]:
    """Write a file for each person of a pass, readable by its owner alone.

    Returns:
        The files, in the order of the people.
    """
    register, files = read_register(lake), []
    for number, person in enumerate(erased.found_of, start=1):
        path = folder / f"{erased.run_id}-{number}.md"
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(certificate(lake, erased, person, register))
        files.append(path)
    return files


def certificate(lake: Lake, erased: Erasure, person: str, register: Register) -> str:
    """The text of a person's certificate, in Markdown."""
    found = erased.found_of[person]
    devices = f"{found.shared_readings:,} step readings of devices that others own, too; they name nobody"
    sections = {
        "Erased rows, by table": [f"{table}: {rows:,}" for table, rows in found.rows.items()],
        "Erased records, by landing file": [
            f"{path}: {records:,}" for path, records in found.records.items()
        ],
        "Kept": [devices] if found.shared_devices else [],
        "Entries in the register of erasures": [
            f"{_time(entry.erased_at)}, {entry.run_id}: {one.rows:,} rows, records in {one.files:,} files"
            for entry, one in register.of(person)
        ],
        "Searched": [
            f"the landing folders of {', '.join(SOURCES)}, with files that no run reads",
            "every table of the lake, with quarantine, and what failed runs left beside them",
            f"all snapshots, tags and branches of these tables, of which {erased.history.snapshots:,} were deleted",
        ],
        "Not searched": [
            "copies, exports and backups outside the lake, and what was made from them",
            "noncurrent versions and replicas of objects, where the lake is in a bucket",
            *(f"{path}, which cannot be read" for path in erased.unreadable),
        ],
        "Still to be looked at": [
            *(
                f"{path}: the address stands {count} times in what is not the person's record"
                for path, count in erased.mentions.items()
            ),
            *(f"{path}: {count} quarantined records name nobody" for path, count in erased.nameless.items()),
        ],
    }
    lines = [
        "# Certificate of erasure",
        "",
        f"- Person: {person}",
        f"- Lake: {lake.uri}",
        f"- Finished: {_time(erased.finished_at)}",
        f"- Pass: {erased.run_id}",
    ]
    for heading, entries in sections.items():
        lines += ["", f"## {heading}", "", *(f"- {entry}" for entry in entries or ["none"])]
    return "\n".join([*lines, ""])


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")
