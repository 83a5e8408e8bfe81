"""What others deliver, as the assets with which the graph begins: one landing folder a source.

Dagster materializes none of them. Runs and the sensor observe them, from listings that they make anyway; see
https://docs.dagster.io/guides/build/assets/external-assets.
"""

from typing import Any

import dagster as dg

from stedi_assets.assets.metadata import OWNERS
from stedi_assets.landing.files import Listing, landing_folder
from stedi_assets.sources import DELIVERED
from stedi_assets.text import megabytes


def files_of(source: str) -> dg.AssetKey:
    """The key of a source's landing files."""
    return dg.AssetKey(f"{source}_files")


def observation(source: str, listing: Listing) -> dg.AssetObservation:
    """What a listing shows of a source's landing files."""
    shown: dict[str, Any] = {
        "files": len(listing.files),
        "files_ignored": len(listing.ignored),
        "size_mb": megabytes(sum(file.size for file in listing.files)),
    }
    if listing.files:
        shown["newest_delivery"] = dg.MetadataValue.timestamp(listing.newest_first[0].modified)
    return dg.AssetObservation(files_of(source), metadata=shown)


folders = [
    dg.AssetSpec(
        files_of(source),
        description=(
            f"{delivered}, as delivered, in the lake's folder `{landing_folder(source)}`. The "
            "pipeline reads these files, and never changes them."
        ),
        group_name="files",
        kinds={"json", "csv"},
        owners=OWNERS,
    )
    for source, delivered in DELIVERED.items()
]
