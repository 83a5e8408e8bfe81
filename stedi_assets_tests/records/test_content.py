"""How the bytes of a landing file are text, and how text becomes such bytes again."""

import gzip
import io
import json
import lzma
import random
import zlib

import pyarrow as pa
import pytest

from stedi_assets.records.content import Content, ContentError, open_text

TEXT = '{"s":"\u00e9\U0001f600"}\n{"s":"b"}\n'.encode()
CONTAINERS = [None, "gzip", "bzip2", "xz", "zstd"]
ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
MARK = "\ufeff".encode()


def opened(delivered: bytes, *, is_csv: bool | None = None, is_packed: bool = False):
    content, stream = open_text(io.BytesIO(delivered), is_csv=is_csv, is_packed=is_packed)
    return content, b"".join(iter(lambda: stream.read(5), b""))


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("length", [1, 3_000])
def test_what_is_written_back_is_read_as_it_was(container, encoding, length):
    as_was = Content(container, encoding, is_csv=False)
    text = MARK * (encoding != "utf-8") + TEXT * length
    delivered = as_was.packed(text)
    assert opened(delivered) == (as_was, text)
    assert opened(delivered, is_csv=True, is_packed=True)[0] == Content(container, encoding, is_csv=True)
    if encoding == "utf-8" and container is None:
        assert delivered == text
    if encoding == "utf-16-le" and container is None:
        assert delivered == text.decode("utf-8-sig").encode("utf-16")


@pytest.mark.parametrize("container", CONTAINERS[1:])
def test_packed_text_that_breaks_off_is_damaged_wherever_it_does(container):
    delivered = Content(container, "utf-8", is_csv=False).packed(TEXT * 50)
    for end in range(6, len(delivered)):
        with pytest.raises(ContentError, match=f"its {container} is damaged or breaks off"):
            opened(delivered[:end])


@pytest.mark.parametrize("container", CONTAINERS[1:])
def test_packed_text_in_parts_is_read_to_its_end(container):
    content = Content(container, "utf-8", is_csv=False)
    assert opened(content.packed(TEXT) + content.packed(b"more"))[1] == TEXT + b"more"


@pytest.mark.parametrize("container", ["gzip", "bzip2", "xz"])
def test_zeros_between_packed_parts_and_behind_them_end_nothing(container):
    content = Content(container, "utf-8", is_csv=False)
    parts = [content.packed(TEXT) + bytes(zeros) for zeros in (4, 3_000_000)]
    assert opened(b"".join([*parts, content.packed(b"more")]))[1] == 2 * TEXT + b"more"
    assert opened(b"".join(parts))[1] == 2 * TEXT


@pytest.mark.parametrize("container", CONTAINERS[1:])
def test_what_is_no_packed_part_behind_one_is_damage_and_never_dropped(container):
    packed = Content(container, "utf-8", is_csv=False).packed(TEXT)
    for behind in (TEXT, b"junk", bytes(4) + TEXT, bytes(300) + b"\n"):
        with pytest.raises(ContentError, match=f"its {container} is damaged"):
            opened(packed + behind)


def test_a_character_that_is_none_costs_its_record_and_not_the_file():
    good, bad = '\ufeff{"s":"a"}\n', '{"s":"\ud800"}\n'
    _, text = opened((good + bad + good).encode("utf-16-le", "surrogatepass") + b"{")
    first, second, third, rest = text.split(b"\n")
    assert (first.decode(), third.decode()) == (good.strip(), good.strip())
    for broken in (second, rest):
        with pytest.raises(UnicodeDecodeError):
            broken.decode()


def test_text_that_is_no_unicode_at_all_is_one_problem():
    with pytest.raises(ContentError, match="its UTF-32-LE is damaged"):
        opened(b"\xff\xfe\x00\x00" + b"\xff" * 40)


@pytest.mark.parametrize(
    ("delivered", "what"),
    [
        (
            gzip.compress(gzip.compress(TEXT)),
            "it holds gzip where JSON or CSV belongs \\(compress it once\\)",
        ),
        (b"PK\x03\x04" + TEXT, "a zip archive or an Excel workbook"),
        (gzip.compress(b"a.json".ljust(257, b"\0") + b"ustar" + TEXT), "a tar archive"),
        (b"PAR1" + TEXT, "its Parquet is damaged or breaks off"),
        (b"Obj\x01" + TEXT, "its Avro is damaged or breaks off"),
        (gzip.compress(b"PAR1" + TEXT), "packed Parquet"),
        (b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", "a PDF document"),
        (random.Random(0).randbytes(5_000), "binary data"),
        (lzma.compress(TEXT, format=lzma.FORMAT_ALONE), "LZMA of before xz"),
        *((zlib.compress(TEXT, level), "zlib") for level in (6, 9)),
        (pa.Codec("lz4").compress(TEXT, asbytes=True), "LZ4"),
        (b"7z\xbc\xaf\x27\x1c\x00\x04" + TEXT, "a 7-Zip archive"),
        (TEXT.decode().encode("utf-16-le"), "UTF-16 without a byte order mark"),
        (TEXT.decode().encode("utf-16-be"), "UTF-16 without a byte order mark"),
    ],
    # What gzip packs tells the time.
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_text_says_what_it_is(delivered, what):
    with pytest.raises(ContentError, match=what):
        opened(delivered)


def test_a_few_control_characters_or_zeros_at_the_end_leave_a_text_a_text():
    for delivered in (TEXT + b"\x01\x02\x00\n" * 3, TEXT + bytes(8_000)):
        assert opened(delivered)[1] == delivered


def test_a_file_that_is_packed_by_its_name_alone_is_read_if_it_is_text():
    assert opened(TEXT, is_packed=True)[1] == TEXT
    with pytest.raises(ContentError, match="not compressed as its name says"):
        opened(b"\x1e\x8b" + gzip.compress(TEXT)[2:], is_packed=True)


@pytest.mark.parametrize(
    ("head", "is_csv"),
    [
        (b'{"a": 1}', False),
        (b'\xef\xbb\xbf\n [{"a": 1}]', False),
        (b'\x1e{"a": 1}', False),
        (b',{"a": 1}', False),
        (b'"a": 1}{"a": 1}', False),
        (b"user,timestamp,x,y,z\n", True),
        (b'"user";"timestamp [ms]"\n', True),
        (b'user,note\nann,"{""a"": 1}"\n', True),
        (b"", True),
    ],
)
def test_text_is_json_or_csv_by_its_beginning(head, is_csv):
    assert opened(head)[0].is_csv == is_csv
    assert opened(head.decode().encode("utf-16"))[0].is_csv == is_csv


def test_network_faults_while_unpacking_are_no_damage():
    class Broken(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            if self.tell() >= 100_000:
                raise ConnectionResetError(104, "reset")
            return super().read(min(size, 100_000 - self.tell()))

    numbers = random.Random(0)
    text = json.dumps([numbers.random() for _ in range(100_000)]).encode()
    for container in CONTAINERS[1:]:
        stream = Broken(Content(container, "utf-8", is_csv=False).packed(text))
        with pytest.raises(ConnectionResetError):
            open_text(stream, is_csv=False, is_packed=False)[1].read()
