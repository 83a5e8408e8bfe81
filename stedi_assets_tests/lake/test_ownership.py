"""Tables of other lakes in the catalog: nothing reads, writes or deletes them, and the message says whose they are."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.io.fsspec import FsspecFileIO
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.utils.config import Config

from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.lake import Lake
from stedi_assets.lake.maintenance import erase_history, retain
from stedi_assets.settings import Settings
from stedi_assets_tests.builders.graph import Graph, failures
from stedi_assets_tests.builders.one_table import CONTRACT, generations, publish

NOW = timedelta(0)


def lake_at(uri: Path | str, **settings: str) -> Lake:
    return Lake(Settings(lake_uri=str(uri), pseudonym_key="0123456789abcdef", **settings))


@pytest.fixture
def original(tmp_path) -> Lake:
    """A lake in a folder, with a table that was published three times."""
    lake = lake_at(tmp_path / "original")
    for generation in range(3):
        publish(lake, generation)
    return lake


def contents(lake: Lake) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(lake.uri).rglob("*") if path.is_file()}


def refused(lake: Lake) -> str:
    """What is said, always the same, to whoever reads, publishes, expires or erases the table."""
    said = set()
    for act in (
        lambda: lake.find_table(CONTRACT.name),
        lambda: lake.ensure_table(CONTRACT),
        lambda: lake.snapshot(CONTRACT.name),
        lambda: publish(lake, 9),
        lambda: retain(lake, CONTRACT.name, keep=NOW, grace=NOW),
        lambda: erase_history(lake, CONTRACT.name),
    ):
        with pytest.raises(LakeError) as raised:
            act()
        said.add(str(raised.value))
    [message] = said
    return message


class TestInAFolder:
    """The catalog is a file of the lake, and goes wherever the folder goes."""

    def test_a_copy_leaves_the_original_alone(self, original, tmp_path):
        shutil.copytree(original.uri, tmp_path / "copy")
        copy, before = lake_at(tmp_path / "copy"), contents(original)
        message = refused(copy)
        assert f"a table of the lake {original.uri}, and the catalog is the one of {copy.uri}" in message
        assert "`stedi relocate`" in message
        assert contents(original) == before
        assert generations(original) == [2, 2, 2]

    @pytest.mark.timeout(60)
    def test_a_run_on_a_moved_lake_fails_with_one_sentence(self, three_people, tmp_path):
        shutil.copytree(three_people.lake_uri, tmp_path / "moved")
        shutil.rmtree(three_people.lake_uri)
        told = failures(Graph(str(tmp_path / "moved"), three_people.engine).run(ok=False))
        assert told
        for message in told:
            assert f"a table of the lake {three_people.lake_uri}" in message
            assert "run `stedi relocate`" in message

    def test_a_folder_of_another_table_is_not_the_tables_own(self, original):
        # As it is where somebody registers the metadata of one table under the name of another.
        table = original.find_table(CONTRACT.name)
        original.catalog.register_table((original.database, "customer_trusted"), table.metadata_location)
        with pytest.raises(LakeError, match=r"customer_trusted is at file://.*/accelerometer/trusted"):
            original.find_table("customer_trusted")

    def test_a_lake_under_another_spelling_of_its_address_is_the_same(self, original, tmp_path):
        (tmp_path / "link").symlink_to(original.uri)
        assert generations(lake_at(f"file://{tmp_path}/link/../link/")) == [2, 2, 2]

    def test_a_catalog_that_was_lost_is_not_made_anew_over_its_tables(self, original):
        Path(original.uri, "catalog.db").unlink()
        before = contents(original)
        with pytest.raises(LakeError, match=r"the catalog has no accelerometer_trusted.*restore the catalog"):
            lake_at(original.uri).ensure_table(CONTRACT)
        assert before.items() <= contents(original).items()

    def test_two_databases_do_not_share_a_folder(self, original):
        with pytest.raises(LakeError, match="set STEDI_DATABASE as it was"):
            publish(lake_at(original.uri, database="other_db"), 3)
        assert generations(original) == [2, 2, 2]

    def test_what_a_run_left_that_was_killed_amid_making_a_table_is_no_table(self, tmp_path):
        lake = lake_at(tmp_path)
        metadata = Path(lake.uri, CONTRACT.folder, "metadata")
        metadata.mkdir(parents=True)
        (metadata / "00000-9362fd4a-ded6-4f20-991f-9c39b237999a.metadata.json").write_text("{}")
        publish(lake, 1)
        assert generations(lake) == [1, 1, 1]

    @pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"junk" * 100])
    def test_a_damaged_catalog_is_named(self, original, content):
        Path(original.uri, "catalog.db").write_bytes(content)
        with pytest.raises(LakeError, match=r"catalog.*restore") as raised:
            lake_at(original.uri).ensure_table(CONTRACT)
        assert "catalog" in str(raised.value)


class ServedCatalog(SqlCatalog):
    """Stands for a catalog that sends a table's metadata itself, as a REST server does."""

    def _convert_orm_to_iceberg(self, orm_table: IcebergTables) -> Table:
        location = orm_table.metadata_location
        metadata = FromInputFile.table_metadata(FsspecFileIO({}).new_input(location))
        identifier = (orm_table.table_namespace, orm_table.table_name)
        return Table(identifier, metadata, location, self._load_file_io(location=location), self)


