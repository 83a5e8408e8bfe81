"""The row rules of a contract as Spark predicates; ``records.rules`` has the same rules for the record reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyspark.sql.functions as F

from stedi_assets.records.rules import COMPARISONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column

    from stedi_assets.records.source import Rule


def _matches(column: Column, pattern: str) -> Column:
    # To Java alone, $ also matches before a newline at the end.
    end = pattern.removesuffix("$") + r"\z" if pattern.endswith("$") else pattern
    return column.rlike(f"^(?:{end})")


# Checks that have no spelling common to both kinds of expression.
_SPARK_CHECKS: dict[str, Callable[..., Column]] = {
    "isin": lambda column, allowed: column.isin(list(allowed)),
    "str_matches": _matches,
}

SUPPORTED_CHECKS = frozenset(COMPARISONS) | frozenset(_SPARK_CHECKS)


def breaks(rule: Rule) -> Column:
    """A predicate: true where a value breaks the rule, false where it keeps it or is absent.

    NaN breaks every comparison, as in the record reader; both engines hold it greater than any number.
    """
    column: Any = F.col(rule.column)
    if rule.check in COMPARISONS:
        holds = COMPARISONS[rule.check](column, *rule.arguments)
        if isinstance(rule.arguments[0], float):
            holds = holds & ~F.isnan(column)
    else:
        holds = _SPARK_CHECKS[rule.check](column, *rule.arguments)
    return F.coalesce(~holds, F.lit(False))
