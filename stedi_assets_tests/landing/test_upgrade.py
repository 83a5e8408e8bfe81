"""A lake of an earlier version: refused by a run, upgraded table by table, and then as if it were new."""

import json
import shutil
from pathlib import Path

import boto3
import pytest
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.types import StringType
from typer.testing import CliRunner

from stedi_assets import cli
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.errors import StediError
from stedi_assets.lake.evolution import SchemaError
from stedi_assets.landing import ledger
from stedi_assets.landing import upgrade as upgrades
from stedi_assets.landing.upgrade import UpgradeError, upgrade
from stedi_assets.privacy.erasure import survey
from stedi_assets_tests.builders.earlier_lake import EARLIER_COLUMNS, earlier, make_earlier
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.graph import Graph, KeptLake
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL, SERIAL_2, T0, customer, reading
from stedi_assets_tests.builders.three_people import VIC, deliver_three_people
from stedi_assets_tests.shares import share

UPGRADED = [name for name in EARLIER_COLUMNS if name.endswith(("_landing", "_quarantine"))]
REFRESHED = [name for name in EARLIER_COLUMNS if name not in UPGRADED]


def made(lake: Path, engine) -> Graph:
    """A lake of this version, with odd spellings, broken records, and rows of a file that is gone."""
    deliver_three_people(lake)
    odd = customer(f" {ANN.upper()}\u00a0", updated=T0 + 1, serial=SERIAL.upper())
    withdrawal = f'{{"email": "{BOB}", "serialNumber": "{SERIAL_2}", "lastUpdateDate": {T0}, "phone": []}}'
    deliver(lake, "customer", lines(odd, b"noise", withdrawal.encode()), "2.json")
    gone = deliver(lake, "accelerometer", [reading(ANN, T0 + 9), reading(VIC, T0 + 9)], "gone.json")
    graph = Graph(str(lake), engine)
    graph.run()
    gone.unlink()
    graph.run()
    return graph


@pytest.fixture(scope="module")
def fresh(sail_engine, tmp_path_factory) -> Graph:
    """A lake that this version alone has written."""
    return made(tmp_path_factory.mktemp("fresh") / "lake", sail_engine)


@pytest.fixture(scope="module")
def kept(sail_engine, tmp_path_factory) -> KeptLake:
    """The same lake as an earlier version left it."""
    graph = made(tmp_path_factory.mktemp("earlier") / "lake", sail_engine)
    make_earlier(graph)
    return KeptLake(graph)


@pytest.fixture
def graph(kept) -> Graph:
    return kept.graph()


def content(graph: Graph, name: str) -> list[str]:
    """The rows of a table, but for when and by which run they were read."""
    passing = ("ingested_at", "run_id", "missing_since", "identity")
    rows = graph.table(name)
    return sorted(
        repr({column: value for column, value in row.items() if column not in passing}) for row in rows
    )


def test_a_run_asks_for_the_upgrade_and_changes_nothing(graph):
    before = graph.snapshots()
    result = graph.run(ok=False)
    assert not result.success
    messages = [
        event.event_specific_data.error.to_string() for event in result.all_events if event.is_step_failure
    ]
    assert any(
        "customer_landing was made by an earlier version of stedi-assets and lacks columns (person, device): run "
        "`stedi upgrade`" in message
        for message in messages
    )
    assert graph.snapshots() == before


def test_a_command_that_needs_the_columns_asks_for_the_upgrade(graph):
    with pytest.raises(SchemaError, match="run `stedi upgrade`"):
        survey(graph.lake, graph.settings, [ANN])


def test_a_step_whose_input_is_of_an_earlier_version_asks_for_that_input(graph):
    upgrade(graph.lake)
    before = graph.snapshots()
    result = graph.run("accelerometer_trusted", ok=False)
    failures = [
        event.event_specific_data.error.to_string() for event in result.all_events if event.is_step_failure
    ]
    assert "customer_trusted was made by an earlier version" in failures[0]
    assert "materialize it first" in failures[0]
    assert graph.snapshots() == before


def test_after_the_upgrade_rows_are_as_a_fresh_lake_has_them(graph, fresh):
    lake = graph.lake
    trusted = graph.snapshots()["customer_trusted"]
    assert upgrade(lake) == {name: len(fresh.table(name)) for name in UPGRADED}
    for name in UPGRADED:
        assert content(graph, name) == content(fresh, name), name
        table = lake.find_table(name)
        assert [field.name for field in table.schema().fields] == [
            column.name for column in CONTRACTS[name].columns
        ]
    # Readers see what was published until the next run publishes it anew.
    assert graph.snapshots()["customer_trusted"] == trusted
    graph.run()
    for name in CONTRACTS:
        assert content(graph, name) == content(fresh, name), name


def test_each_table_changes_in_one_commit_and_agrees_with_the_ledger(graph):
    before = {name: graph.lake.find_table(name) for name in UPGRADED}
    upgrade(graph.lake)
    for name, table in before.items():
        now = graph.lake.find_table(name)
        assert now.metadata.metadata_log[-1].metadata_file == table.metadata_location
        # A reader amid the old snapshot goes on.
        assert table.scan().to_arrow().num_rows == now.scan().to_arrow().num_rows
        source = name.rpartition("_")[0]
        assert ledger.agrees_with(now, ledger.read_entries(graph.lake, source).values())


