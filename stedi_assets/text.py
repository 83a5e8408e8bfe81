"""Text for people: names and records of others made fit to be shown, names that were mistyped, counts in order."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Sequence

_BAR_WIDTH = 12


def printable(text: str) -> str:
    r"""Escape what a terminal would not show as it is, or would take for a command.

    Args:
        text: Any text. A byte of a file name that is not UTF-8 is a lone surrogate in it, as Python reads names.

    Returns:
        The text with its line ends; each other unprintable character as ``\x1b`` or ``\u200b``, and a byte as ``\xff``.
    """
    return "".join(
        character if character.isprintable() or character == "\n" else _escaped(character)
        for character in text
    )


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def suggestion(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about a name that is not known: which one may be meant; empty if none is like it."""
    known = list(known)
    likely = [*get_close_matches(name, known, n=1), *(each for each in known if name in each or each in name)]
    return f": did you mean {likely[0]}?" if name and likely else ""


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, as in ``1 row`` and ``81,273 rows``; ``many`` if an s does not make the plural."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def megabytes(size: int) -> float:
    """A size in bytes as people read it and as a chart shows it."""
    return round(size / 1_000_000, 3)


def percent(part: int, whole: int) -> float:
    """A share in percent, as the UI plots it; 0 of nothing."""
    return round(100 * part / whole, 2) if whole else 0.0


def ranked(counter: Counter[str]) -> list[tuple[str, int]]:
    """Names and counts, the largest count first; by name where counts are equal.

    ``Counter.most_common`` leaves equal counts in the order in which they came, and files are read in any order.
    """
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, with a line end."""
    lines = [header, ["---"] * len(header), *rows]
    # A bar would end the cell, in code as well.
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


def bar(part: float, whole: float) -> str:
    """A share as a bar of blocks, which the UI shows where it shows Markdown; whatever there is has a block."""
    blocks = round(_BAR_WIDTH * part / whole) if whole else 0
    return "█" * max(blocks, part > 0)
