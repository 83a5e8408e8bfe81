"""Whose records are whose: what identifies a person in the lake, and which rows of any table are the person's.

Rows are told by the columns in which the record reader stored whose they are. How such rows are erased belongs in
``erasure``.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.evolution import require_columns
from stedi_assets.lake.snapshot import read_batches, require_files, snapshot_of
from stedi_assets.privacy.pseudonym import published_key
from stedi_assets.records.identity import person_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings

_IDENTITY = ("person", "device", "persons", "devices", "customer_key")
_PLACE = ("source_file", "source_position")
# Tables that say whose a device is.
_OWNERS = ("customer_landing", "customer_quarantine")


@dataclass(frozen=True, repr=False)
class Person:
    """What identifies a person in the lake; none of it belongs in a log.

    Attributes:
        person: The person, as ``person_of`` spells an address; None for records that name nobody.
        devices: Devices that nobody else is registered with.
        shared_devices: Devices that others are registered with too.
        customer_key: The person's pseudonym; None where no table has pseudonyms.
    """

    person: str | None
    devices: frozenset[str] = frozenset()
    shared_devices: frozenset[str] = frozenset()
    customer_key: str | None = None

    def rows_of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The person's rows of any table of the lake.

        A quarantined record is the person's if it names the person, or if it names nobody, but devices that only the
        person is registered with. A reading of a shared device is nobody's in particular: it may be another owner's.

        Args:
            rows: Rows with the columns of the table that say whose a row is.
        """
        person = pl.lit(self.person, pl.String)
        if "persons" in rows.columns:
            devices = pl.col("devices")
            named = devices.list.eval(pl.element().is_in(list(self.devices)))
            of_devices = (pl.col("persons").list.len() == 0) & (devices.list.len() > 0) & named.list.all()
            return rows.filter(pl.col("persons").list.contains(person) | of_devices)
        if "person" in rows.columns:
            return rows.filter(pl.col("person") == person)
        if "customer_key" in rows.columns:
            return rows.filter(pl.col("customer_key") == pl.lit(self.customer_key, pl.String))
        if "device" in rows.columns:
            return rows.filter(pl.col("device").is_in(list(self.devices)))
        return rows.clear()

    def by_device_alone(self) -> Person:
        """The person as far as records that name nobody tell."""
        return replace(self, person=None)


def identify(lake: Lake, settings: Settings, email: str) -> Person:
    """Find what else identifies the person with an e-mail, as customer records say now, quarantined ones included.

    Args:
        lake: The lake.
        settings: Has the key of pseudonyms.
        email: The person's e-mail, in any spelling.

    Raises:
        SchemaError: The lake was made by another version of this package.
        SettingsError: The lake's pseudonyms were made with another key than the settings have.
    """
    person = person_of(email)
    devices = {device for owner, device in _registrations(lake) if owner == person}
    shared = {device for owner, device in _registrations(lake) if owner != person and device in devices}
    return Person(
        person, frozenset(devices - shared), frozenset(shared), _customer_key(lake, settings, person)
    )


def identity_columns(table: str) -> list[str]:
    """The columns that say whose a row of a table is; none in a table that knows nobody."""
    return [column.name for column in CONTRACTS[table].columns if column.name in _IDENTITY]


def rows(lake: Lake, table: str) -> Iterator[pl.DataFrame]:
    """Read whose the rows of a table are, and where they come from, in parts; none if it was never published.

    Raises:
        LakeError: A data file is missing or damaged.
        SchemaError: Another version of this package made the table.
    """
    contract = CONTRACTS[table]
    loaded = lake.find_table(table)
    if loaded is None or loaded.current_snapshot() is None:
        return
    require_columns(loaded, contract)
    require_files(lake, table, snapshot_of(loaded))
    places = [column.name for column in contract.columns if column.name in _PLACE]
    yield from read_batches(loaded, [*identity_columns(table), *places])


def _registrations(lake: Lake) -> Iterable[tuple[str, str]]:
    """Every (person, device) of the customer records; of a quarantined record each person with each device."""
    for table in _OWNERS:
        for batch in rows(lake, table):
            people = batch if "person" in batch.columns else _each_with_each(batch)
            # No device, in a record that an earlier version read, is nobody's.
            named = people.select("person", "device").filter(pl.col("device") != "")
            yield from named.unique().iter_rows()


def _each_with_each(quarantined: pl.DataFrame) -> pl.DataFrame:
    named = quarantined.select(person="persons", device="devices")
    return named.explode("person", empty_as_null=False).explode("device", empty_as_null=False)


def _customer_key(lake: Lake, settings: Settings, person: str) -> str | None:
    table = lake.find_table("machine_learning_curated")
    if table is None or not snapshot_of(table).rows:
        return None
    return hmac.new(published_key(table, settings), person.encode(), hashlib.sha256).hexdigest()
