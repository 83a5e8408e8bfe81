"""What a file holds by its first bytes, where these are not text in UTF-8: such a file is not read at all.

Read as text, it would be thousands of records in quarantine, and nobody would know whom a customer file withdraws.

Here: what the bytes are, and the remedy. Not here: how files are opened.
"""

from __future__ import annotations

import re

# More than any of the marks has.
HEAD_BYTES = 8

_TEXT = "convert it to UTF-8"
_UNPACK = "deliver the JSON or CSV file in it"
_COMPRESSED = (
    "deliver it uncompressed, or compressed by gzip or bzip2 once, with .gz or .bz2 at the end of its name"
)
_EXPORT = "export it as JSON or CSV"
_MARKS = (
    (rb"\x1f\x8b", "gzip", _COMPRESSED),
    (rb"BZh[1-9]", "bzip2", _COMPRESSED),
    (rb"\xfd7zXZ\x00", "xz", _COMPRESSED),
    (rb"\x28\xb5\x2f\xfd", "zstd", _COMPRESSED),
    (rb"PK\x03\x04", "a zip archive or an Excel workbook", _UNPACK),
    (rb"PAR1", "Parquet", _EXPORT),
    (rb"Obj\x01", "Avro", _EXPORT),
    (rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff", "text in UTF-32", _TEXT),
    # With a byte order mark, or without it: Latin letters have every other byte zero.
    (rb"(?:\xff\xfe|[^\x00]\x00)[^\x00]\x00|(?:\xfe\xff|\x00[^\x00])\x00[^\x00]", "text in UTF-16", _TEXT),
)


class ContentError(Exception):
    """A file holds no text in UTF-8; the message has nothing of what is in the file."""


def require_text(head: bytes) -> None:
    """Refuse a file whose first bytes show that it is no text in UTF-8.

    Args:
        head: The first ``HEAD_BYTES`` of the file, uncompressed if its name says that it is compressed.

    Raises:
        ContentError: It is none. The message says what it is, and what to do.
    """
    for mark, what, remedy in _MARKS:
        if re.match(mark, head, re.DOTALL):
            raise ContentError(f"it holds {what} where JSON or CSV in UTF-8 belongs ({remedy})")
