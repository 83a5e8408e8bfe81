"""Files in ranges, by whatever size, and what a task reports: the same as the whole file at once."""

import bz2
import gzip
import io
import json
import lzma
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from unittest import mock

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stedi_assets.lake.files import StoredFile
from stedi_assets.landing import reader
from stedi_assets.landing.files import LandingFile, Listing, landing_file
from stedi_assets.records.content import Content
from stedi_assets.records.csv_rows import CsvReader
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.records.read_task import FileRange, ReadPlan, Sizes, TaskReport, run_task
from stedi_assets.records.source import Parsed
from stedi_assets_tests.records.test_parse_properties import SOURCE, damaged_files
from stedi_assets_tests.shares import STABLE, drawn, examples

WRITTEN = datetime(2024, 3, 5, tzinfo=UTC)
MEMORY = fsspec.filesystem("memory")
PLAN = ReadPlan(SOURCE, "memory://lake", {}, "memory://staged/landed", "memory://staged/quarantined", 7)
OF_SMALL_SIZES = replace(PLAN, sizes=Sizes(range_bytes=1_000, gathered_bytes=5_000))


@pytest.fixture(autouse=True)
def _empty_memory():
    yield
    MEMORY.store.clear()


def rows(files: tuple[str, ...]) -> list[dict]:
    """Staged rows in the order of the file."""
    # Not by read_table, which takes six times as long to open a file.
    found = [row for file in files for row in pq.ParquetFile(MEMORY.open(file)).read().to_pylist()]
    return sorted(found, key=lambda row: (row["source_file"], row["source_position"]))


def read(content: bytes, name: str = "file.json", **sizes: int) -> reader.StagedRecords:
    """Read a file in ranges as the driver would have it done, but in this thread."""
    MEMORY.pipe_file(f"/lake/{name}", content)
    file = landing_file(name, StoredFile(name, len(content), WRITTEN, etag="1"))
    assert file is not None
    sizes = {"ranges": 16, "overhang": 8, "gathered": 10**9} | sizes

    def run(plan, ranges, _):
        return [TaskReport.from_json(run_task(plan, (each,)).to_json()) for each in ranges]

    plan = replace(PLAN, sizes=Sizes(sizes["ranges"], sizes["overhang"], sizes["gathered"]))
    with mock.patch.object(reader, "_run", run):
        return reader.read_landing_files(plan, [file], mock.Mock(), lambda: Listing((file,), ()))


@lru_cache(maxsize=1)
def parsed_at_once(content: bytes) -> Parsed:
    """The whole file's records; kept, since one file is cut in many ways."""
    return JsonReader(SOURCE).close(content)


def assert_as_at_once(
    content: bytes, reading: reader.StagedRecords, at_once: Callable[[bytes], Parsed] = parsed_at_once
) -> None:
    whole = at_once(content)
    landed, quarantined = rows(reading.landed_files), rows(reading.quarantined_files)
    (file,) = reading.reports
    provenance = {"source_file": file.file.path, "ingested_at": 7}
    assert landed == [row | provenance for row in whole.landed.to_dicts()]
    assert quarantined == [row | provenance for row in whole.quarantined.to_dicts()]
    positions = [row["source_position"] for row in landed + quarantined]
    assert len(set(positions)) == len(positions) == file.counts.records == whole.records
    assert (file.counts.landed, file.counts.quarantined) == (len(landed), len(quarantined))
    assert file.counts.reasons == Counter(whole.quarantined["reasons"].explode(empty_as_null=False).to_list())
    assert (file.counts.repaired, file.counts.drift) == (Counter(whole.repaired), Counter(whole.drift))


def test_a_parquet_file_larger_than_a_range_is_read_once():
    written = [{"s": f"\u00e9 {number}", "i": number, "d": number / 3} for number in range(500)]
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(written), buffer)
    assert [
        {name: row[name] for name in "sid"} for row in rows(read(buffer.getvalue(), ranges=500).landed_files)
    ] == written


