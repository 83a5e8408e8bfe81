"""Text of others, such as file names and records, made fit to be shown."""

from __future__ import annotations


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
