"""Whose records are whose: what identifies people in the lake, and which rows of any table are theirs.

Rows are told by the columns in which the record reader stored whose they are. How such rows are erased belongs in
``erasure``.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.evolution import require_columns
from stedi_assets.lake.snapshot import read_batches, require_files, snapshot_of
from stedi_assets.privacy.pseudonym import published_key
from stedi_assets.records.identity import person_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings

_IDENTITY = ("person", "device", "persons", "devices", "customer_key")
_PLACE = ("source_file", "source_position")
# Tables that say whose a device is.
_OWNERS = ("customer_landing", "customer_quarantine")


@dataclass(frozen=True, repr=False)
class People:
    """What identifies one person or several in the lake; none of it belongs in a log.

    Attributes:
        owned: The devices that each person is registered with, by the person, as ``person_of`` spells an address.
        of_others: Those of the devices that others are registered with too.
        customer_keys: The pseudonym of each person; empty where no table has pseudonyms.
        are_named: Whether records that name the people are theirs, too, beside those that name their devices alone.
    """

    owned: Mapping[str, frozenset[str]]
    of_others: frozenset[str] = frozenset()
    customer_keys: Mapping[str, str] = field(default_factory=dict)
    are_named: bool = True

    @cached_property
    def persons(self) -> list[str]:
        """The people whose names tell their records."""
        return list(self.owned) if self.are_named else []

    @cached_property
    def devices(self) -> frozenset[str]:
        """Devices that nobody else is registered with."""
        return frozenset().union(*self.owned.values()) - self.of_others

    @cached_property
    def shared_devices(self) -> frozenset[str]:
        """Devices that others are registered with too."""
        return frozenset().union(*self.owned.values()) & self.of_others

    def rows_of(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The people's rows of any table of the lake.

        A quarantined record is theirs if it names one of them, or if it names nobody, but devices that only they are
        registered with. A reading of a shared device is nobody's in particular: it may be another owner's.

        Args:
            rows: Rows with the columns of the table that say whose a row is.
        """
        if "persons" in rows.columns:
            devices = pl.col("devices")
            own_devices = devices.list.eval(_is_one_of(self.devices))
            of_devices = (
                (pl.col("persons").list.len() == 0) & (devices.list.len() > 0) & own_devices.list.all()
            )
            named = pl.col("persons").list.eval(_is_one_of(self.persons)).list.any()
            return rows.filter(named | of_devices)
        if "person" in rows.columns:
            return rows.filter(pl.col("person").is_in(self.persons))
        if "customer_key" in rows.columns:
            return rows.filter(pl.col("customer_key").is_in(list(self.customer_keys.values())))
        if "device" in rows.columns:
            return rows.filter(pl.col("device").is_in(list(self.devices)))
        return rows.clear()

    def by_device_alone(self) -> People:
        """The people as far as records that name nobody tell."""
        return replace(self, are_named=False)

    def one(self, person: str) -> People:
        """One of the people; a device that belongs to several of them, and to nobody else, counts as each one's."""
        keys = {person: self.customer_keys[person]} if self.customer_keys else {}
        return replace(self, owned={person: self.owned[person]}, customer_keys=keys)


def _is_one_of(names: Collection[str]) -> pl.Expr:
    return pl.element().is_in(list(names))


def identify(lake: Lake, settings: Settings, emails: Iterable[str]) -> People:
    """Find what else identifies the people with some e-mails, as customer records say now, quarantined ones included.

    Args:
        lake: The lake.
        settings: Has the key of pseudonyms.
        emails: The people's e-mails, in any spelling.

    Raises:
        SchemaError: The lake was made by another version of this package.
        SettingsError: The lake's pseudonyms were made with another key than the settings have.
    """
    owned: dict[str, set[str]] = {person_of(email): set() for email in emails}
    for owner, device in _registrations(lake):
        if owner in owned:
            owned[owner].add(device)
    devices = set().union(*owned.values())
    of_others = {device for owner, device in _registrations(lake) if owner not in owned and device in devices}
    return People(
        {person: frozenset(registered) for person, registered in owned.items()},
        frozenset(of_others),
        _customer_keys(lake, settings, owned),
    )


def newest_snapshot(lake: Lake, people: People) -> int:
    """When the newest customer snapshot of the people was taken, epoch ms UTC; 0 if there is none."""
    table = lake.find_table("customer_landing")
    if table is None:
        return 0
    batches = read_batches(table, ["person", "lastUpdateDate"])
    newest = (people.rows_of(batch)["lastUpdateDate"].max() for batch in batches)
    return max((at for at in newest if isinstance(at, int)), default=0)


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


def _customer_keys(lake: Lake, settings: Settings, persons: Iterable[str]) -> dict[str, str]:
    table = lake.find_table("machine_learning_curated")
    if table is None or not snapshot_of(table).rows:
        return {}
    key = published_key(table, settings)
    return {person: hmac.new(key, person.encode(), hashlib.sha256).hexdigest() for person in persons}