def sizes_from(ranges: int) -> st.SearchStrategy[dict[str, int]]:
    return st.fixed_dictionaries(
        {
            "ranges": st.integers(ranges, 600),
            "overhang": st.integers(0, 300),
            "gathered": st.sampled_from([0, 300, 10**9]),
        }
    )


sizes = sizes_from(1)


def test_any_damaged_file_in_pieces_of_any_size_gives_what_it_gives_at_once():
    damaged = 0

    # Of a few bytes, ranges of these long files cost most, and are like those of the short files below.
    @settings(STABLE, max_examples=200)
    @given(damaged_files, sizes_from(20))
    def run(file, by):
        nonlocal damaged
        content = b"".join(record + separator for (record, _, _), separator in file)
        assert_as_at_once(content, read(content, **by))
        damaged += sum(row is None or separator not in (b"\n", b"\r\n") for (_, row, _), separator in file)

    run()
    # About ten an example, and not the same number everywhere: Hypothesis also draws constants of the loaded modules.
    assert damaged > 1_500


plain = st.sampled_from([b'{"s":"a","i":1,"d":2.5}', b'{"s":"b","i":2}', b'{"s":"c:","i":-3,"d":null}'])
doubtful = st.sampled_from(
    [
        b'{"s":"x","i":true}',
        b'{"s":"t","i":"7"}',
        b'{"s":"a","i"',
        b"junk",
        b"[1]",
        b'{"n":',
        b"[",
        b"]",
        b"}",
        b",",
        b'{"s":"u","i":5,"n":[',
        b"]}",
        b"",
        b'{"s":"z","i":1}{"s":"y","i":2}',
        b'{"n":{"m":',
    ]
)
mostly_plain = st.lists(
    st.tuples(
        st.one_of(plain, plain, plain, doubtful), st.sampled_from([b"\n"] * 6 + [b"\r\n", b"", b",\n", b"\r"])
    ),
    min_size=1,
    max_size=20,
)


@drawn
@examples(500)
@given(mostly_plain, sizes)
def test_plain_lines_among_damaged_ones_are_what_they_are_at_once(parts, by):
    content = b"".join(part for pair in parts for part in pair)
    assert_as_at_once(content, read(content, **by))


with_commas = st.lists(
    st.tuples(
        st.one_of(plain, plain, plain, doubtful),
        st.sampled_from([b",\n"] * 8 + [b",\r\n", b"\n", b"\n\n", b""]),
    ),
    min_size=1,
    max_size=20,
)


@drawn
@examples(500)
@given(with_commas, sizes)
def test_lines_that_end_with_commas_are_what_they_are_at_once(parts, by):
    content = b"".join(part for pair in parts for part in pair)
    assert_as_at_once(content, read(content, **by))


@drawn
@examples(200)
@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:s1\\ \n\r\ufeff').map(str.encode), sizes)
def test_any_bytes_at_all_are_accounted_for(content, by):
    reading = read(content, **by)
    if reading.reports[0].failure is None:
        assert_as_at_once(content, reading)
    else:
        # A file that says of itself that it is no text: nothing of it is read, and the message says why.
        assert reading.landed_files == reading.quarantined_files == ()


def csv_at_once(content: bytes) -> Parsed:
    return CsvReader(SOURCE).close(content)


