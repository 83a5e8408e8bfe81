"""Avro files that were cut off at any byte."""

from pathlib import Path

import pytest

from stedi_assets.lake.avro import is_whole
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.one_table import CONTRACT, publish


@pytest.fixture(params=["list", "manifest"])
def file(request, tmp_path) -> Path:
    """A manifest, or a list of manifests."""
    lake = Lake(Settings(lake_uri=str(tmp_path)))
    publish(lake, 1)
    table = lake.find_table(CONTRACT.name)
    current = table.current_snapshot()
    [manifest] = current.manifests(table.io)
    return Path(lake.path(current.manifest_list if request.param == "list" else manifest.manifest_path))


def behind_header(content: bytes) -> int:
    """Where the header ends, with the marker that ends each block too."""
    return content.index(content[-16:]) + 16


def test_a_file_is_whole_with_all_its_blocks_alone(file):
    content = file.read_bytes()
    whole = {length for length in range(len(content) + 1) if is_whole(content[:length])}
    # Nothing in a file tells that a whole block behind the header is missing.
    assert whole == {behind_header(content), len(content)}
    for other in (
        b"junk" * 100,
        content + b"x",
        content[:-1] + b"x",
        b"\xff" * 50,
        b"Obj\x01" + b"\xff" * 50,
    ):
        assert not is_whole(other)


def test_a_table_with_a_file_that_is_cut_off_is_not_read(file, tmp_path):
    content = file.read_bytes()
    for length in {len(content) // 3, behind_header(content) + 5, len(content) - 1}:
        file.write_bytes(content[:length])
        with pytest.raises(LakeError, match=f"{file} is damaged, so that its table cannot be read"):
            Lake(Settings(lake_uri=str(tmp_path))).snapshot(CONTRACT.name)


def test_a_table_whose_file_has_lost_a_whole_block_is_not_an_empty_table(file, tmp_path):
    content = file.read_bytes()
    file.write_bytes(content[: behind_header(content)])
    with pytest.raises(
        LakeError, match="the snapshot has 3 rows, and its manifests name files of 0: restore"
    ):
        Lake(Settings(lake_uri=str(tmp_path))).snapshot(CONTRACT.name)
