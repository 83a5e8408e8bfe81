"""A contract held against a frame: structure compared directly, all rules of values in one query.

pandera's own PySpark backend runs about two jobs a check and counts no failing rows; tests hold this module's
verdicts to it, rule by rule. What the rules are belongs in ``models``, what happens to a table that fails, in
``assets``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyspark.sql.functions as F

from stedi_assets.contracts.predicates import breaks
from stedi_assets.contracts.uniqueness import rows_too_many

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from stedi_assets.contracts.contract import Contract, Severity


@dataclass(frozen=True)
class RuleVerdict:
    """How many rows break one rule.

    Attributes:
        rule: Name of the rule: ``COLUMN_not_null``, ``unique_key`` or a value rule's own.
        columns: Columns that it is about.
        severity: Whether it blocks.
        failing: Number of rows that break it; for ``unique_key``, of rows too many.
        reason: Why it must hold.
    """

    rule: str
    columns: tuple[str, ...]
    severity: Severity
    failing: int
    reason: str


@dataclass(frozen=True)
class Audit:
    """The verdict on a frame: its rows, and each rule's failing rows."""

    rows: int
    verdicts: tuple[RuleVerdict, ...]

    @property
    def blocking(self) -> tuple[RuleVerdict, ...]:
        """Verdicts for which the table must not be published."""
        return tuple(v for v in self.verdicts if v.failing and v.severity == "block")

    @property
    def warnings(self) -> tuple[RuleVerdict, ...]:
        """Verdicts that somebody should look at."""
        return tuple(v for v in self.verdicts if v.failing and v.severity == "warn")


def structure_problems(frame: DataFrame, contract: Contract) -> list[str]:
    """What is wrong with a frame's columns, their order or their types; empty if nothing is."""
    found = {field.name: field.dataType.simpleString() for field in frame.schema}
    declared = {column.name: column.type for column in contract.columns}
    problems = [f"column {name} is missing" for name in declared if name not in found]
    problems += [f"column {name} is not in the contract" for name in found if name not in declared]
    problems += [
        f"column {name} is {found[name]} instead of {kind}"
        for name, kind in declared.items()
        if name in found and found[name] != kind
    ]
    if not problems and list(found) != list(declared):
        problems.append(f"columns are in the order {', '.join(found)}")
    return problems


def audit(frame: DataFrame, contract: Contract) -> Audit:
    """Evaluate every rule of a contract on a frame: the key's in a query of its own, the others in one.

    Args:
        frame: The rows, with the contract's columns.
        contract: What they must hold to.
    """
    rules: list[tuple[str, tuple[str, ...], Severity, str, Column]] = [
        (
            f"{column.name}_not_null",
            (column.name,),
            "block",
            "The contract asks for a value.",
            F.count(F.lit(1)) - F.count(column.name),
        )
        for column in contract.columns
        if not column.nullable
    ]
    rules += [
        (item.name, (item.rule.column,), item.severity, item.reason, F.count_if(breaks(item.rule)))
        for item in contract.rules
    ]
    aggregate = frame.agg(
        F.count(F.lit(1)).alias("rows"), *(expression.alias(name) for name, *_, expression in rules)
    )
    figures = aggregate.collect()[0].asDict()
    verdicts = [
        RuleVerdict(name, columns, severity, figures[name] or 0, reason)
        for name, columns, severity, reason, _ in rules
    ]
    if contract.key:
        too_many = rows_too_many(frame, contract.key, figures["rows"])
        verdicts.append(
            RuleVerdict("unique_key", contract.key, "block", too_many, "No two rows may share a key.")
        )
    return Audit(rows=figures["rows"], verdicts=tuple(verdicts))
