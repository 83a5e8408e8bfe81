"""How the bytes of a landing file are text: told by the first of them, whatever the file's name.

This is the one answer in the whole package: landing and upload read by it, and erasure reads and writes by it. What is
neither text nor packed text, nor rows of Parquet or Avro, is not read at all. Read as text, it would be thousands of
records in quarantine, and nobody would know whom a customer file withdraws.

Here: containers, encodings, and whether text is JSON or CSV where the name does not say so. Not here: records.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE, getincrementaldecoder
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa

from stedi_assets.records.columnar import ColumnError, JsonRows

if TYPE_CHECKING:
    from collections.abc import Callable

# More than any of the marks has, and enough for the first line that is not blank.
HEAD_BYTES = 4096
_BYTES_AT_ONCE = 1024 * 1024

_CONTAINERS = (
    (re.compile(rb"\x1f\x8b"), "gzip"),
    (re.compile(rb"BZh[1-9]"), "bzip2"),
    (re.compile(rb"\xfd7zXZ\x00"), "xz"),
    # A frame, or one that readers skip.
    (re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), "zstd"),
)
# What holds rows instead of text; its text are the rows in JSON.
_COLUMNAR = ((re.compile(rb"PAR1"), "Parquet"), (re.compile(rb"Obj\x01"), "Avro"))
_OPEN: dict[str, Callable[[Any], Any]] = {
    "gzip": lambda stream: gzip.GzipFile(fileobj=stream),
    "bzip2": lambda stream: _Members(stream, bz2.BZ2Decompressor),
    "xz": lambda stream: _Members(stream, partial(lzma.LZMADecompressor, lzma.FORMAT_XZ)),
    # Python knows zstd from 3.14 on.
    "zstd": lambda stream: pa.CompressedInputStream(stream, "zstd"),
}
_PACK: dict[str | None, Callable[[bytes], bytes]] = {
    None: bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda text: pa.Codec("zstd").compress(text, asbytes=True),
}
# UTF-32 first: its mark begins with the one of UTF-16.
_ENCODINGS = (
    (BOM_UTF32_LE, "utf-32-le"),
    (BOM_UTF32_BE, "utf-32-be"),
    (BOM_UTF16_LE, "utf-16-le"),
    (BOM_UTF16_BE, "utf-16-be"),
)
_UTF_8 = "utf-8"

_UNKNOWN_CONTAINERS = (
    (re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7-Zip archive"),
    (re.compile(rb"Rar!\x1a\x07"), "a RAR archive"),
    # The last one may also be x and an Arabic letter, with which no text of ours begins.
    (re.compile(rb"\x78[\x01\x9c\xda]"), "zlib"),
    (re.compile(rb"\x5d\x00\x00"), "LZMA of before xz"),
    (re.compile(rb"\x04\x22\x4d\x18"), "LZ4"),
    (re.compile(rb"\xff\x06\x00\x00sNaPpY"), "Snappy"),
    (re.compile(rb"\x1f[\x9d\xa0]"), "text packed by compress"),
)

_ONCE = "compress it once"
_OTHERWISE = "pack it by gzip, bzip2, xz or zstd, or not at all"
_UNPACK = "deliver the JSON or CSV file in it"
_EXPORT = "export it as JSON or CSV"
_REFUSED = (
    *((mark, name, _ONCE) for mark, name in _CONTAINERS),
    (re.compile(rb"PK\x03\x04"), "a zip archive or an Excel workbook", _UNPACK),
    (re.compile(rb".{257}ustar", re.DOTALL), "a tar archive", _UNPACK),
    *((mark, f"packed {name}", "deliver it as it is") for mark, name in _COLUMNAR),
    (re.compile(rb"%PDF-"), "a PDF document", _EXPORT),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "a workbook of an old Excel", _EXPORT),
    (re.compile(rb"SQLite format 3\0"), "an SQLite database", _EXPORT),
    (re.compile(rb"ORC"), "ORC", _EXPORT),
    *((mark, name, _OTHERWISE) for mark, name in _UNKNOWN_CONTAINERS),
    # Latin letters have every other byte zero.
    (
        re.compile(rb"[^\x00]\x00[^\x00]\x00|\x00[^\x00]\x00[^\x00]"),
        "text in UTF-16 without a byte order mark",
        "write the mark, or convert it to UTF-8",
    ),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1d\x7f]")
# More control characters, and a larger share of them, has no text. Of random bytes they are a tenth.
_MOST_CONTROLS, _MOST_CONTROLS_SHARE = 16, 0.05
# JSON begins with an object or an array, or has an object in its first line if its beginning is broken.
_BEGINNING_OF_JSON = re.compile(rb"(?:\xef\xbb\xbf|[\s,\x1e])*+(?:[\[{]|[^\r\n]*?\{\s*\")")
# What libraries raise where packed bytes are broken or end early. bz2 and Arrow raise an OSError of no number; one of
# the system, or of the network, has a number.
_DAMAGE = (pa.ArrowException, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, UnicodeDecodeError)


class ContentError(Exception):
    """A file holds no text that can be read; the message has nothing of what is in the file."""


@dataclass(frozen=True)
class Content:
    """How the bytes of a file are text.

    Attributes:
        container: How they are packed, if they are; or ``Parquet`` or ``Avro``.
        encoding: How they are text, unpacked.
        is_csv: Whether the text is CSV; JSON otherwise.
    """

    container: str | None
    encoding: str
    is_csv: bool

    @property
    def is_plain(self) -> bool:
        """Whether a byte of the file is a byte of its text in UTF-8."""
        return self.container is None and self.encoding == _UTF_8

    @property
    def is_columnar(self) -> bool:
        """Whether the file has rows instead of text, which ``columnar.without_rows`` takes out."""
        return self.container is not None and self.container not in _PACK

    def packed(self, text: bytes) -> bytes:
        """The bytes of a file with this text in UTF-8, encoded and packed as this file is.

        Raises:
            ContentError: The text is not of the file's encoding.
        """
        if self.encoding != _UTF_8:
            try:
                text = text.decode(errors="surrogatepass").encode(self.encoding, "surrogatepass")
            except UnicodeDecodeError:
                raise ContentError(f"its text in {self.encoding.upper()} is broken") from None
        return _PACK[self.container](text)


def open_text(stream: BinaryIO, *, is_csv: bool | None, is_packed: bool) -> tuple[Content, BinaryIO]:
    """Open a file as text in UTF-8, unpacked.

    Args:
        stream: The file, at its beginning.
        is_csv: Whether it is CSV by its name; None if the name does not say so.
        is_packed: Whether it is packed by its name.

    Returns:
        How it is text, and a stream of the text. Of a plain file it is ``stream``, which can seek. The stream raises
        ContentError where the file is damaged.

    Raises:
        ContentError: It is no text. The message says what it is, and what to do.
    """
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    columnar = next((name for mark, name in _COLUMNAR if mark.match(head)), None)
    if columnar is not None:
        rows = _Text(cast("BinaryIO", JsonRows(stream, columnar)), _UTF_8, what=columnar)
        return Content(columnar, _UTF_8, is_csv=False), cast("BinaryIO", rows)
    container = next((name for mark, name in _CONTAINERS if mark.match(head)), None)
    unpacked: BinaryIO = stream
    if container is not None:
        unpacked = cast("BinaryIO", _Text(_OPEN[container](stream), _UTF_8, what=container))
        head = unpacked.read(HEAD_BYTES)
    encoding = next((name for mark, name in _ENCODINGS if _begins_with(mark, head)), _UTF_8)
    if encoding == _UTF_8:
        if container is None and is_packed and _CONTROL.search(head):
            raise ContentError("it is not compressed as its name says, nor is it text: deliver it again")
        _require_text(head)
    text = head.decode(encoding, "replace").encode() if encoding != _UTF_8 else head
    content = Content(container, encoding, not _BEGINNING_OF_JSON.match(text) if is_csv is None else is_csv)
    if content.is_plain:
        return content, stream
    pending = head if container else b""
    text_stream = _Text(unpacked, encoding, what=container or encoding.upper(), pending=pending)
    return content, cast("BinaryIO", text_stream)


def _begins_with(mark: bytes, head: bytes) -> bool:
    """Whether the mark of UTF-16 or UTF-32 means it: JSON and CSV have marks of ASCII, which have zero bytes there."""
    return head.startswith(mark) and (b"\0" in head or head == mark)


def _require_text(head: bytes) -> None:
    for mark, what, remedy in _REFUSED:
        if mark.match(head):
            raise ContentError(f"it holds {what} where JSON or CSV belongs ({remedy})")
    if _begins_with_a_line_of_text(head):
        return
    # Some programs fill a file up with zeros.
    controls = len(_CONTROL.findall(head.rstrip(b"\0")))
    if controls > max(_MOST_CONTROLS, len(head) * _MOST_CONTROLS_SHARE):
        raise ContentError(f"it holds binary data where JSON or CSV belongs ({_EXPORT})")


def _begins_with_a_line_of_text(head: bytes) -> bool:
    """Whether the first line may be a record or a header, so that what is behind it is for the reader to tell."""
    line = re.split(rb"[\r\n]", head.lstrip(), maxsplit=1)[0]
    # The head may end amid a character.
    is_text = not _CONTROL.search(line) and line.decode(errors="replace").count("\ufffd") <= 1
    return is_text and re.search(rb"[{\[,;\t|]", line) is not None


class _Members(io.RawIOBase):
    """A stream of what packed members hold, one behind the other, with zeros between and behind them.

    Python's own streams take whatever is behind a member for its end, other members behind zeros too.
    """

    def __init__(self, stream: BinaryIO, new: Callable[[], Any]) -> None:
        self._stream = stream
        self._new = new
        self._member = new()

    def read(self, size: int = -1) -> bytes:
        """Read as many bytes at most, none at the end alone.

        Raises:
            EOFError, OSError, LZMAError: Something is no member, or the last one breaks off.
        """
        while True:
            packed = b""
            if self._member.eof:
                packed = self._member.unused_data
                while not (packed := packed.lstrip(b"\0")):
                    if not (packed := self._stream.read(_BYTES_AT_ONCE)):
                        return b""
                self._member = self._new()
            elif self._member.needs_input and not (packed := self._stream.read(_BYTES_AT_ONCE)):
                raise EOFError
            if text := self._member.decompress(packed, size):
                return cast("bytes", text)


class _Text(io.RawIOBase):
    """A stream of what another stream holds, in UTF-8; a character that is none becomes bytes that are no UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str, *, what: str, pending: bytes = b"") -> None:
        self._stream = stream
        self._decoder = None if encoding == _UTF_8 else getincrementaldecoder(encoding)("surrogatepass")
        self._what = what
        self._pending = pending

    def read(self, size: int = -1) -> bytes:
        """Read about as many bytes, none at the end alone."""
        if size < 0:
            return b"".join(iter(lambda: self.read(_BYTES_AT_ONCE), b""))
        while True:
            packed, self._pending = self._pending or self._unpacked(size), b""
            if self._decoder is None:
                return packed
            text = self._decoded(packed)
            if text or not packed:
                return text

    def _unpacked(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except ColumnError as error:
            raise ContentError(str(error)) from None
        except _DAMAGE:
            raise self._damaged() from None
        except OSError as error:
            if type(error) is OSError and error.errno is None:
                raise self._damaged() from None
            raise

    def _decoded(self, encoded: bytes) -> bytes:
        assert self._decoder is not None  # noqa: S101 - the caller has looked
        try:
            return self._decoder.decode(encoded, final=not encoded).encode(errors="surrogatepass")
        except UnicodeDecodeError:
            if encoded:
                raise self._damaged() from None
            # Half a character, with which the file ends.
            self._decoder.reset()
            return b"\xff"

    def _damaged(self) -> ContentError:
        return ContentError(f"its {self._what} is damaged or breaks off: deliver the file again")
