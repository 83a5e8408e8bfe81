"""The secret under which people appear in ``machine_learning_curated``: where it comes from, where it is kept.

How a pseudonym is made of it belongs in ``transforms.pseudonym``.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.publication import RUN_ID, Staged, publish
from stedi_assets.lake.snapshot import snapshot_of
from stedi_assets.settings import SettingsError

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings

# Key of a snapshot's summary that names the pseudonym key of the snapshot's rows.
KEY_FINGERPRINT = "stedi.key-fingerprint"
_KEY_BYTES = 32
# As many as STEDI_PSEUDONYM_KEY has at least.
_FEWEST_BYTES = 16
# No e-mail address, so that no person has this text's pseudonym.
_FINGERPRINT_TEXT = b"fingerprint of the pseudonym key"
_FINGERPRINT_DIGITS = 16


def fingerprint(key: bytes) -> str:
    """Name a key without showing it: the same key has the same fingerprint, and nobody can compute the key from it.

    Returns:
        Sixteen hexadecimal digits of the HMAC-SHA-256 of a fixed text under the key.
    """
    return hmac.new(key, _FINGERPRINT_TEXT, hashlib.sha256).hexdigest()[:_FINGERPRINT_DIGITS]


def key_file(settings: Settings) -> Path:
    """Where a local lake's own key is kept: beside the lake, since who has the lake must not have the key."""
    return Path(settings.lake_uri).parent / ".stedi" / "pseudonym.key"


def pseudonym_key(settings: Settings) -> bytes:
    """The key: ``STEDI_PSEUDONYM_KEY`` or, in a folder lake, a random one that is made once and kept.

    Raises:
        SettingsError: The lake is on S3, where others share it, and there is no key; or the file of the key is damaged.
    """
    if (key := existing_key(settings)) is not None:
        return key
    if settings.on_s3:
        raise SettingsError(
            "STEDI_PSEUDONYM_KEY: a lake on S3 needs a key for pseudonyms that all who run it share; set it to at "
            "least 16 secret characters, such as the output of: openssl rand -hex 32"
        )
    path = key_file(settings)
    _keep_new_key(path)
    return _read_key(path)


def existing_key(settings: Settings) -> bytes | None:
    """The key, if there is one; none is made.

    Raises:
        SettingsError: The file of the key is damaged.
    """
    if settings.pseudonym_key is not None:
        return settings.pseudonym_key.get_secret_value().encode()
    if settings.on_s3 or not key_file(settings).exists():
        return None
    return _read_key(key_file(settings))


def published_key(table: Table, settings: Settings) -> bytes:
    """The key that the published pseudonyms of a table were made with, if the settings have it; no key is made.

    Raises:
        SettingsError: The settings have no key, or another one: nobody can be found by it.
    """
    current = table.current_snapshot()
    recorded = (
        current.summary.additional_properties.get(KEY_FINGERPRINT) if current and current.summary else None
    )
    key = existing_key(settings)
    if key is None or recorded not in (None, fingerprint(key)):
        raise SettingsError(
            f"STEDI_PSEUDONYM_KEY: the pseudonyms of {table.name()[-1]} were made with another key, by which alone a "
            "person is found there; set that key, or bring back its file .stedi/pseudonym.key beside the lake; to go "
            "over to a new key, run `stedi rotate-key` first"
        )
    return key


def require_published_key(table: Table, settings: Settings) -> None:
    """Refuse another key than the key of the published pseudonyms: by accident, all people would get new ones.

    Raises:
        SettingsError: The settings have no key, or another one.
    """
    if snapshot_of(table).rows:
        published_key(table, settings)


def retire_pseudonyms(lake: Lake) -> int:
    """Take every row out of ``machine_learning_curated``, so that the next run may publish it under a new key.

    Returns:
        The number of rows that went.

    Raises:
        PublishConflictError: A run published the table at the same moment.
    """
    contract = CONTRACTS["machine_learning_curated"]
    table = lake.find_table(contract.name)
    rows = 0 if table is None else snapshot_of(table).rows
    if table is not None and rows:
        publish(lake, Staged(contract, table, folder="", files=()), {RUN_ID: f"rotate-key-{uuid.uuid4()}"})
    return rows


def _read_key(path: Path) -> bytes:
    key = path.read_bytes()
    if len(key) < _FEWEST_BYTES:
        # With an empty key, whoever has a list of addresses can tell who is who.
        raise SettingsError(
            f"{path}: the file is no whole key; restore it, or delete it for a new key and new pseudonyms"
        )
    return key


def _keep_new_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent) as file:  # readable by its owner alone
        file.write(secrets.token_hex(_KEY_BYTES))
        file.flush()
        try:
            # Whole or not at all, and never over the key of a process that was first.
            os.link(file.name, path)
        except FileExistsError:
            return
    logging.getLogger(__name__).warning(
        "STEDI_PSEUDONYM_KEY is not set: made a random key and kept it in %s; keep it, or customer_key changes",
        path,
    )
