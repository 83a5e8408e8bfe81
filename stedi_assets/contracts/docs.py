"""The page ``docs/tables.md``, made of the contracts. Where it is written to belongs in ``exports``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.records.source import REASONS, REPAIRS
from stedi_assets.text import markdown_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from stedi_assets.contracts.contract import Contract

# What a check asks of a value, in words, by the name of the check.
CONDITIONS: dict[str, Callable[..., str]] = {
    "greater_than": lambda low: f"above {low}",
    "greater_than_or_equal_to": lambda low: f"at least {low}",
    "less_than": lambda high: f"below {high}",
    "less_than_or_equal_to": lambda high: f"at most {high}",
    "in_range": lambda low, high, with_low=True, with_high=True: (
        f"{'from' if with_low else 'above'} {low} {'to' if with_high else 'to below'} {high}"
    ),
    "zero_or_in_range": lambda low, high: f"0, or from {low} to {high}",
    "isin": lambda allowed: f"one of {', '.join(map(str, allowed))}",
    "str_matches": lambda pattern: f"text that matches `{pattern}`",
}

_HEAD = """# Tables

`make docs` writes this page from the contracts in `stedi_assets/contracts/models.py`: edit the contracts, not this
page.

Times are epoch milliseconds, UTC. A *direct identifier* names a person or a person's device; a *pseudonym* names a
person to whoever has the key. Every row must keep a rule of severity `block`: a landing record that breaks the rule
goes to quarantine, and a table that breaks it is not published. A rule of severity `warn` says what is typical: rows
that break it are counted and shown. An absent value keeps every rule on values. A table is not published either if a
value that may not be absent is absent, or if two rows have one key.
"""
_FLOW = """![Which table is made from which, with the rows of the sample lake](images/flow.svg)
"""
_REASONS_HEAD = """## Why a record is in quarantine

A quarantine table has these `reasons`. A reason that concerns a field carries the name of the field, as in
`missing_field:email`. The reason `rule` carries the name of a rule of the landing table, as in
`rule:plausible_timestamp`.
"""
_REPAIRS_HEAD = """## What is repaired

The reader of landing files repairs these without loss. `landing_files` and the metadata of the asset count them by
kind.
"""


def tables_page(contracts: Iterable[Contract], made_from: Mapping[str, Sequence[str]]) -> str:
    """The page as Markdown.

    Args:
        contracts: What to describe, in order.
        made_from: For each table the tables that it is made from, if there are any.
    """
    contracts = list(contracts)
    parts = [
        _HEAD,
        _FLOW,
        *(_table(contract, made_from.get(contract.name, ())) for contract in contracts),
        _REASONS_HEAD,
        markdown_table(("reason", "meaning"), ((f"`{name}`", meaning) for name, meaning in REASONS.items())),
        _REPAIRS_HEAD,
        markdown_table(("repair", "meaning"), ((f"`{name}`", meaning) for name, meaning in REPAIRS.items())),
    ]
    return "\n".join(parts)


def _table(contract: Contract, made_from: Sequence[str]) -> str:
    keys = {
        "Folder": f"`{contract.folder}/`",
        "Made from": ", ".join(f"`{name}`" for name in made_from),
        "Key": ", ".join(f"`{name}`" for name in contract.key) or "none; equal rows are right",
        "Who may read it": contract.readers,
    }
    columns = (
        (
            f"`{column.name}`",
            f"`{column.type}`",
            "yes" if column.nullable else "no",
            column.privacy,
            column.description,
        )
        for column in contract.columns
    )
    rules = [
        (
            f"`{item.name}`",
            f"`{item.rule.column}`",
            CONDITIONS[item.rule.check](*item.rule.arguments),
            item.severity,
            item.reason,
        )
        for item in contract.rules
    ]
    parts = [
        f"## {contract.name}\n",
        f"{contract.description}\n",
        "\n".join(f"- {title}: {text}" for title, text in keys.items() if text) + "\n",
        f"```sql\n{contract.query}\n```\n",
        markdown_table(("column", "type", "may be absent", "privacy", "meaning"), columns),
    ]
    if rules:
        parts.append(markdown_table(("rule", "column", "values are", "severity", "reason"), rules))
    return "\n".join(parts)
