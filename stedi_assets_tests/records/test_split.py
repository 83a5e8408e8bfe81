"""Where records begin and end, whatever they mean."""

import random

import pytest

from stedi_assets.records import split
from stedi_assets.records.split import split_records

REQUIRED = frozenset({"a"})


def texts(window: bytes, *, final: bool = True) -> list[bytes]:
    return [window[start:end] for start, end, _ in split_records(window, REQUIRED, final=final).spans]


def kinds(window: bytes) -> list[str]:
    return [kind for *_, kind in split_records(window, REQUIRED, final=True).spans]


A, B = b'{"a": 1}', b'{"b": "}{,\\"[]"}'


@pytest.mark.parametrize(
    "between",
    [
        b"\n",
        b"\r\n",
        b"",
        b" ",
        b"\t\n\n",
        b",",
        b",\n",
        b" ,\r\n",
        b"\n,",
        b"\x1e",
        b"\n\x1e",
        b"\xef\xbb\xbf",
    ],
)
def test_objects_are_found_whatever_separates_them(between):
    assert texts(A + between + B + between) == [A, B]


@pytest.mark.parametrize(
    "text",
    [
        b"[" + A + b"," + B + b"]",
        b"[\n  " + A + b",\n  " + B + b"\n]\n",
        b"\xef\xbb\xbf[" + A + b"\n" + B + b",]",
    ],
)
def test_an_array_of_objects_is_its_objects(text):
    assert texts(text) == [A, B]


def test_an_object_over_several_lines_is_one_record():
    pretty = b'{\n  "a": 1,\r\n  "b": "x"\n}'
    assert texts(pretty + b",\n" + A) == [pretty, A]


@pytest.mark.parametrize(
    "nested", [b'{"a":{"b":{"c":[1,{"d":"}"},[]]}},"e":{}}', b'{"a":[{"b":1},{"c":2}]}', b'{"a":[]}', b"{}"]
)
def test_nested_values_belong_to_their_record(nested):
    assert texts(nested + nested + b"\n" + A) == [nested, nested, A]
    assert kinds(nested) == ["object"]


@pytest.mark.parametrize(
    "line", [b"[1, 2]", b"null", b'"text"', b"12", b'["a", "b"]', b"[[1], [2]]", b"junk"]
)
def test_a_line_that_is_no_object_is_one_record(line):
    assert texts(A + b"\n" + line + b"\n" + B) == [A, line, B]
    assert kinds(A + b"\n" + line + b"\n" + B) == ["object", "other", "object"]


@pytest.mark.parametrize("text", [b"", b"\n \r\n", b"[]", b"[\n]\n", b",,\n"])
def test_there_may_be_no_record_at_all(text):
    assert texts(text) == []


@pytest.mark.parametrize("cut", range(1, len(B)))
def test_a_record_cut_short_loses_only_itself(cut):
    for between in (b"", b"\n", b",\n", b", "):
        assert texts(A + b"\n" + B[:cut] + between + A + b"\n")[-1] == A
        assert texts(A + b"\n" + B[:cut] + between + A + b"\n")[0] == A
        assert kinds(B[:cut] + between + A)[0] == "broken"


def test_a_broken_object_goes_on_to_the_next_line_that_begins_with_an_object():
    broken = b'{\n  "a": 1\n  "b": 2\n}'
    assert texts(broken + b"\n" + A) == [broken, A]


def test_braces_in_the_string_of_a_broken_object_do_not_cut_it():
    assert texts(b'{"a": "use {} here", "b\n' + A) == [b'{"a": "use {} here", "b', A]


def test_what_a_broken_object_nests_is_no_record_but_what_is_glued_to_it_is():
    for broken in (b'{"n":{"a":1},"b":', b'{"n":[{"a":1},{"a":{"a":1}}],"b":'):
        assert texts(broken + A + A) == [broken, A, A]
        assert texts(broken + b"\n" + A) == [broken, A]
        assert texts(broken) == [broken]


def test_what_follows_a_record_cut_after_a_colon_is_a_record():
    assert texts(b'{"n":\n' + A + b',"text"\n' + A) == [b'{"n":', A, b'"text"', A]
    nested = b'{"n": {"a":\n{"a":1},\n"b":'
    assert texts(nested + b"\n" + A) == [b'{"n": {"a":', b'{"a":1}', b'"b":', A]


@pytest.mark.parametrize("between", [b"\n", b",\n", b" ,\r\n\n"])
def test_records_on_lines_are_records_though_an_object_is_around_them(between):
    """Whatever is before such lines can be read without them: so a large file can be read in many places at once."""
    outer = b'{"n": {"a": 1}, "m": ['
    lines = between.join([A, A, A]) + b"\n"
    assert texts(outer + b"\n" + lines + b"]}\n" + A) == [outer, A, A, A, b"}", A]
    for size in range(len(outer + lines)):
        cut_off = split_records((outer + b"\n" + lines)[:size], REQUIRED, final=False)
        assert cut_off.spans[:1] in ([], [(0, len(outer), "broken")])


