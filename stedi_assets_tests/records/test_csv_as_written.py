"""CSV as programs and people write it: titles, no header, decimal commas, two ways of quoting."""

import pytest

from stedi_assets.records.csv_rows import CsvReader
from stedi_assets.records.source import Field, Parsed, Source
from stedi_assets_tests.records.sources import ACCELEROMETER, CUSTOMER, read_in_pieces

STEPS = Source(
    "step_trainer",
    (
        Field("sensorReadingTime", "bigint", required=True, is_time=True),
        Field("serialNumber", "string", required=True),
        Field("distanceFromObject", "bigint", required=True),
    ),
)
T0 = 1655564376361
DEVICE = "00000000-0000-4000-8000-000000000001"
HEADER = "user;timestamp;x;y;z\n"
ROW = f"ann@example.org;{T0};0.5;1;1\n"


def read(text: str, source: Source = ACCELEROMETER) -> Parsed:
    """Read a text; however it is divided, it gives the same."""
    parsed = CsvReader(source).close(text.encode())
    for size in range(1, len(text), 7):
        pieces = read_in_pieces(CsvReader(source), text.encode(), [*range(size, len(text), size)])
        assert pieces.landed.rows() == parsed.landed.rows()
        assert pieces.quarantined.rows() == parsed.quarantined.rows()
        assert (pieces.records, pieces.repaired) == (parsed.records, parsed.repaired)
    return parsed


def reasons(parsed: Parsed) -> list[tuple[str, list[str]]]:
    return parsed.quarantined.select("raw_text", "reasons").rows()


@pytest.mark.parametrize(
    ("above", "titles"),
    [
        ("Export of Monday\n", 1),
        ("Readings;;;;\n\n  Made 2022-06-18, 14:59 \n", 2),
        ('"Readings; ""all"""\r\n', 1),
        ('sep=;\nReadings of "May"\n', 1),
        ("\ufeffReadings\n", 1),
    ],
)
def test_a_title_above_a_header_is_no_record(above, titles):
    parsed = read(above + HEADER + ROW)
    assert parsed.landed["x"].to_list() == [0.5]
    assert (parsed.records, parsed.repaired["title"]) == (1, titles)


@pytest.mark.parametrize(
    "above",
    [
        "ann@example.org\n",
        "Ann at [at] example.org\n",
        f"Device {DEVICE}\n",
        f"From {T0}\n",
        "Ann;Lee;Export;of;Monday\n",
        "12\n",
        "x" * 2000 + "\n",
    ],
)
def test_what_may_be_of_somebody_or_a_record_is_no_title(above):
    parsed = read(above + HEADER + ROW)
    assert reasons(parsed) == [(above.strip(), ["unknown_header"])]
    assert parsed.landed["x"].to_list() == [0.5]


def test_a_title_without_a_header_and_one_between_rows_are_quarantined():
    assert reasons(read("Export of Monday\n" + ROW))[0] == ("Export of Monday", ["unknown_header"])
    assert reasons(read(HEADER + ROW + "Export of Tuesday\n" + HEADER + ROW)) == [
        ("Export of Tuesday", ["field_count"])
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", ", "])
def test_rows_without_a_header_land_where_no_two_columns_have_values_of_one_kind(separator):
    parsed = read(separator.join([str(T0), f'"{DEVICE}"', "100"]) + "\n", STEPS)
    assert parsed.landed.rows()[0][:3] == (T0, DEVICE, 100)
    assert parsed.repaired == {"csv": 1, "headerless": 1}


@pytest.mark.parametrize(
    ("row", "source"),
    [
        # Another order of the columns, a unit that no time has, an empty value, a number for a serial number.
        (f"{DEVICE},{T0},100", STEPS),
        (f"{T0 // 1000},{DEVICE},100", STEPS),
        (f"{T0},{DEVICE},", STEPS),
        (f"{T0},1234567,100", STEPS),
        (f"{T0},{DEVICE},{T0}", STEPS),
        (f"{T0},{DEVICE},100,1", STEPS),
        # Three axes, and four dates, of which one is the consent to research.
        (f"ann@example.org,{T0},0.5,-0.25,0.125", ACCELEROMETER),
        (f"Ann,ann@example.org,555,1950-01-01,{DEVICE},{T0},{T0},{T0},,", CUSTOMER),
    ],
)
def test_rows_without_a_header_are_quarantined_where_columns_are_in_doubt(row, source):
    assert reasons(read(row + "\n", source)) == [(row, ["unknown_header"])]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("0,5;-0,25;,125", (0.5, -0.25, 0.125)),
        ("1,234;0,5;1", (1.234, 0.5, 1.0)),
        ("1,234;-5,678;1,25E-3", (1.234, -5.678, 0.00125)),
    ],
)
def test_decimal_commas_are_read_where_they_are_that_for_sure(written, meant):
    parsed = read(f"{HEADER}ann@example.org;{T0};{written}\n")
    assert parsed.landed.rows()[0][2:5] == meant
    assert parsed.repaired == {"csv": 1, "decimal_comma": 1}


@pytest.mark.parametrize(
    "written", ["1,234;1;2", "1,234;5,678;9,012", "0,5;0.5;1", "1,2,3;0,5;1", "0,5;1.234;1"]
)
def test_a_comma_that_may_part_thousands_is_no_decimal_comma(written):
    row = f"ann@example.org;{T0};{written}"
    assert [text for text, _ in reasons(read(HEADER + row + "\n"))] == [row]


