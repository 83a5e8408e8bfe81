"""The DDL of the raw landing files names every field of the sources, where they lie."""

import pytest
import sqlglot.expressions as exp

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import ADDED
from stedi_assets.landing.files import landing_folder
from stedi_assets.sources import SOURCES
from stedi_assets_tests.sql.conftest import statements

FILE = "ddl/raw_landing.sql"


def test_there_is_a_table_for_each_source():
    assert list(statements(FILE)) == [f"{source}_raw" for source in SOURCES]


@pytest.mark.parametrize("source", SOURCES)
def test_fields_are_those_that_the_source_delivers(source: str):
    table = statements(FILE)[f"{source}_raw"]
    assert table.find(exp.Table).name == f"{source}_raw"
    found = {column.name: column.args["kind"].sql("hive").lower() for column in table.find_all(exp.ColumnDef)}
    delivered = [column for column in CONTRACTS[f"{source}_landing"].columns if column.name not in ADDED]
    assert list(found) == [column.name for column in delivered]
    for column in delivered:
        # Customers' dates have been delivered as floats.
        float_date = source == "customer" and column.type == "bigint"
        assert found[column.name] == ("double" if float_date else column.type)


@pytest.mark.parametrize("source", SOURCES)
def test_tables_are_external_and_lie_in_the_landing_folders(source: str):
    table = statements(FILE)[f"{source}_raw"]
    assert table.find(exp.ExternalProperty)
    assert table.find(exp.LocationProperty).this.name == f"${{LAKE_URI}}/{landing_folder(source)}"


@pytest.mark.parametrize("source", SOURCES)
def test_one_broken_line_does_not_fail_a_query(source: str):
    written = statements(FILE)[f"{source}_raw"].sql("athena")
    assert "'org.openx.data.jsonserde.JsonSerDe'" in written
    assert "'ignore.malformed.json'='true'" in written.replace(" ", "")