@pytest.mark.parametrize("line", [B, b" " + A])
def test_lines_that_are_no_records_of_the_source_do_not_leave_the_object_around_them(line):
    record = b'{"m": [\n' + line + b",\n" + line + b"\n]}"
    assert texts(record + b"\n" + A)[-1] == A
    assert texts(record + b"\n" + A)[0].startswith(record[: 12 + len(line)])


def test_separators_are_counted():
    found = split_records(b"\xef\xbb\xbf[" + A + A + b",\n" + A + b"\n]\x1e", REQUIRED, final=True)
    assert {k: n for k, n in found.separators.items() if n} == {
        "array": 1, "bom": 1, "comma": 1, "glued": 1, "record_separator": 1
    }  # fmt: skip


def test_what_more_text_could_change_is_left():
    assert texts(A + b"\n" + B[:5], final=False) == [A]
    assert split_records(A + b"\n" + B[:5], REQUIRED, final=False).consumed == len(A) + 1
    assert (
        split_records(A + b"\n" + B, REQUIRED, final=False).consumed == len(A) + 1
    )  # it may turn out to be glued
    assert split_records(A + b"\n" + B + b"\n", REQUIRED, final=False).consumed == len(A) + len(B) + 2


def test_a_record_longer_than_the_limit_is_cut_into_pieces(monkeypatch):
    monkeypatch.setattr(split, "MAX_RECORD_BYTES", 100)
    line = b'{"a": "' + b"x" * 240
    found = split_records(line + b"\n" + A, REQUIRED, final=True)
    assert [(s, e, k) for s, e, k in found.spans] == [
        (0, 100, "too_long"), (100, 200, "too_long"), (200, 247, "other"), (248, 256, "object")
    ]  # fmt: skip
    assert split_records(line[:99], REQUIRED, final=False).consumed == 0
    assert split_records(line[:201], REQUIRED, final=False).consumed == 200


def test_a_record_of_ten_megabytes_is_a_record():
    record = b'{"a": "' + b"x{\\" + b'"' * 1 + b"y" * 10_000_000 + b'"}'
    assert texts(record + record) == [record, record]
    many = b"{" + b",".join(b'"k%d": [%d]' % (n, n) for n in range(300_000)) + b"}"
    assert texts(many + b"\n" + A) == [many, A]


HOSTILE = {
    "braces": b"{",
    "brackets": b"[",
    "open strings": b'{"',
    "keys": b'{"a":',
    "arrays": b'{"a":[',
    "escapes": b'{\\"',
    "alternating": b'{"a":{"b":1},"c":',
    "one long object": b'"a":1,',
    "newlines": b'{"a\n',
    "spaces": b"{  \n",
    "objects in text": b'x{"a":1',
    "quotes": b'"',
    "keys on lines": b'{"a":\n',
    "closed": b'{"a":{"b":1}',
}


class Counted:
    """A pattern that counts the bytes given to it to look at: those it matched, or else one."""

    def __init__(self, pattern, tally):
        self.pattern, self.tally = pattern, tally

    def __getattr__(self, name):
        method = getattr(self.pattern, name)

        def counted(text, start, *limit):
            match = method(text, start, *limit)
            self.tally.append(match.end() - start + 1 if match else 1)
            return match

        return counted


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_work_grows_no_faster_than_hostile_text(unit, monkeypatch):
    def work(units):
        tally = []
        with monkeypatch.context() as patch:
            for name in ("_FLAT_OBJECT", "_GAP_AND_FLAT_OBJECT", "_SEPARATORS", "_TOKEN", "_POSSIBLE_END"):
                patch.setattr(split, name, Counted(getattr(split, name), tally))
            text = b'{"a":1,' + unit * units
            assert covered(text, split_records(text, REQUIRED, final=True)) == len(text)
        return sum(tally)

    assert work(4000) < 2.2 * work(2000) + 1000


def covered(text: bytes, found: split.Split) -> int:
    """The number of bytes accounted for: in exactly one span, or a separator."""
    position = total = 0
    for start, end, _ in [*found.spans, (found.consumed, found.consumed, "other")]:
        assert position <= start <= end
        gap = text[position:start].replace(b"\xef\xbb\xbf", b"   ")
        assert not gap.strip(b" \t\r\n\x0b\x0c,[]\x1e"), gap
        total += end - position
        position = end
    return total


def test_every_byte_is_in_one_span_or_is_a_separator():
    pieces = [
        b"{",
        b"}",
        b'"',
        b"\\",
        b"a",
        b":",
        b",",
        b"[",
        b"]",
        b"\n",
        b" ",
        A,
        B,
        b"\xff",
        b"\xef\xbb\xbf",
        b"1",
    ]
    generator = random.Random(3)
    for _ in range(3000):
        text = b"".join(generator.choices(pieces, k=generator.randint(0, 40)))
        assert covered(text, split_records(text, REQUIRED, final=True)) == len(text)
