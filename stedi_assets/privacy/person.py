"""Whose records are whose: what identifies a person, and which rows of any table and which raw texts are theirs.

How such rows are erased belongs in ``erasure``.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import polars as pl

from stedi_assets.lake.snapshot import require_files, snapshot_of
from stedi_assets.privacy.pseudonym import pseudonym_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings

# An address ends where no address goes on: joann@example.org is not ann@example.org.
_BEFORE = r"(?<![a-z0-9._%+\-])"
_BEHIND = r"(?![a-z0-9\-]|\.[a-z0-9])"
_ADDRESS = re.compile(r"""[^\s"',:;<>(){}\[\]\\]+@[^\s"',:;<>(){}\[\]\\]+""")
# As JSON writes characters, and as quarantine writes bytes that are not UTF-8.
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x[0-9a-f]{2}|(.))", re.DOTALL)


@dataclass(frozen=True, repr=False)
class Person:
    """What identifies a person in the lake; none of it belongs in a log.

    Attributes:
        email: E-mail, trimmed, in lower case.
        names: Names under which the person is registered.
        devices: Serial numbers of devices that nobody else is registered with.
        shared_devices: Those of devices that others are registered with too.
        customer_key: The person's pseudonym under the key in force; None where no table has pseudonyms.
    """

    email: str
    names: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    shared_devices: frozenset[str] = frozenset()
    customer_key: str | None = None

    def rows_of(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The person's rows of any table of the lake, told by its columns.

        A reading of a shared device is nobody's in particular: it may be another owner's.
        """
        if "email" in frame.columns:
            return frame.filter(normalised("email") == self.email)
        if "user" in frame.columns:
            return frame.filter(normalised("user") == self.email)
        if "customer_key" in frame.columns:
            return frame.filter(pl.col("customer_key") == pl.lit(self.customer_key, pl.String))
        if "raw_text" in frame.columns:
            return frame.filter(pl.Series([self.is_in(text) for text in frame["raw_text"]], dtype=pl.Boolean))
        if "serialNumber" in frame.columns:
            return frame.filter(pl.col("serialNumber").is_in(list(self.devices)))
        return frame.clear()

    def is_in(self, raw_text: str) -> bool:
        """Whether a quarantined record is the person's.

        It is if it has the person's e-mail, or the name or a device while no other address says whose it is.
        """
        text = _ESCAPE.sub(_unescaped, raw_text).lower()
        if self._address.search(text):
            return True
        addresses = _ADDRESS.findall(text)
        if not all(self.email.startswith(found) or self.email.endswith(found) for found in addresses):
            return False
        return self._other_marks is not None and bool(self._other_marks.search(text))

    @property
    def marks(self) -> list[str]:
        """Texts that are in no file but for the person, in lower case."""
        return [mark.lower() for mark in (self.email, self.customer_key, *self.devices) if mark]

    @cached_property
    def _address(self) -> re.Pattern[str]:
        return address_pattern(self.email)

    @cached_property
    def _other_marks(self) -> re.Pattern[str] | None:
        marks = [re.escape(mark.lower()) for mark in (*self.names, *self.devices) if mark.strip()]
        return re.compile(rf"(?<!\w)(?:{'|'.join(marks)})(?!\w)") if marks else None


def identify(lake: Lake, settings: Settings, email: str) -> Person:
    """Find what else identifies the person with an e-mail, as the customer records say now."""
    who = email.strip().lower()
    columns = ("email", "customerName", "serialNumber")
    names: set[str] = set()
    devices: set[str] = set()
    for batch in rows(lake, "customer_landing", columns):
        own = batch.filter(normalised("email") == who)
        names.update(own["customerName"].drop_nulls().str.strip_chars())
        devices.update(own["serialNumber"].drop_nulls())
    shared: set[str] = set()
    for batch in rows(lake, "customer_landing", columns):
        others = batch.filter(normalised("email") != who, pl.col("serialNumber").is_in(list(devices)))
        shared.update(others["serialNumber"])
    has_pseudonyms = lake.find_table("machine_learning_curated") is not None
    key = hmac.new(pseudonym_key(settings), who.encode(), hashlib.sha256) if has_pseudonyms else None
    return Person(
        who,
        frozenset(names),
        frozenset(devices - shared),
        frozenset(shared),
        key.hexdigest() if key else None,
    )


def rows(lake: Lake, table: str, columns: Iterable[str] = ("*",)) -> Iterator[pl.DataFrame]:
    """The rows of a table's current snapshot, batch by batch; none if it was never published.

    Raises:
        LakeError: A data file is missing or damaged.
    """
    loaded = lake.find_table(table)
    if loaded is None or loaded.current_snapshot() is None:
        return
    require_files(lake, table, snapshot_of(loaded))
    for batch in loaded.scan(selected_fields=tuple(columns)).to_arrow_batch_reader():
        yield pl.DataFrame(pl.from_arrow(batch))


def address_pattern(email: str) -> re.Pattern[str]:
    """What finds an e-mail in text in lower case, and no longer address that contains it."""
    return re.compile(_BEFORE + re.escape(email) + _BEHIND)


def normalised(column: str) -> pl.Expr:
    """E-mails as they are matched: trimmed, in lower case."""
    return pl.col(column).str.strip_chars().str.to_lowercase()


def _unescaped(escape: re.Match[str]) -> str:
    if escape[1]:
        return chr(int(escape[1], 16))
    # Any other escape but of a quote, a slash or a backslash stands for a character that no address has.
    return escape[2] if escape[2] in ("/", '"', "\\") else "\ufffd"