def test_a_decimal_comma_of_a_date_is_exact_or_refused():
    header = "email;serialNumber;lastUpdateDate;shareWithResearchAsOfDate\n"
    rows = [f"ann@example.org;s;{T0},0;{T0},0\n", f"bob@example.org;s;{T0};1,65556E+12\n"]
    parsed = read(header + "".join(rows), CUSTOMER)
    assert parsed.landed["shareWithResearchAsOfDate"].to_list() == [T0]
    assert [why for _, why in reasons(parsed)] == [["wrong_type:shareWithResearchAsOfDate"]]


@pytest.mark.parametrize(
    ("quoted", "meant"),
    [
        (r'"Ann \"A\", Lee"', 'Ann "A", Lee'),
        (r'"Ann \"A\""', 'Ann "A"'),
        (r'"C:\\ann \"A\" b"', r'C:\ann "A" b'),
        ('"Ann ""A"", Lee"', 'Ann "A", Lee'),
        (r'"a\b"', r"a\b"),
        ('"two \\"\nlines\\""', 'two "\nlines"'),
        (r"A\" Lee", r"A\" Lee"),
        ('"A\\"', "A\\"),
    ],
)
def test_quotes_are_doubled_or_behind_a_backslash(quoted, meant):
    text = f'customerName,email,lastUpdateDate,serialNumber\n{quoted},"ann@example.org",{T0},"s"\n'
    parsed = read(text, CUSTOMER)
    assert parsed.landed.select("customerName", "email").rows() == [(meant, "ann@example.org")]


def test_quotes_that_two_ways_read_as_the_same_number_of_values_are_in_doubt():
    # Of an old export with doubled quotes these are three values and a fourth; of another, two and two.
    row = rf'"a\", "b",ann@example.org,{T0},s'
    assert [
        why for _, why in reasons(read(f"customerName,email,lastUpdateDate,serialNumber\n{row}\n", CUSTOMER))
    ] == [["field_count"]]
    last = rf'ann@example.org,{T0},s,"Ann \"'
    parsed = read(f"email,lastUpdateDate,serialNumber,customerName\n{last}\n", CUSTOMER)
    assert reasons(parsed) == [(last, ["not_csv"])]
    assert parsed.quarantined["persons"].to_list() == [["ann@example.org"]]


def test_a_header_of_quoted_names_is_read_by_its_own_separator():
    text = f'"user";"timestamp";"x";"y";"z"\n"ann@example.org";"{T0}";"0.5";"1";"1"\n'
    assert read(text).landed.rows()[0][:3] == ("ann@example.org", T0, 0.5)


CUSTOMERS = "email,serialNumber,lastUpdateDate,shareWithPublicAsOfDate,shareWithResearchAsOfDate"
# Where two such exports are put one behind the other, and the header of the second is not seen, somebody who agreed to
# share with the public alone seems to have agreed to research.
EXCHANGED = "email,serialNumber,lastUpdateDate,shareWithResearchAsOfDate,shareWithPublicAsOfDate"


@pytest.mark.parametrize(
    "above",
    [
        f"bob@example.org,s2,{T0},{T0},{CUSTOMERS}",
        f"bob@example.org,s2,{T0},{T0},{T0}\ufeff{CUSTOMERS}",
        f'bob@example.org,s2,{T0},{T0},"{CUSTOMERS}',
        f"1{CUSTOMERS}",
        CUSTOMERS.replace("email", "e-mail@crm"),
        f'"{CUSTOMERS}',
        CUSTOMERS.replace("serialNumber", "serial;number"),
        "E-Mail Adresse,Seriennummer,Stand,Oeffentlich,Forschung",
    ],
)
def test_behind_another_header_that_cannot_be_read_nobody_knows_the_columns(above):
    first, second = f"ann@example.org,s1,{T0},,{T0}\n", f"eve@example.org,s3,{T0},{T0},\n"
    parsed = read(f"{EXCHANGED}\n{first}{above}\n{second}{CUSTOMERS}\n{second}", CUSTOMER)
    shares = parsed.landed.select("email", "shareWithResearchAsOfDate").rows()
    assert shares == [("ann@example.org", None), ("eve@example.org", None)]
    assert [row[0] for row in reasons(parsed)] == [above, second.strip()]
    assert all("unknown_header" in why for _, why in reasons(parsed))
    assert parsed.quarantined["persons"].to_list()[-1] == ["eve@example.org"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_row_to_which_the_same_header_is_glued_lands(mark):
    parsed = read(HEADER + ROW + ROW.strip() + mark + HEADER + ROW)
    assert (parsed.landed["x"].to_list(), parsed.quarantined.height) == ([0.5] * 3, 0)
    quoted = ROW.replace("1\n", '"1"')
    assert read(HEADER + quoted + HEADER + ROW).landed["z"].to_list() == [1.0, 1.0]


def test_rows_of_separators_alone_and_lines_that_tell_the_separator_are_no_records():
    parsed = read(f";;;;\n{HEADER}{ROW};;;;\n ; ;\nsep=;\n{HEADER}{ROW};;;;;;\n")
    assert (parsed.landed.height, parsed.records) == (2, 2)


@pytest.mark.parametrize("end", [str(T0), "-0.125", "1E+12", EXCHANGED])
def test_a_row_that_is_glued_to_a_number_or_a_header_names_its_person(end):
    parsed = read(f"{EXCHANGED}\nbob@example.org,s2,{T0},,{end}ann@example.org,s1,{T0},,\n", CUSTOMER)
    assert parsed.landed.is_empty()
    assert "ann@example.org" in parsed.quarantined["persons"].explode(empty_as_null=False).to_list()


def test_a_row_of_words_that_are_no_names_leaves_the_columns_as_they_are():
    parsed = read(HEADER + "ann@example.org;never;a;b;c\nn/a;n/a;n/a;n/a;n/a\n2 rows\n" + ROW)
    assert (parsed.landed.height, parsed.quarantined.height) == (1, 3)
