"""The part of a table that new rows of its inputs can lead to.

A row of a table beyond landing depends on readings of one moment, and on what is known of one person or device. So new
readings lead to rows of their own moments alone, and a new person or device to rows of its own alone. Within these
moments and owners, a table of all inputs and a table of the inputs there are the same. Which tables may be made so, and
when, belongs in ``assets.increment``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import pyspark.sql.functions as F

from stedi_assets.transforms import tables
from stedi_assets.transforms.pseudonym import with_customer_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Keys:
    """The columns by which a row of a table belongs to a moment and to somebody.

    Attributes:
        owner: ``person``, ``device`` or ``customer_key``.
        moment: The column of the time in epoch ms; None where a row is of no moment.
    """

    owner: str
    moment: str | None = None


@dataclass(frozen=True)
class Growth:
    """How a table grows with its inputs.

    Attributes:
        table: Keys of the table itself.
        readings: Keys of each input that may have many new rows, by its name.
        owners_in: The tables that say whose rows there may be.
        owners: Gives, from these tables, whose rows there may be, and what else the rows depend on, as a frame with a
            column for each owner that the keys name, but for ``customer_key``. Its second argument says whether
            readings count from consent on only.
        by: The column of the owners by which their rows belong together.
    """

    table: Keys
    readings: Mapping[str, Keys]
    owners_in: tuple[str, ...]
    owners: Callable[[Mapping[str, DataFrame], bool], DataFrame]
    by: str = "person"


@dataclass(frozen=True)
class NewRows:
    """New rows of an input: the rows, their number, and the first and the last of their moments (epoch ms)."""

    rows: DataFrame
    count: int
    first: int
    last: int


def new_rows(rows: DataFrame, keys: Keys) -> NewRows:
    """Look at new rows of an input, of which there are some."""
    moment = F.lit(0) if keys.moment is None else F.col(keys.moment)
    return NewRows(rows, *rows.agg(F.count(F.lit(1)), F.min(moment), F.max(moment)).collect()[0])


@dataclass(frozen=True)
class Region:
    """Moments and owners.

    Attributes:
        moments: ``moment`` bigint, distinct (epoch ms); None if no moment is in the region.
        first: The first of the moments.
        last: The last of the moments.
        owners: The owners, whose rows of all times are in the region; None if nobody is.
    """

    moments: DataFrame | None = None
    first: int = 0
    last: int = 0
    owners: DataFrame | None = None

    def of(self, frame: DataFrame, keys: Keys) -> DataFrame:
        """The rows of a table that are within the region."""
        parts = []
        if self.moments is not None and keys.moment is not None:
            moments = self.moments.withColumnRenamed("moment", keys.moment)
            # Files and row groups of other times are not read.
            near = frame.where(F.col(keys.moment).between(self.first, self.last))
            parts.append(near.join(moments, keys.moment, "left_semi"))
        if self.owners is not None:
            owned = frame.join(self.owners.select(keys.owner).distinct(), keys.owner, "left_semi")
            if parts:
                owned = owned.join(moments, keys.moment, "left_anti")
            parts.append(owned)
        return _together(parts)


def region_of(
    growth: Growth, readings: Mapping[str, NewRows], owners: DataFrame | None, published: DataFrame
) -> Region:
    """The moments and owners that have something new.

    Args:
        growth: How the table grows.
        readings: New rows of inputs, by the input's name.
        owners: New owners; None if there are none.
        published: The rows of the table.
    """
    if not readings:
        return Region(owners=owners)
    if growth.table.moment is None:
        # A row of no moment belongs to its owner alone, and whoever has such rows gets no more of them.
        named = [new.rows.select(growth.readings[name].owner) for name, new in readings.items()]
        by = growth.table.owner
        others = _together(named).distinct().join(published.select(by), by, "left_anti")
        return Region(owners=others if owners is None else others.unionByName(owners.select(by)).distinct())
    moments = _together(
        new.rows.select(F.col(str(growth.readings[name].moment)).alias("moment"))
        for name, new in readings.items()
    )
    first, last = min(new.first for new in readings.values()), max(new.last for new in readings.values())
    return Region(moments.distinct(), first, last, owners)


def with_all_of_theirs(new: DataFrame, owners: DataFrame, growth: Growth, key: bytes | None) -> DataFrame:
    """New owners with everything that is theirs: of a person with a new device, the person's other devices, too.

    Args:
        new: Rows of ``owners`` that are new.
        owners: All owners.
        growth: How the table grows.
        key: Secret of the pseudonyms, where the table has pseudonyms; then a column ``customer_key`` is added.
    """
    found = owners.join(new.select(growth.by).distinct(), growth.by, "left_semi")
    if key is None:
        return found
    return found.join(with_customer_key(found.select("person").distinct(), key), "person")


def _together(frames: Iterable[DataFrame]) -> DataFrame:
    return reduce(lambda one, other: one.unionByName(other), frames)


def since_consent(frames: Mapping[str, DataFrame], consent_from_date: bool) -> DataFrame:
    """Trusted people, and the consent that their readings count from."""
    people = tables.consent_since(frames["customer_trusted"])
    return people if consent_from_date else people.select("person")


def trusted_customers(frames: Mapping[str, DataFrame], _: bool) -> DataFrame:
    """Trusted customers, whose rows are copied."""
    return frames["customer_trusted"]


def open_devices(frames: Mapping[str, DataFrame], consent_from_date: bool) -> DataFrame:
    """Devices whose readings are not withheld, and the consent that the readings count from."""
    shared = tables.shared_with_untrusted(
        frames["customer_landing"], frames["customer_quarantine"], frames["customer_trusted"]
    )
    devices = tables.devices_of(frames["customer_curated"], shared)
    return devices if consent_from_date else devices.select("device")


def owners_of_devices(frames: Mapping[str, DataFrame], _: bool) -> DataFrame:
    """Who owns which device."""
    return frames["customer_curated"].select("person", "device").distinct()


OF_READINGS = Growth(
    Keys("person", "timestamp"),
    {"accelerometer_landing": Keys("person", "timestamp")},
    ("customer_trusted",),
    since_consent,
)
# A customer is of no moment: new readings lead to rows of their people.
OF_CUSTOMERS_WITH_READINGS = Growth(
    Keys("person"), {"accelerometer_trusted": Keys("person")}, ("customer_trusted",), trusted_customers
)
OF_STEPS = Growth(
    Keys("device", "sensorReadingTime"),
    {"step_trainer_landing": Keys("device", "sensorReadingTime")},
    ("customer_landing", "customer_quarantine", "customer_trusted", "customer_curated"),
    open_devices,
    by="device",
)
OF_PAIRS = Growth(
    Keys("customer_key", "sensorReadingTime"),
    {
        "step_trainer_trusted": Keys("device", "sensorReadingTime"),
        "accelerometer_trusted": Keys("person", "timestamp"),
    },
    ("customer_curated",),
    owners_of_devices,
)
