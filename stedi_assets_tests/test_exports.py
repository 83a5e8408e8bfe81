"""The committed exports are what the contracts give, and say all that a contract says."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import sqlglot
from sqlglot import exp

from stedi_assets.contracts.contract import Column, Contract
from stedi_assets.contracts.ddl import athena_ddl
from stedi_assets.contracts.docs import CONDITIONS
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.predicates import SUPPORTED_CHECKS
from stedi_assets.exports import exports, made_from, main, sample_counts
from stedi_assets.lake.iceberg import iceberg_schema
from stedi_assets.records.source import REASONS, REPAIRS
from stedi_assets.settings import Settings
from stedi_assets.sources import SOURCES

SVG = "{http://www.w3.org/2000/svg}"
REPOSITORY = Path(__file__).parents[1]
ATHENA_TYPES = {"string": "STRING", "long": "BIGINT", "double": "DOUBLE", "list<string>": "ARRAY<STRING>"}


@pytest.mark.parametrize("path", exports())
def test_committed_files_are_up_to_date(path):
    assert (REPOSITORY / path).read_text() == exports()[path], "stale: run make docs"


def test_there_is_ddl_for_every_table_and_no_other():
    committed = {path.stem for path in (REPOSITORY / "sql/ddl").glob("*.sql")}
    assert committed == {*CONTRACTS, "raw_landing"}


def test_make_docs_writes_the_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main()
    written = {
        str(path.relative_to(tmp_path)): path.read_text() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert written == exports()


def parsed(ddl: str) -> exp.Create:
    """One statement of Athena DDL."""
    (statement,) = sqlglot.parse(ddl, read="athena")
    assert isinstance(statement, exp.Create)
    return statement


@pytest.mark.parametrize("name", CONTRACTS)
def test_ddl_declares_the_table_as_iceberg_has_it(name):
    contract = CONTRACTS[name]
    statement = parsed(athena_ddl(contract, "some_db"))
    declared = [
        (
            column.name,
            column.kind.sql("hive"),
            column.find(exp.CommentColumnConstraint).this.this,
        )
        for column in statement.find_all(exp.ColumnDef)
    ]
    assert declared == [
        (field.name, ATHENA_TYPES[str(field.field_type)], field.doc)
        for field in iceberg_schema(contract).fields
    ]
    assert statement.find(exp.Table).sql() == f"some_db.{name}"
    assert statement.find(exp.LocationProperty).this.this == f"${{LAKE_URI}}/{contract.folder}"
    properties = {
        item.this.this: item.args["value"].this
        for item in statement.find_all(exp.Property)
        if isinstance(item.this, exp.Literal) and "value" in item.args
    }
    assert properties["table_type"] == "ICEBERG"


def test_ddl_quotes_what_a_description_holds():
    description = r"A phone's C:\path; -- no comment"
    column = Column("name", "string", nullable=True, description=description, privacy="none")
    contract = Contract("table", "some/table", "Rows.", (column,), (), (), "SELECT 1", model=None)
    statement = parsed(athena_ddl(contract, "some_db"))
    assert statement.find(exp.CommentColumnConstraint).this.this == description


def section(name: str) -> str:
    """The part of the page about one table."""
    page = exports()["docs/tables.md"]
    return page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def cells(text: str, first: str) -> list[str]:
    """The table row that begins with a name."""
    (row,) = [line for line in text.splitlines() if line.startswith(f"| `{first}` |")]
    return [cell.strip().replace("\\|", "|") for cell in row.replace("\\|", "\0").strip("|").split("|")]


@pytest.mark.parametrize("name", CONTRACTS)
def test_the_page_says_all_of_a_table(name):
    contract, text = CONTRACTS[name], section(name)
    assert contract.description in text
    for column in contract.columns:
        assert cells(text, column.name) == [
            f"`{column.name}`",
            f"`{column.type}`",
            "yes" if column.nullable else "no",
            column.privacy,
            column.description,
        ]
    for rule in contract.rules:
        row = cells(text, rule.name)
        assert (row[1], row[3], row[4]) == (f"`{rule.rule.column}`", rule.severity, rule.reason)
    (key,) = [line for line in text.splitlines() if line.startswith("- Key: ")]
    assert (
        key == f"- Key: {', '.join(f'`{column}`' for column in contract.key) or 'none; equal rows are right'}"
    )


def test_the_page_says_what_a_rule_asks():
    assert cells(section("machine_learning_curated"), "distance_positive")[2] == "above 0"
    assert cells(section("accelerometer_landing"), "physical_x")[2] == "from -1000.0 to 1000.0"
    assert (
        cells(section("landing_files"), "known_source")[2] == "one of customer, accelerometer, step_trainer"
    )
    assert set(CONDITIONS) == SUPPORTED_CHECKS


def test_the_page_of_settings_says_all_of_every_variable():
    page = exports()["docs/settings.md"].partition("\n## ")[0]
    for name, field in Settings.model_fields.items():
        _, _, default, meaning = cells(page, f"STEDI_{name.upper()}")
        assert default == ("none" if field.default is None else f"`{str(field.default).lower()}`")
        assert meaning == field.description
    kinds = {
        name: cells(page, f"STEDI_{name}")[1] for name in ("ML_MATCH", "RETENTION_DAYS", "PSEUDONYM_KEY")
    }
    assert kinds == {
        "ML_MATCH": "`person` or `timestamp`",
        "RETENTION_DAYS": "whole number, 0 or more",
        "PSEUDONYM_KEY": "secret text of 16 characters or more",
    }


def test_the_page_lists_reasons_and_repairs():
    page = exports()["docs/tables.md"]
    for name, meaning in {**REASONS, **REPAIRS}.items():
        assert f"| `{name}` | {meaning} |" in page


def test_the_page_shows_how_tables_come_from_each_other():
    assert made_from()["machine_learning_curated"] == [
        "accelerometer_trusted",
        "customer_curated",
        "step_trainer_trusted",
    ]
    assert "- Made from: `customer_trusted`, `accelerometer_trusted`\n" in section("customer_curated")


def test_the_picture_has_every_table_with_its_rows_and_an_arrow_for_every_input():
    picture = ET.fromstring(exports()["docs/images/flow.svg"])
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    rows = {table: rows for table, rows in sample_counts().items() if table in CONTRACTS}
    assert set(rows) == set(CONTRACTS) - {"landing_files"}
    assert not set(rows.values()) - set(texts)
    assert "machine_learning_curated" in texts
    arrows = [path for path in picture.iter(f"{SVG}path") if path.get("marker-end")]
    from_files = 2 * len(SOURCES)
    assert len(arrows) == from_files + sum(map(len, made_from().values()))
