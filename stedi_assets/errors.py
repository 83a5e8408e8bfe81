"""The root of all errors that this package raises for its users.

Every error of ours derives from ``StediError``. A bug is no ``StediError``: it keeps its own class and its stack.
"""

from __future__ import annotations


class StediError(Exception):
    """Something that the user can put right; the message says what is wrong, with which table, file or variable."""