class TestWithACatalogOfTheUsersOwn:
    """Two lakes, and one catalog that PyIceberg's own configuration describes."""

    @pytest.fixture(
        params=["sql", "served"],
    )
    def lakes(self, request, tmp_path, monkeypatch) -> tuple[Lake, Lake]:
        configuration = {
            "sql": {"TYPE": "sql"},
            "served": {"PY-CATALOG-IMPL": f"{__name__}.ServedCatalog"},
        }[request.param]
        for name, value in (configuration | {"URI": f"sqlite:///{tmp_path}/catalog.db"}).items():
            monkeypatch.setenv(f"PYICEBERG_CATALOG__STEDI__{name}", value)
        # PyIceberg reads its configuration when it is imported.
        monkeypatch.setattr("pyiceberg.catalog._ENV_CONFIG", Config())
        return lake_at(tmp_path / "dev"), lake_at(tmp_path / "prod")

    def test_a_table_belongs_to_the_lake_that_made_it(self, lakes):
        dev, prod = lakes
        publish(prod, 1)
        publish(prod, 2)
        before = contents(prod)
        message = refused(dev)
        assert f"in the database stedi_db is a table of the lake {prod.uri}" in message
        assert f"STEDI_LAKE_URI is {dev.uri}: set STEDI_DATABASE" in message
        assert contents(prod) == before
        assert generations(prod) == [2, 2, 2]


class TestOnS3:
    """Lakes in buckets, which share the databases of Glue."""

    @pytest.fixture
    def lakes(self, new_lake, tmp_path) -> tuple[Lake, Lake]:
        return lake_at(new_lake(tmp_path)), lake_at(new_lake(tmp_path))

    def hand_made(self, name: str, **entry: object) -> None:
        boto3.client("glue").create_table(DatabaseName="stedi_db", TableInput={"Name": name, **entry})

    def test_two_buckets_with_one_database_do_not_touch_each_other(self, lakes):
        dev, prod = lakes
        publish(prod, 1)
        publish(prod, 2)
        before = prod.list_files(prod.uri)
        message = refused(dev)
        assert f"accelerometer_trusted in the database stedi_db is a table of the lake {prod.uri}" in message
        assert "set STEDI_DATABASE to a database of this lake's own" in message
        assert prod.list_files(prod.uri) == before
        assert generations(prod) == [2, 2, 2]
        assert dev.list_files(dev.uri) == []

    def test_each_may_have_a_database(self, lakes):
        dev, prod = lakes
        publish(prod, 1)
        other = lake_at(dev.uri, database="dev_db")
        publish(other, 2)
        assert (generations(prod), generations(other)) == ([1, 1, 1], [2, 2, 2])

    @pytest.mark.parametrize(
        "entry",
        [
            {},
            {"Parameters": {}},
            {"Parameters": {"classification": "json"}, "TableType": "EXTERNAL_TABLE"},
            {"Parameters": {"table_type": "DELTA"}},
            {"Parameters": {"table_type": "ICEBERG"}},
        ],
    )
    def test_a_table_made_by_hand_is_told_of_in_one_sentence(self, lakes, entry):
        lake, _ = lakes
        lake.catalog.create_namespace_if_not_exists(lake.database)
        self.hand_made(CONTRACT.name, **entry)
        message = refused(lake)
        assert message.startswith("accelerometer_trusted in the database stedi_db is no Iceberg table")
        assert "rename or delete it" in message

    def test_a_foreign_or_broken_table_harms_no_other(self, lakes):
        dev, prod = lakes
        publish(prod, 1)
        prod.catalog.create_table((prod.database, "of_prod"), CONTRACT.arrow_schema, f"{prod.uri}/of_prod")
        dev.catalog.create_table((dev.database, "of_dev"), CONTRACT.arrow_schema, f"{dev.uri}/of_dev")
        self.hand_made("by_hand", Parameters={"classification": "json"})
        assert prod.table_names() == ["accelerometer_trusted", "of_dev", "of_prod"]
        assert prod.find_table("of_prod") is not None
        assert prod.snapshot(CONTRACT.name).rows == 3
        for lake, name in ((prod, "of_dev"), (dev, "of_prod"), (prod, "by_hand")):
            with pytest.raises(LakeError, match=name):
                lake.find_table(name)


def test_names_are_listed_of_tables_that_cannot_be_loaded(original):
    publish(original, 3)
    for metadata in Path(original.uri, CONTRACT.folder, "metadata").glob("*.json"):
        metadata.unlink()
    assert original.table_names() == [CONTRACT.name]


def test_another_program_can_still_load_the_tables(original):
    """With PyIceberg's own file layer, and no setting of ours."""
    catalog = load_catalog("stedi", type="sql", uri=f"sqlite:///{original.uri}/catalog.db")
    assert catalog.load_table(f"stedi_db.{CONTRACT.name}").scan().to_arrow().num_rows == 3
    assert "stedi.lake" not in original.find_table(CONTRACT.name).properties
    assert os.environ.get("STEDI_LAKE_URI") is None