CSV_BEGINNINGS = [
    "s,i,d\n",
    "Made today\ns,i,d\n",
    "sep=,\r\ni,s,d\r\n",
    '\ufeff"s","i","d"\n',
    "s,i,d\r",
    "",
]
CSV_LINES = ["a,1,0.5", '"b",2,', '"c ""x""",3,1', "1,2,3", "", ",,", "d,4", 'e"e,5,1', "s,i,d"]
# Within quotes that another line opens, a line may be a row like any other.
CSV_ODD = [
    '"two\nlines",6,1',
    '"two\n1,2,3\n4,5,6\nrows",6,1',
    '"f\\"\n1,2,3\ng",7,1',
    '"never closed,9,1',
    "i,s,d",
    "x,y,z",
    "g,8,1s,i,d",
    "sep=,",
    "i;s;d",
]
csv_rows = st.lists(
    st.tuples(st.sampled_from(CSV_LINES + CSV_ODD), st.sampled_from(["\n"] * 8 + ["\r\n", "\r", "\n\n", ""])),
    max_size=20,
)


@drawn
@examples(1_000)
@given(
    st.sampled_from(CSV_BEGINNINGS),
    csv_rows,
    st.fixed_dictionaries({"ranges": st.integers(20, 120), "overhang": st.integers(0, 30)}),
)
def test_any_csv_in_ranges_of_any_size_is_what_it_is_at_once(beginning, parts, by):
    content = (beginning + "".join(text + end for text, end in parts)).encode()
    assert_as_at_once(content, read(content, "file.csv", **by), csv_at_once)


@pytest.mark.parametrize("row", ["a,{},0.5\n", '"a ""b""","{}","0.5"\r\n', "a,{},0.5\ns,i,d\n"])
def test_all_ranges_have_a_part_of_a_large_csv_file_whose_rows_are_lines(row):
    content = ("s,i,d\n" + "".join(map(row.format, range(100)))).encode()
    MEMORY.pipe_file("/lake/file", content)
    file = LandingFile("file", len(content), "1", WRITTEN, is_csv=None, is_packed=False)
    plan = replace(PLAN, sizes=Sizes(range_bytes=200))
    landed = [run_task(plan, (each,)).ranges[0].counts.landed for each in reader._ranges(plan, [file])]
    assert sum(landed) == 100
    assert min(landed[:-1]) >= 5


LONG = '"' + "line\n" * 100 + '",1,1\n'


@pytest.mark.parametrize("odd", [LONG, f"x,1,1s,i,d\n{LONG}", '"never closed,1,1\n', "i,s,d\n1,a,1\n"])
@pytest.mark.parametrize("at", [0, 50, 100])
def test_a_csv_file_with_an_open_quote_or_another_header_is_read_by_one_task(odd, at):
    good = lines(200)
    rows_of_file = [f"a,{number},0.5\n" for number in range(100)]
    if "i,s,d" in odd:
        rows_of_file[at:] = [f"{number},a,0.5\n" for number in range(at, 100)]
    content = ("s,i,d\n" + "".join([*rows_of_file[:at], odd, *rows_of_file[at:]])).encode()
    files = []
    for name, text in (("a.json", good), ("b.csv", content), ("c.json", good)):
        MEMORY.pipe_file(f"/lake/{name}", text)
        files.append(landing_file(name, StoredFile(name, len(text), WRITTEN, etag="1")))
    ran = []

    def run(plan, ranges, _):
        tasks = reader._packed(ranges, 500, None)
        ran.append(ranges)
        return [TaskReport.from_json(run_task(plan, task).to_json()) for task in tasks]

    with mock.patch.object(reader, "_run", run), mock.patch.object(reader, "_OPEN_COST_BYTES", 0):
        plan = replace(PLAN, sizes=Sizes(300, 50, 10**9))
        reading = reader.read_landing_files(plan, files, mock.Mock(), lambda: Listing(tuple(files), ()))
    landed = Counter(row["source_file"] for row in rows(reading.landed_files))
    whole_csv = csv_at_once(content)
    assert landed == {"a.json": 200, "b.csv": whole_csv.landed.height, "c.json": 200}
    assert [report.counts.landed for report in reading.reports] == [*landed.values()]
    assert len(rows(reading.quarantined_files)) == whole_csv.quarantined.height
    # What the tasks of the other files have read is not read again, but for what shared a task with the file.
    assert len(ran) == 2
    assert len([found for found in ran[1] if found.file != "b.csv"]) <= 2


