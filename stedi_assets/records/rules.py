"""The row rules of a contract as expressions: one small table of checks, by the names pandera gives them.

Here: what each check means, and which rows break which rule. Not here: which rules a source has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

    from stedi_assets.records.source import Rule


def _in_range(c: Any, low: Any, high: Any, include_min: bool = True, include_max: bool = True) -> Any:  # noqa: ANN401 - of either backend
    return (c >= low if include_min else c > low) & (c <= high if include_max else c < high)


def _zero_or_in_range(c: Any, low: Any, high: Any) -> Any:  # noqa: ANN401 - of either backend
    return (c == 0) | _in_range(c, low, high)


# The value holds. Operators alone, so that ``c`` may be a polars expression or a Spark column.
COMPARISONS: dict[str, Callable[..., Any]] = {
    "greater_than": lambda c, low: c > low,
    "greater_than_or_equal_to": lambda c, low: c >= low,
    "less_than": lambda c, high: c < high,
    "less_than_or_equal_to": lambda c, high: c <= high,
    "in_range": _in_range,
    "zero_or_in_range": _zero_or_in_range,
}


# Checks without a common spelling on both backends.
_POLARS_CHECKS: dict[str, Callable[..., pl.Expr]] = {
    "isin": lambda c, allowed: c.is_in(list(allowed)),
    # pandera matches from the start of the text, and not to its end.
    "str_matches": lambda c, pattern: c.str.contains(f"^(?:{pattern})"),
}


def failing(rule: Rule) -> pl.Expr:
    """A Boolean expression: true where a non-null value breaks the rule, false elsewhere, never null.

    NaN breaks every comparison: polars and Spark hold it greater than any number, which would pass
    ``greater_than``.

    Raises:
        ValueError: the rule's check is not in the table.
    """
    column = pl.col(rule.column)
    if rule.check in COMPARISONS:
        holds: pl.Expr = COMPARISONS[rule.check](column, *rule.arguments)
        if isinstance(rule.arguments[0], int | float):
            holds = holds & ~column.is_nan()
    elif rule.check in _POLARS_CHECKS:
        holds = _POLARS_CHECKS[rule.check](column, *rule.arguments)
    else:
        known = ", ".join(sorted([*COMPARISONS, *_POLARS_CHECKS]))
        raise ValueError(f"rule {rule.name}: unknown check {rule.check!r}; use one of {known}")
    return (~holds).fill_null(value=False)


def partition(
    frame: pl.DataFrame, rules: tuple[Rule, ...]
) -> tuple[pl.DataFrame, list[tuple[int, tuple[str, ...]]]]:
    """The rows that keep every rule; of the others, ``source_position`` and reasons (``rule:<name>``)."""
    if all(_holds(frame[rule.column], rule) for rule in rules):
        return frame, []
    names = [f"rule:{rule.name}" for rule in rules]
    broken = frame.select([failing(rule).alias(name) for rule, name in zip(rules, names, strict=True)])
    any_broken = broken.select(pl.any_horizontal(pl.all())).to_series()
    positions = frame["source_position"].filter(any_broken).to_list()
    flags = broken.filter(any_broken).rows()
    reasons = [tuple(name for name, flag in zip(names, row, strict=True) if flag) for row in flags]
    return frame.filter(~any_broken), list(zip(positions, reasons, strict=True))


def _holds(values: pl.Series, rule: Rule) -> bool:
    # A pattern takes longer than finding what repeats.
    distinct = values.unique() if values.dtype == pl.String else values
    return not distinct.to_frame().select(failing(rule).any()).item()
