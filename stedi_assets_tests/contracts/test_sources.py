"""Which records of a customer file land, and whom the others name: what the rules of reading do for consent."""

import json

import polars as pl
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.sources import CLOCK_SKEW_MS, source_of
from stedi_assets.records.csv_rows import CsvReader
from stedi_assets.records.json_reader import JsonReader
from stedi_assets.sources import SOURCES
from stedi_assets_tests.builders.rows import ANN, SERIAL, T0, customer
from stedi_assets_tests.records.sources import read_fast

NOW = T0 + 10 * CLOCK_SKEW_MS
SOURCE = source_of(CONTRACTS["customer_landing"], read_at=NOW)


def text_of(**fields) -> bytes:
    """A customer record as its source delivers it."""
    names = {field.name for field in SOURCE.fields}
    row = {name: value for name, value in customer().items() if name in names}
    return json.dumps(row | fields, ensure_ascii=False).encode()


def read(text: bytes):
    return JsonReader(SOURCE).close(text)


def test_a_snapshot_that_is_as_new_as_a_wrong_clock_may_make_it_lands():
    parsed = read(text_of(lastUpdateDate=NOW + CLOCK_SKEW_MS))

    assert parsed.landed.select("person", "device").rows() == [(ANN, SERIAL)]


@pytest.mark.parametrize("updated", [NOW + CLOCK_SKEW_MS + 1, 3_993_753_600_000])
def test_a_snapshot_of_the_future_is_quarantined_with_its_time(updated):
    text = text_of(lastUpdateDate=updated)
    for parsed in (read(text), read_fast(text, SOURCE)):
        assert parsed.landed.is_empty()
        assert parsed.quarantined.select("reasons", "persons", "devices", "snapshot_at").rows() == [
            (["rule:snapshot_not_in_future"], [ANN], [SERIAL], updated)
        ]


def test_only_customer_snapshots_have_a_time_that_reading_limits():
    for source in ("accelerometer", "step_trainer"):
        contract = CONTRACTS[f"{source}_landing"]
        assert source_of(contract, read_at=NOW) == source_of(contract)


@pytest.mark.parametrize("field", ["Research", "Public", "Friends"])
@pytest.mark.parametrize(
    ("date", "lands"),
    [(0, True), (None, True), (T0, True), (T0 // 1000, False), (T0 * 1000, False), (-1, False)],
)
def test_a_consent_date_is_0_or_a_time_in_milliseconds(field, date, lands):
    parsed = read(text_of(**{f"shareWith{field}AsOfDate": date}))

    assert parsed.landed.height == lands
    assert parsed.quarantined["reasons"].to_list() == (
        [] if lands else [[f"rule:plausible_{field.lower()}_date"]]
    )


REFUSALS = [
    "null",
    "0",
    "false",
    '"NULL"',
    r'"\\N"',
    "NaN",
    '"NaN"',
    '"N/A"',
    '"1970-01-01T00:00:00Z"',
]
DOUBTFUL = ["true", '"yes"', '"no"', "-1", '"1970-01-01"', "1.65556E+12", "{}", "[]", "1e400"]


@pytest.mark.parametrize("answer", REFUSALS)
def test_a_withdrawal_lands_however_it_is_written(answer):
    text = text_of(shareWithResearchAsOfDate="?").replace(b'"?"', answer.encode())
    in_csv = f"email,lastUpdateDate,shareWithResearchAsOfDate,serialNumber\n{ANN},{T0},%s,S 1\n"
    of_csv = CsvReader(SOURCE).close((in_csv % json.loads(answer)).encode())
    for parsed in (read(text), of_csv):
        assert not any(parsed.landed["shareWithResearchAsOfDate"])
        assert parsed.landed["person"].to_list() == [ANN]


@pytest.mark.parametrize("answer", DOUBTFUL)
def test_a_withdrawal_that_cannot_be_read_is_quarantined_and_names_the_person(answer):
    text = text_of(shareWithResearchAsOfDate="?").replace(b'"?"', answer.encode())
    found = read(text).quarantined

    assert found.select("persons", "devices").rows() == [([ANN], [SERIAL])]
    assert found["snapshot_at"].to_list() == [None if answer == "{}" else T0]


@pytest.mark.parametrize(
    "answer", ["true", "no", "-1", "1970-01-01", "1.65556E+12", "2022-06-18T14:59:36", "-"]
)
def test_a_withdrawal_in_csv_that_cannot_be_read_is_quarantined_and_names_the_person(answer):
    text = f"email,lastUpdateDate,shareWithResearchAsOfDate,serialNumber\n{ANN},{T0},{answer},S 1\n"
    found = CsvReader(SOURCE).close(text.encode()).quarantined

    assert found.select("persons", "devices", "snapshot_at").rows() == [([ANN], ["s 1"], T0)]


def test_an_address_or_a_serial_number_of_nothing_but_white_space_is_a_missing_field():
    for name in ("email", "serialNumber"):
        text = text_of(**{name: " \u00a0\u200b"})
        for parsed in (read(text), read_fast(text, SOURCE)):
            assert parsed.quarantined["reasons"].to_list() == [[f"missing_field:{name}"]]


def test_an_address_lands_whatever_is_around_it_and_one_without_at_does_not():
    padded = text_of(email=f"\u00a0{ANN.upper()}\u200b")

    assert read(padded).landed["person"].to_list() == [ANN]
    assert read(text_of(email="ann")).quarantined["reasons"].to_list() == [["rule:email_is_e_mail"]]


def test_every_date_of_every_source_is_a_time():
    times = [
        field.name
        for name in SOURCES
        for field in source_of(CONTRACTS[f"{name}_landing"]).fields
        if field.is_time
    ]
    assert times == [
        "registrationDate",
        "lastUpdateDate",
        "shareWithResearchAsOfDate",
        "shareWithPublicAsOfDate",
        "shareWithFriendsAsOfDate",
        "timestamp",
        "sensorReadingTime",
    ]


def test_the_shared_cases_of_withdrawals_land_or_name_the_person(shared):
    newest = {}
    for case, file in (
        ("02-csv-null-literal-withdrawal", "day2.csv"),
        ("25-csv-space-quote-withdrawal", "day2.csv"),
        ("29-json-false-withdrawal", "day2.json"),
        ("26-consent-date-in-seconds", "customer.json"),
    ):
        text = (shared / "cases" / case / "customer" / "landing" / file).read_bytes()
        parsed = CsvReader(SOURCE).close(text) if file.endswith("csv") else read(text)
        refused = parsed.landed.filter(pl.col("shareWithResearchAsOfDate").is_null())["person"].to_list()
        newest[case[:2]] = (
            refused,
            parsed.quarantined["persons"].to_list(),
            parsed.quarantined["snapshot_at"].to_list(),
        )

    one, two, three = (f"person{number}@example.org" for number in (1, 2, 3))
    day_2 = 1_655_650_776_361
    assert newest == {
        "02": ([one], [], []),
        "25": ([one], [], []),
        # Two refused; the third has a date in seconds.
        "29": ([one], [[three]], [day_2]),
        "26": ([], [[two]], [1_655_564_376_361]),
    }