def test_a_line_inside_a_record_does_not_leave_it_though_it_fills_a_range_alone():
    inner = b'{"s":"in","i":1}'
    content = b'{"s":"out","i":2,"n":[\n' + inner + b"\n" + b"]}\n"
    for ranges in range(1, len(content)):
        reading = read(content, ranges=ranges, overhang=100)
        assert_as_at_once(content, reading)
        assert [row["s"] for row in rows(reading.landed_files)] == ["out"]


def lines(count: int) -> bytes:
    return b"".join(json.dumps({"s": "a", "i": number}).encode() + b"\n" for number in range(count))


PLAIN = b'{"s":"a","i":1}\n{"s":"b","i":22}\n{"s":"c","i":333}\n'


@pytest.mark.parametrize(
    "content",
    [
        PLAIN * 3,
        PLAIN.replace(b"\n", b"\r\n") * 3,
        PLAIN * 2 + b"junk\n" + PLAIN * 2,
        PLAIN + b'{"n":{"m":\n[\n' + PLAIN,
        PLAIN + b'{"s":"cut"\n,\n' + PLAIN,
        PLAIN + b"[\n" + PLAIN + b"]\n" + PLAIN,
        PLAIN + b"\n\n \n" * 9 + PLAIN,
        PLAIN.replace(b"\n", b"\r") * 2,
        b"\xef\xbb\xbf" + PLAIN * 3,
        PLAIN + b'"' + PLAIN,
        PLAIN.rstrip() + PLAIN.rstrip(),
    ],
)
def test_wherever_a_file_is_cut_it_gives_what_it_gives_at_once(content):
    for ranges in sizes_that_cut_differently(content):
        for overhang in (1, 40):
            assert_as_at_once(content, read(content, ranges=ranges, overhang=overhang))


def sizes_that_cut_differently(content: bytes) -> list[int]:
    """Sizes of ranges that cut a file in different places, where those well inside one plain line count as one place.

    Of sizes below a line's, all of which put each line into ranges, these are a few.
    """
    place = list(range(len(content)))
    for line in re.finditer(rb'\{"s":"[abc]","i":\d+\}', content):
        inside = slice(line.start() + 2, line.end() - 1)
        place[inside] = [line.start() + 2] * len(place[inside])
    sizes = [1, 2, 5, 11, *range(len(b'{"s":"a","i":1}'), len(content) + 1)]
    by_cuts = {frozenset(place[size::size]): size for size in reversed(sizes)}
    return sorted(by_cuts.values())


@pytest.mark.parametrize(
    ("separator", "damage"),
    [(b"\n", b""), (b"\n", b"junk\n"), (b",\n", b""), (b",\r\n", b'{"s":"a","i":"7"}\n')],
)
def test_all_ranges_have_a_part_of_a_large_file_whatever_is_in_it(separator, damage):
    content = (lines(50) + damage + lines(50)).replace(b"\n", separator)
    MEMORY.pipe_file("/lake/file.json", content)
    file = LandingFile("file.json", len(content), "1", WRITTEN, is_csv=False, is_packed=False)
    plan = replace(PLAN, sizes=Sizes(range_bytes=200))
    reports = [run_task(plan, (each,)) for each in reader._ranges(plan, [file])]
    landed = [report.ranges[0].counts.landed for report in reports]
    assert sum(landed) == 100 + (damage[:1] == b"{")
    assert min(landed[:-1]) >= 5


def whole(name: str, size: int, **other) -> FileRange:
    return FileRange(name, 0, size, size, **({"is_csv": False, "is_packed": False} | other))


