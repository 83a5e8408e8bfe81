"""The page ``docs/what-is-read.md``, made of ``examples``. Where it is written to belongs in ``exports``."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import source_of
from stedi_assets.landing.examples import QUARANTINED, READ, REPAIRED, UNREADABLE, Example
from stedi_assets.landing.explanation import explain
from stedi_assets.records.content import ContentError, open_text
from stedi_assets.records.counts import Counts
from stedi_assets.records.read_task import read_all, reader_of
from stedi_assets.records.source import REPAIRS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_HEAD = """# What is read

`make docs` writes this page from `stedi_assets/landing/examples.py`: edit that module, not this page. The tests
read every example.

Deliver files as they are. What is in a file decides how it is read, not its name. Every record lands, or is in
quarantine with its place and the reason. Where a record has two meanings, it is in quarantine: nothing is guessed.
[Tables](tables.md#why-a-record-is-in-quarantine) lists all reasons and repairs.
"""
_REPAIRED = """
## Repaired

The meaning is certain, though the form is not. The record lands, and the repair is counted in the run's metadata.
"""
_QUARANTINED = """
## Quarantined

`stedi quarantine` shows these records, and `stedi quarantine --export DIR` writes their files out for repair.
"""
_UNREADABLE = """
## Not read at all

Such a file is one problem, named in the check `row_count` or `delivery`; `stedi upload` refuses it. A customer file
that cannot be read stops the run, since nobody knows whom it withdraws.

| a file that holds | what the problem says |
|---|---|
"""


def what_is_read_page() -> str:
    """The page."""
    parts = [_HEAD, "\n## Read as it is\n"]
    parts += _shown_all(READ, {})
    parts.append(_REPAIRED)
    parts += _shown_all(REPAIRED, REPAIRS)
    parts.append(_QUARANTINED)
    parts += _shown_all(QUARANTINED, {example.of: _explained(example) for example in QUARANTINED})
    parts.append(_UNREADABLE)
    parts += [f"| {example.of} | {problem_of(example)} |\n" for example in UNREADABLE]
    return "".join(parts)


def counts_of(example: Example) -> Counts:
    """What becomes of the records of an example.

    Raises:
        ContentError: It cannot be read.
    """
    content = example.content if isinstance(example.content, bytes) else example.content.encode()
    described, text = open_text(io.BytesIO(content), is_csv=None, is_packed=False)
    source = source_of(CONTRACTS[f"{example.source}_landing"], read_at=time.time_ns() // 1_000_000)
    parts = read_all(text, reader_of(source, is_csv=described.is_csv))
    return sum(map(Counts.of, parts), Counts())


def problem_of(example: Example) -> str:
    """Why an example cannot be read; empty if it can."""
    try:
        counts_of(example)
    except ContentError as problem:
        return str(problem)
    return ""


def _explained(example: Example) -> str:
    reasons = [reason for reason in counts_of(example).reasons if reason.startswith(example.of)]
    explained = explain(example.source, reasons[0])
    return f"{explained.meaning.removesuffix('.')}. To do: {explained.to_do}"


def _shown_all(examples: Iterable[Example], meanings: dict[str, str]) -> Iterator[str]:
    for example in examples:
        meaning = f"{example.of[0].upper()}{example.of[1:]}"
        if meanings:
            meaning = f"**`{example.of}`**: {meanings[example.of]}"
        yield f"\n{meaning}.\n\n```text\n{_shown(example.content)}\n```\n"


def _shown(content: str | bytes) -> str:
    """The text of a file, with what cannot be seen in it as Python writes it; of binary data the beginning."""
    if isinstance(content, bytes) and b"\0" in content:
        return repr(content[:4])[2:-1] + "\u2026"
    text = content if isinstance(content, str) else content.decode(errors="backslashreplace")
    lines = text.replace("\r", "\\r\n").removesuffix("\n").split("\n")
    return "\n".join("".join(c if c.isprintable() else repr(c)[1:-1] for c in line) for line in lines)
