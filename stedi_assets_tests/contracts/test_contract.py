"""What a pandera model becomes, and which models are refused."""

from typing import ClassVar

import pytest
from pandera.pyspark import Check, DataFrameModel, dataframe_check
from pyspark.sql import types as T

from stedi_assets.contracts.contract import ContractError, block, column, contract_of, warn
from stedi_assets.contracts.models import CONTRACTS


class Table(DataFrameModel):
    """Rows of
    a table."""

    name: T.StringType = column(description="A name.", privacy="direct identifier", nullable=True)
    size: T.LongType = column(
        block("greater_than", "size_positive", "Sizes are.", min_value=0),
        warn("in_range", "size_typical", "So far.", min_value=1, max_value=9, include_max=False),
        description="A size.",
    )

    class Config:
        name = "table"
        metadata: ClassVar = {"folder": "some/table", "query": "SELECT 1"}
        unique: ClassVar = ["name"]


def model_with(**fields):
    """A model of one or more columns, as `contract_of` is given it."""
    annotations = dict.fromkeys(fields, T.LongType)
    config = type("Config", (), {"name": "table", "metadata": {"folder": "some/table", "query": "SELECT 1"}})
    return type("Odd", (DataFrameModel,), {**fields, "Config": config, "__annotations__": annotations})


def test_a_contract_says_what_the_model_declares():
    contract = contract_of(Table)

    assert (contract.name, contract.folder, contract.description, contract.query) == (
        "table",
        "some/table",
        "Rows of a table.",
        "SELECT 1",
    )
    assert [(c.name, c.type, c.nullable, c.privacy) for c in contract.columns] == [
        ("name", "string", True, "direct identifier"),
        ("size", "bigint", False, "none"),
    ]
    assert contract.key == ("name",)
    assert [(r.name, r.rule.column, r.rule.check, r.severity, r.reason) for r in contract.rules] == [
        ("size_positive", "size", "greater_than", "block", "Sizes are."),
        ("size_typical", "size", "in_range", "warn", "So far."),
    ]


def test_a_table_says_who_may_read_it():
    readers = {name: contract.readers for name, contract in CONTRACTS.items()}
    assert readers["customer_landing"] == "the pipeline alone; it names people"
    assert readers["landing_files"] == "the pipeline alone; it names nobody"
    assert readers["customer_curated"] == "analysts and the pipeline; it names people"
    assert readers["machine_learning_curated"].startswith("data scientists, analysts and the pipeline; ")


@pytest.mark.parametrize("name", CONTRACTS)
def test_schemas_have_the_contracts_columns_in_order(name):
    contract = CONTRACTS[name]

    assert contract.name == name
    assert tuple(contract.spark_schema.names) == contract.column_names == tuple(contract.arrow_schema.names)
    assert [field.dataType.simpleString() for field in contract.spark_schema] == [
        c.type for c in contract.columns
    ]


def test_rule_names_are_unique_in_their_table():
    for contract in CONTRACTS.values():
        names = [rule.name for rule in contract.rules]
        assert sorted(set(names)) == sorted(names), contract.name


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (
            model_with(
                size=column(block("notin", "odd", "Why.", forbidden_values=[1]), description="A size.")
            ),
            "notin",
        ),
        (
            model_with(size=column(Check.gt(0, description="Why."), description="A size.")),
            "needs a name and a reason",
        ),
        (
            model_with(size=column(Check.gt(0, title="positive"), description="A size.")),
            "needs a name and a reason",
        ),
        (
            model_with(
                size=column(Check(lambda _: True, title="own", description="Why."), description="A size.")
            ),
            "cannot",
        ),
        (model_with(size=column(description="")), "Odd.size: a column needs a description"),
    ],
)
def test_what_the_audit_cannot_evaluate_is_refused(model, says):
    with pytest.raises(ContractError, match=says):
        contract_of(model)


def test_a_check_over_the_whole_frame_is_refused():
    class Whole(DataFrameModel):
        size: T.LongType = column(description="A size.")

        class Config:
            name = "table"
            metadata: ClassVar = {"folder": "some/table", "query": "SELECT 1"}

        @dataframe_check
        @classmethod
        def not_empty(cls, data):
            return data is not None

    with pytest.raises(ContractError, match="Whole: checks over whole frames"):
        contract_of(Whole)
