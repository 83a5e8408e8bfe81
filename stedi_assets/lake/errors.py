"""The error of the lake, whatever its cause: a folder, a bucket, the catalog or another program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stedi_assets.errors import StediError

if TYPE_CHECKING:
    from collections.abc import Iterator


class LakeError(StediError):
    """The lake cannot be used as it is; the message names the table, file, folder or variable, and the remedy."""


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and its causes, each once: PyIceberg raises the error of a missing file as its own cause."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