LINES = b'{"s":"a","i":1}\n{"s":"b","i":2}\n{"s":"c","i":3}\n'


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (gzip.compress(gzip.compress(LINES)), "gzip"),
        (b"PK\x03\x04" + LINES, "zip"),
        (b"ORC" + LINES, "ORC"),
        (LINES.decode().encode("utf-16-le"), "UTF-16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("name", ["file.json", "file.csv"])
@pytest.mark.parametrize("ranges", [16, 10_000])
def test_a_file_that_holds_no_text_is_unreadable_and_says_what_it_is(content, what, name, ranges):
    reading = read(content, name, ranges=ranges)
    (file,) = reading.reports
    assert file.failure is not None
    assert f"it holds {'text in ' * what.startswith('UTF')}{'a ' * (what == 'zip')}{what}" in file.failure
    assert not rows(reading.landed_files)
    assert not rows(reading.quarantined_files)


@pytest.mark.parametrize("name", ["file.json", "file", "file.json.gz", "file.zst"])
@pytest.mark.parametrize("ranges", [16, 10_000])
@pytest.mark.parametrize("container", [None, "gzip", "bzip2", "xz", "zstd"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-be"])
def test_a_file_is_text_by_its_first_bytes_whatever_its_name_and_its_ranges(
    name, ranges, container, encoding
):
    text = ("\ufeff" * (encoding != "utf-8")).encode() + LINES
    reading = read(Content(container, encoding, is_csv=False).packed(text), name, ranges=ranges)
    assert [row["s"] for row in rows(reading.landed_files)] == ["a", "b", "c"]
    assert [row["source_position"] for row in rows(reading.landed_files)] == [
        text.index(line) for line in LINES.splitlines()
    ]
    assert not rows(reading.quarantined_files)


@pytest.mark.parametrize("ranges", [16, 10_000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_without_extension_is_csv_if_it_begins_so(ranges, encoding):
    reading = read("s,i\na,1\nb,2\n".encode(encoding), "part-00000", ranges=ranges)
    assert [(row["s"], row["i"]) for row in rows(reading.landed_files)] == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_an_archive_that_breaks_off_leaves_nothing_of_it_and_everything_of_the_others(compress):
    archive = compress(lines(2_000))[:-8]
    MEMORY.pipe_file("/lake/broken", archive)
    MEMORY.pipe_file("/lake/good", lines(3))
    report = run_task(
        OF_SMALL_SIZES,
        (
            whole("good", len(lines(3))),
            whole("broken", len(archive), is_packed=True),
            whole("good", len(lines(3))),
        ),
    )
    assert [row["source_file"] for row in rows(report.landed_files)] == ["good"] * 6
    assert [each.failure is None for each in report.ranges] == [True, False, True]
    assert report.ranges[1].counts.records == 0


def test_a_file_that_is_shorter_or_longer_than_listed_is_read_as_far_as_it_was_listed():
    MEMORY.pipe_file("/lake/file.json", lines(3))
    size = len(lines(3))
    for listed, landed in ((size + 100, 3), (size, 3), (len(lines(2)), 2)):
        report = run_task(PLAN, (whole("file.json", listed),))
        assert (report.ranges[0].counts.landed, report.ranges[0].counts.quarantined) == (landed, 0)
    ranges = tuple(
        FileRange("file.json", start, start + 20, 140, False, False) for start in range(0, 140, 20)
    )
    assert sum(each.counts.landed for each in run_task(PLAN, ranges).ranges) <= 3


def test_network_faults_are_no_fault_of_the_file():
    with (
        mock.patch.object(MEMORY.__class__, "open", side_effect=ConnectionResetError),
        pytest.raises(ConnectionResetError),
    ):
        run_task(PLAN, (whole("file.json", 10),))


def test_rows_are_written_whenever_they_are_many():
    MEMORY.pipe_file("/lake/file.json", lines(1_000))
    report = run_task(OF_SMALL_SIZES, (whole("file.json", len(lines(1_000))),))
    assert len(report.landed_files) >= 5
    assert [row["i"] for row in rows(report.landed_files)] == list(range(1_000))
