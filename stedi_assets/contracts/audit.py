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
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

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
    failing = {
        f"{column.name}_not_null": F.count(F.lit(1)) - F.count(column.name)
        for column in contract.columns
        if not column.nullable
    }
    failing |= {item.name: F.count_if(breaks(item.rule)) for item in contract.rules}
    aggregate = frame.agg(
        F.count(F.lit(1)).alias("rows"), *(expression.alias(name) for name, expression in failing.items())
    )
    figures = aggregate.collect()[0].asDict()
    if contract.key:
        figures["unique_key"] = rows_too_many(frame, contract.key, figures["rows"])
    return Audit(rows=figures["rows"], verdicts=_verdicts(contract, figures))


def audit_of_nothing(contract: Contract) -> Audit:
    """The verdict on a frame without rows, which breaks no rule."""
    return Audit(rows=0, verdicts=_verdicts(contract, {}))


def _verdicts(contract: Contract, failing: Mapping[str, int | None]) -> tuple[RuleVerdict, ...]:
    """Each rule's verdict, in the contract's order; a rule of which nothing is said is broken by no row."""
    rules: list[tuple[str, tuple[str, ...], Severity, str]] = [
        (f"{column.name}_not_null", (column.name,), "block", "The contract asks for a value.")
        for column in contract.columns
        if not column.nullable
    ]
    rules += [(item.name, (item.rule.column,), item.severity, item.reason) for item in contract.rules]
    if contract.key:
        rules.append(("unique_key", contract.key, "block", "No two rows may share a key."))
    return tuple(
        RuleVerdict(name, columns, severity, failing.get(name) or 0, reason)
        for name, columns, severity, reason in rules
    )
