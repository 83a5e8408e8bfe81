"""What ``stedi doctor`` looks at in the lake: the place itself, its catalog, its tables, the key of its pseudonyms."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stedi_assets.cli.common import left_out
from stedi_assets.cli.finding import Finding
from stedi_assets.cli.output import size

if TYPE_CHECKING:
    from stedi_assets.lake.lake import Lake
    from stedi_assets.settings import Settings


def folder_or_bucket(settings: Settings, lake: Lake) -> Finding:
    """Whether the lake is there and can be read and written."""
    from stedi_assets.landing.files import landing_sizes

    if not settings.on_s3 and not Path(lake.uri).exists():
        return Finding("lake", "wrong", f"there is no folder {lake.uri}: correct STEDI_LAKE_URI or --lake")
    sizes = landing_sizes(lake)
    told = f"{lake.uri}{_reached_by(settings)}: {len(sizes):,} landing files, {size(sum(sizes.values()))}"
    if not settings.on_s3 and not os.access(lake.uri, os.W_OK):
        return Finding("lake", "warning", f"{told}; it cannot be written: queries work, runs need to write")
    if not sizes:
        return Finding("lake", "warning", f"{told}: bring some with `stedi upload`")
    return Finding("lake", "ok", told)


def _reached_by(settings: Settings) -> str:
    """The region and the source of the credentials of a bucket; the credentials themselves are never shown."""
    if not settings.on_s3:
        return ""
    import boto3

    from stedi_assets import aws

    credentials = boto3.Session().get_credentials()
    return f" (region {aws.region()}, credentials from {credentials.method if credentials else 'nowhere'})"


def catalog(settings: Settings, lake: Lake) -> Finding:
    """Whether the catalog answers."""
    names = lake.table_names()
    if not names:
        return Finding(
            "catalog", "warning", f"no tables in {settings.database} yet: make them with `stedi run`"
        )
    return Finding("catalog", "ok", f"{len(names)} tables in the database {settings.database}")


def tables(settings: Settings, lake: Lake) -> Finding:  # noqa: ARG001 - as all examinations
    """Whether every table is the lake's own, with all its files."""
    from stedi_assets.lake.readable import readable_tables

    found = readable_tables(lake, lake.table_names())
    if found.unreadable:
        return Finding("tables", "wrong", left_out(found))
    total = sum(snapshot.bytes for _, snapshot in found.snapshots.values())
    return Finding(
        "tables", "ok", f"{len(found.snapshots)} published, this lake's own, every file there ({size(total)})"
    )


def key(settings: Settings, lake: Lake) -> Finding:
    """Whether the key is that of the published pseudonyms."""
    from stedi_assets.lake.snapshot import snapshot_of
    from stedi_assets.privacy.pseudonym import existing_key, fingerprint, published_key

    table = lake.find_table("machine_learning_curated")
    if table is not None and snapshot_of(table).rows:
        of_pseudonyms = fingerprint(published_key(table, settings))
        return Finding("key", "ok", f"the published pseudonyms' own (fingerprint {of_pseudonyms})")
    if (key := existing_key(settings)) is not None:
        return Finding(
            "key", "ok", f"set (fingerprint {fingerprint(key)}); nothing is published under a key yet"
        )
    if settings.on_s3:
        return Finding(
            "key", "wrong", "STEDI_PSEUDONYM_KEY is not set: set it, such as to: openssl rand -hex 32"
        )
    return Finding("key", "ok", "none yet: the first run makes one and keeps it beside the lake")
