"""A table's contract in neutral form, read from its pandera model.

The pandera model is the declaration; everything else (read schema, Iceberg schema, audit, quarantine rules,
Dagster metadata, DDL, documentation) is derived from the ``Contract`` made here. A check that cannot be
evaluated as one predicate is refused when the contract is made, so that no rule is skipped in silence. What
the tables must hold to is in ``models``; how it is evaluated, in ``audit``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyspark.sql.functions as F
from pandera.pyspark import Check, DataFrameModel, Field

from stedi_assets.contracts.predicates import SUPPORTED_CHECKS
from stedi_assets.errors import StediError
from stedi_assets.records.rules import COMPARISONS
from stedi_assets.records.source import Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pandera.api.pyspark.types import PysparkDataframeColumnObject
    from pyspark.sql.types import StructType

Privacy = Literal["direct identifier", "pseudonym", "none"]
Severity = Literal["block", "warn"]


class ContractError(StediError):
    """A model declares something that the audit cannot evaluate; the message names the model and the rule."""


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Name, spelled as the source spells it.
        type: Spark's short name: ``string``, ``bigint``, ``double`` or ``array<string>``.
        nullable: Whether a value may be absent.
        description: What it means, with its unit.
        privacy: Whether it names a person directly, by pseudonym, or not at all.
    """

    name: str
    type: str
    nullable: bool
    description: str
    privacy: Privacy


@dataclass(frozen=True)
class ValueRule:
    """A rule on the values of one column; absent values pass."""

    rule: Rule
    severity: Severity
    reason: str

    @property
    def name(self) -> str:
        """Name of the rule, unique in its table."""
        return self.rule.name


@dataclass(frozen=True)
class Contract:
    """What a table holds.

    Attributes:
        name: Table name in the catalog, also the asset's.
        folder: Folder of the table below the lake.
        description: What a row is.
        columns: The columns in order.
        key: Columns whose values no two rows share; empty where equal rows are right.
        rules: Value rules.
        query: A query to begin with, in SQL that DuckDB, Spark and Athena take.
        model: The pandera model that declares all this.
    """

    name: str
    folder: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[ValueRule, ...]
    query: str
    model: type[DataFrameModel] = field(repr=False, compare=False)

    @property
    def spark_schema(self) -> StructType:
        """The schema with which Spark reads the table."""
        return self.model.to_structtype()

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema with which Arrow reads the table."""
        types: dict[str, pa.DataType] = {
            "string": pa.string(),
            "bigint": pa.int64(),
            "double": pa.float64(),
            "array<string>": pa.list_(pa.string()),
        }
        return pa.schema([(column.name, types[column.type]) for column in self.columns])

    @property
    def has_pseudonyms(self) -> bool:
        """Whether people are in the table under a pseudonym."""
        return any(column.privacy == "pseudonym" for column in self.columns)

    @property
    def readers(self) -> str:
        """Who may read it, by the roles that ``deploy/cloudformation.yaml`` makes."""
        if self.has_pseudonyms:
            return "data scientists, analysts and the pipeline; people are in it under a pseudonym"
        names_people = any(column.privacy == "direct identifier" for column in self.columns)
        named = "it names people" if names_people else "it names nobody"
        if self.name.endswith(("_trusted", "_curated")):
            return f"analysts and the pipeline; {named}"
        return f"the pipeline alone; {named}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(column.name for column in self.columns)


def column(*rules: Check, description: str, privacy: Privacy = "none", nullable: bool = False) -> Any:  # noqa: ANN401 - pandera types a field as whatever its annotation says
    """Declare a column of a model; a rule comes from ``block`` or ``warn``."""
    declared = Field(nullable=nullable, description=description, metadata={"privacy": privacy})
    declared.checks.extend(rules)
    return declared


def block(check: str, name: str, reason: str, **arguments: object) -> Check:
    """Declare a rule that any valid record keeps: a record that breaks it is quarantined, a table refused.

    Args:
        check: Name of the check: one of ``SUPPORTED_CHECKS``.
        name: Name of the rule, unique in its table, under which it is reported.
        reason: Why it must hold.
        arguments: The arguments of the check.
    """
    return _made(check, arguments, title=name, description=reason)


def warn(check: str, name: str, reason: str, **arguments: object) -> Check:
    """Declare a rule that is merely typical: rows that break it are counted and shown; see ``block``."""
    return _made(check, arguments, title=name, description=reason, raise_warning=True)


def _made(check: str, arguments: Mapping[str, Any], **options: Any) -> Check:  # noqa: ANN401 - pandera's own
    """A check of pandera's, or ``zero_or_in_range``, which pandera lacks."""
    if check == "zero_or_in_range":
        # Statistics as pandera's own checks have them; and by these arguments it calls the function.
        return Check(
            _zero_or_in_range, name=check, error=check, statistics=dict(arguments), **arguments, **options
        )
    made: Check = getattr(Check, check)(**arguments, **options)
    return made


def _zero_or_in_range(data: PysparkDataframeColumnObject, min_value: int, max_value: int) -> bool:
    """Whether every value of a column is 0 or within an interval, as pandera itself evaluates it."""
    holds = COMPARISONS["zero_or_in_range"](F.col(data.column_name), min_value, max_value)
    return bool(data.dataframe.where(~holds).isEmpty())


def contract_of(model: type[DataFrameModel]) -> Contract:
    """Read the contract that a model declares.

    Raises:
        ContractError: The model has a check that is not in ``SUPPORTED_CHECKS``, one without name or reason, or a
            column without description.
    """
    schema = model.to_schema()
    types = {item.name: item.dataType.simpleString() for item in model.to_structtype()}
    if schema.checks:
        raise ContractError(
            f"{model.__name__}: checks over whole frames are not supported; use a column's rule"
        )
    columns: list[Column] = []
    rules: list[ValueRule] = []
    for name, declared in schema.columns.items():
        metadata: Mapping[str, Privacy] = declared.metadata or {}
        if not declared.description or "privacy" not in metadata:
            raise ContractError(f"{model.__name__}.{name}: a column needs a description and a privacy class")
        columns.append(
            Column(name, types[name], bool(declared.nullable), declared.description, metadata["privacy"])
        )
        rules.extend(_value_rule(model.__name__, name, check) for check in declared.checks)
    return Contract(
        name=str(schema.name),
        folder=_of_config(model, "folder"),
        description=" ".join((model.__doc__ or "").split()),
        columns=tuple(columns),
        key=tuple(schema.unique or ()),
        rules=tuple(rules),
        query=_of_config(model, "query"),
        model=model,
    )


def _of_config(model: type[DataFrameModel], name: str) -> str:
    # pandera's PySpark schema drops the metadata of the model's Config.
    metadata: Mapping[str, str] = model.Config.metadata or {}
    if name not in metadata:
        raise ContractError(f"{model.__name__}: a model needs the {name} of its table in Config.metadata")
    return metadata[name]


def _value_rule(model: str, column_name: str, check: Check) -> ValueRule:
    if check.name not in SUPPORTED_CHECKS:
        raise ContractError(
            f"{model}.{column_name}: the audit cannot evaluate the check {check.name!r}; "
            f"use one of {', '.join(sorted(SUPPORTED_CHECKS))}"
        )
    if not check.title or not check.description:
        raise ContractError(f"{model}.{column_name}: the check {check.name!r} needs a name and a reason")
    rule = Rule(check.title, column_name, check.name, tuple((check.statistics or {}).values()))
    return ValueRule(rule, "warn" if check.raise_warning else "block", check.description)
