"""The register of erasures: who was erased, and when, by marks that name nobody.

The register is a folder of files. An entry is written once, before the first record goes, and never changed or deleted.
It is no table of the catalog, so that a catalog from a backup brings nobody back. How many entries there were is in the
summary of every snapshot that a run publishes; with fewer, no run publishes.

Each entry has the salt of its marks. The first entry makes a random one, which later entries use, too. What the marks
are made of belongs in ``records.erased``.
"""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets.lake.durable import DurableFile
from stedi_assets.lake.errors import LakeError
from stedi_assets.records.erased import Marks, mark

if TYPE_CHECKING:
    from stedi_assets.lake.lake import Lake

FOLDER = "erasures"
# Property of the table of customers: how many entries there are, once the erasure that set it has entered its own.
ANNOUNCED = "stedi.erasures"
# Of a file beside an entry, whose erasure came to its end.
_FINISHED = ".finished"
_SALT_BYTES = 32


@dataclass(frozen=True)
class ErasedPerson:
    """A person in an entry.

    Attributes:
        person: Mark of the person.
        devices: Marks of the devices that nobody else was registered with.
        shared_devices: Marks of the devices that others were registered with too.
        rows: Rows that the tables had of the person.
        files: Landing files that had records of the person.
    """

    person: str
    devices: tuple[str, ...]
    shared_devices: tuple[str, ...]
    rows: int
    files: int


@dataclass(frozen=True)
class Entry:
    """One pass of erasure.

    Attributes:
        run_id: The pass.
        erased_at: Records from before are of the people as they were; epoch ms UTC.
        salt: Salt of the marks.
        people: The people erased.
    """

    run_id: str
    erased_at: int
    salt: str
    people: tuple[ErasedPerson, ...]


@dataclass(frozen=True)
class Register:
    """The register of a lake.

    Attributes:
        entries: None in a lake in which nobody was erased.
        finished: Names of the passes that came to their end.
    """

    entries: tuple[Entry, ...] = ()
    finished: frozenset[str] = frozenset()

    @property
    def version(self) -> int:
        """The number of entries, which only grows."""
        return len(self.entries)

    @property
    def salt(self) -> str:
        """The salt for a new entry."""
        return self.entries[0].salt if self.entries else secrets.token_hex(_SALT_BYTES)

    def of(self, person: str) -> list[tuple[Entry, ErasedPerson]]:
        """The entries that a person is in."""
        return [
            (entry, erased)
            for entry in self.entries
            for erased in entry.people
            if mark(entry.salt, person) == erased.person
        ]

    def marks(self) -> tuple[Marks, ...]:
        """The marks by which records that are delivered again are told."""
        persons: dict[str, dict[str, int]] = defaultdict(dict)
        devices: dict[str, dict[str, int]] = defaultdict(dict)
        for entry in sorted(self.entries, key=lambda entry: entry.erased_at):
            for erased in entry.people:
                persons[entry.salt][erased.person] = entry.erased_at
                devices[entry.salt].update(dict.fromkeys(erased.devices, entry.erased_at))
        return tuple(Marks(salt, persons[salt], devices[salt]) for salt in persons)

    def erasures(self) -> list[tuple[str, str, str | None, int]]:
        """Salt, mark of the person, mark of a device and time: one for each device, or without any device."""
        return [
            (entry.salt, erased.person, device, entry.erased_at)
            for entry in self.entries
            for erased in entry.people
            for device in (*erased.devices, *erased.shared_devices) or (None,)
        ]


def entries_of(lake: Lake) -> list[str]:
    """Paths of the files of the register."""
    return [path for path in _files(lake) if path.endswith(".json")]


def _files(lake: Lake) -> list[str]:
    found = (file.path for file in lake.list_files(lake.address(FOLDER)))
    return [path for path in found if not path.rpartition("/")[2].startswith(".")]


def read_register(lake: Lake) -> Register:
    """Read the register.

    Raises:
        LakeError: A file of it cannot be read.
    """
    entries, files = [], _files(lake)
    for path in (path for path in files if path.endswith(".json")):
        try:
            fields = json.loads(lake.filesystem.cat_file(path))
            people = (
                ErasedPerson(
                    **(
                        one
                        | {
                            "devices": tuple(one["devices"]),
                            "shared_devices": tuple(one["shared_devices"]),
                        }
                    )
                )
                for one in fields.pop("people")
            )
            entries.append(Entry(**fields, people=tuple(people)))
        except (AttributeError, KeyError, TypeError, ValueError, FileNotFoundError):
            raise LakeError(
                f"{path}, an entry of the register of erasures, is damaged, so that nothing is published: restore it "
                "from a backup"
            ) from None
    finished = (path.rpartition("/")[2] for path in files if path.endswith(_FINISHED))
    return Register(tuple(entries), frozenset(name.removesuffix(_FINISHED) for name in finished))


def awaits_entry(lake: Lake) -> bool:
    """Whether an erasure was announced that has not entered anybody: it is about to, or it died."""
    customers = lake.find_table("customer_landing")
    announced = int(customers.properties.get(ANNOUNCED, 0)) if customers else 0
    return announced > len(entries_of(lake))


def enter(lake: Lake, entry: Entry) -> None:
    """Add an entry, whole or not at all."""
    _write(lake, f"{entry.run_id}.json", json.dumps(asdict(entry)).encode())


def finish(lake: Lake, entry: Entry) -> None:
    """Say that the erasure of an entry's people came to its end."""
    _write(lake, f"{entry.run_id}{_FINISHED}", b"")


def _write(lake: Lake, name: str, content: bytes) -> None:
    path = lake.path(lake.address(f"{FOLDER}/{name}"))
    if lake.on_s3:
        lake.filesystem.pipe_file(path, content)
        return
    target = Path(path)
    # Hidden, so that a run that dies here leaves no entry that cannot be read.
    new = target.with_name(f".{target.name}.new")
    with DurableFile(new, "wb", is_last=True) as stream:
        stream.write(content)
    new.replace(target)
    lake.sync([path])


def require_entries(version: int, published: int, table: str) -> None:
    """Hold the number of entries against the number when a table was published.

    Raises:
        LakeError: Entries are gone, so that nobody knows who was erased.
    """
    if version < published:
        raise LakeError(
            f"the register of erasures has {version} entries, and had {published} when {table} was published, so that "
            f"nothing is published: restore the folder {FOLDER} of the lake from a backup"
        )