def test_the_next_run_reads_every_file_again_and_rows_of_files_that_are_gone_stay(graph):
    upgrade(graph.lake)
    before = content(graph, "accelerometer_landing")
    read_at = {row["source_file"]: row["ingested_at"] for row in graph.table("accelerometer_landing")}
    graph.run()
    read_again = {row["source_file"]: row["ingested_at"] for row in graph.table("accelerometer_landing")}
    assert content(graph, "accelerometer_landing") == before
    gone = "accelerometer/landing/gone.json"
    assert read_again[gone] == read_at[gone]
    assert all(at > read_at[file] for file, at in read_again.items() if file != gone)


def test_rows_that_an_earlier_version_wrote_after_an_upgrade_are_upgraded(graph, fresh):
    files = graph.lake.snapshot("customer_landing").files
    upgrade(graph.lake)
    table = graph.lake.find_table("customer_landing")
    with table.transaction() as transaction:
        transaction.delete(AlwaysTrue())
        transaction.add_files(list(files))
    assert {row["person"] for row in graph.table("customer_landing")} == {None}
    assert list(upgrade(graph.lake)) == ["customer_landing"]
    assert content(graph, "customer_landing") == content(fresh, "customer_landing")


def test_a_second_upgrade_does_nothing(graph):
    upgrade(graph.lake)
    before = graph.snapshots()
    assert upgrade(graph.lake) == {}
    assert graph.snapshots() == before


class FaultError(Exception):
    """What a test makes go wrong."""


@pytest.mark.parametrize("commits", share(range(1, 3 + len(UPGRADED)), 2, 5))
def test_after_a_kill_at_any_commit_the_next_attempt_finishes(graph, fresh, monkeypatch, commits):
    """The ledger is entered for each of three sources, then each table is published."""
    done = []

    def killed_at(function):
        def call(*arguments, **more):
            if len(done) == commits:
                raise FaultError
            done.append(function)
            return function(*arguments, **more)

        return call

    with monkeypatch.context() as faulty:
        faulty.setattr(ledger, "amend", killed_at(ledger.amend))
        faulty.setattr(upgrades, "publish", killed_at(upgrades.publish))
        with pytest.raises(FaultError):
            upgrade(graph.lake)
    upgrade(graph.lake)
    for name in UPGRADED:
        assert content(graph, name) == content(fresh, name), name
    assert {row["identity"] for row in graph.table("landing_files")} == {""}


def test_a_table_that_was_never_published_stays_so(graph):
    lake, contract = graph.lake, earlier("customer_landing")
    lake.catalog.drop_table((lake.database, contract.name))
    shutil.rmtree(Path(lake.uri, contract.folder))
    lake.ensure_table(contract)
    assert upgrade(lake)["customer_landing"] == 0
    assert lake.snapshot("customer_landing").snapshot_id is None
    assert "person" in lake.find_table("customer_landing").schema().column_names


def test_a_table_that_cannot_be_read_whole_stays_as_it_was(graph, monkeypatch):
    monkeypatch.setattr(upgrades, "read_batches", lambda *_: iter(()))
    with pytest.raises(UpgradeError, match=r"customer_landing: 0 of 4 rows could be read"):
        upgrade(graph.lake)
    assert "person" not in graph.lake.find_table("customer_landing").schema().column_names


def test_no_bounds_of_what_names_a_person_come_into_metadata(graph):
    upgrade(graph.lake)
    for name in filter(graph.table, UPGRADED):
        files = graph.lake.find_table(name).inspect.files().to_pylist()
        bounds = b"".join(
            value for file in files for kind in ("lower_bounds", "upper_bounds") for _, value in file[kind]
        )
        # The search finds what it looks for: paths of files are in there.
        assert b"/l" in bounds
        assert b"example.org" not in bounds
        assert SERIAL[:16].encode() not in bounds


def test_the_command_tells_what_it_upgraded(graph, monkeypatch):
    monkeypatch.setattr(cli.lake, "get_settings", lambda: graph.settings)
    result = CliRunner().invoke(cli.app, ["upgrade"])
    assert result.exit_code == 0
    assert ["customer_landing", "4"] in [line.split() for line in result.stdout.splitlines()]
    assert "the next run reads every raw file again" in " ".join(result.stdout.split())
    again = CliRunner().invoke(cli.app, ["upgrade"])
    assert "Nothing to upgrade" in again.stdout
    make_earlier(graph)
    as_json = CliRunner().invoke(cli.app, ["upgrade", "--json"])
    assert {"table": "customer_landing", "rows": 4} in json.loads(as_json.stdout)


@pytest.mark.prove
def test_a_lake_on_s3(sail_engine, new_lake, tmp_path):
    deliver_three_people(tmp_path)
    graph = Graph(new_lake(tmp_path), sail_engine)
    graph.run()
    before = {name: content(graph, name) for name in CONTRACTS}
    make_earlier(graph)
    assert not graph.run(ok=False).success
    upgrade(graph.lake)
    for name in UPGRADED:
        assert content(graph, name) == before[name], name
    graph.run()
    for name in CONTRACTS:
        assert content(graph, name) == before[name], name
    # By Glue's own list of columns Athena knows the new ones.
    described = boto3.client("glue").get_table(DatabaseName=graph.lake.database, Name="customer_trusted")
    columns = [column["Name"] for column in described["Table"]["StorageDescriptor"]["Columns"]]
    assert columns == [column.name for column in CONTRACTS["customer_trusted"].columns]


def test_a_lake_of_a_newer_version_is_refused(graph):
    upgrade(graph.lake)
    with graph.lake.find_table("customer_landing").update_schema() as update:
        update.add_column("newer", StringType())
    with pytest.raises(StediError, match=r"does not know \(newer\)"):
        upgrade(graph.lake)
