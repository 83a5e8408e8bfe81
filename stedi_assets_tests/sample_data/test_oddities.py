"""Every oddity of the real data is in the sample lake."""

import json
import re
from collections import Counter, defaultdict


def by_age(rows: list[dict]) -> list[dict]:
    return sorted(rows, key=lambda row: row["lastUpdateDate"])


def test_people_are_invented(sample):
    for row in sample.customers:
        assert re.fullmatch(r"\w+\.\w+@example\.(com|org|net)", sample.person(row["email"]))
        assert re.fullmatch(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}", row["serialNumber"])
        assert row["phone"] == "8015550123"
    assert all(re.search(r"@example\.(com|org|net)$", sample.person(row["user"])) for row in sample.readings)


def test_consent_is_absent_null_zero_or_a_float(sample):
    given = [re.search(r'"shareWithResearchAsOfDate": ([^,}]+)', line) for line in sample.lines["customer"]]
    texts = [match[1] if match else "absent" for match in given]
    assert {"absent", "null", "0"} <= set(texts)
    floats = [text for text in texts if re.fullmatch(r"1\.\d{12}E12", text)]
    assert floats
    assert all(float(text).is_integer() for text in floats)


def test_birthdays_are_odd(sample):
    years = {row["birthDay"].removesuffix("-01-01") for row in sample.customers}
    assert any(len(year) == 3 for year in years)
    assert any("1000" <= year < "1500" for year in years)


def test_people_have_many_snapshots_and_several_devices(sample):
    assert max(len(rows) for rows in sample.snapshots.values()) >= 20
    devices = Counter(len({row["serialNumber"] for row in rows}) for rows in sample.snapshots.values())
    assert devices[2] > 20


def test_consent_was_withdrawn_and_given_in_the_newest_snapshot(sample):
    changes = Counter(
        (sample.consents(by_age(rows)[-2]), sample.consents(by_age(rows)[-1]))
        for rows in sample.snapshots.values()
        if len({row["serialNumber"] for row in rows}) == 1
        and len({row["lastUpdateDate"] for row in rows}) > 1
    )
    assert min(changes[True, False], changes[False, True], changes[True, True]) > 10


def test_consent_of_one_device_does_not_outlive_withdrawal_on_another(sample):
    cases = Counter()
    for rows in sample.snapshots.values():
        older, newest = by_age(rows)[-2:] if len(rows) > 1 else (None, None)
        if older and older["serialNumber"] != newest["serialNumber"]:
            tie = older["lastUpdateDate"] == newest["lastUpdateDate"]
            cases["tie" if tie else (sample.consents(older), sample.consents(newest))] += 1
    assert min(cases[True, False], cases[False, True], cases[True, True], cases["tie"]) >= 4


def test_ties_of_the_newest_snapshot_hold_one_without_consent(sample):
    ties = 0
    for rows in sample.snapshots.values():
        newest = [row for row in rows if row["lastUpdateDate"] == by_age(rows)[-1]["lastUpdateDate"]]
        if len(newest) > 1 and len({row["serialNumber"] for row in newest}) == 1:
            assert sorted(sample.consents(row) for row in newest) == [False, True]
            ties += 1
    assert ties >= 5


def test_serial_numbers_are_shared_by_many(sample):
    shared = {serial: owners for serial, owners in sample.owners.items() if len(owners) > 5}
    trusted = sample.trusted
    kinds = Counter((bool(owners & trusted), bool(owners - trusted)) for owners in shared.values())
    assert kinds.keys() == {(True, False), (True, True), (False, True)}
    assert max(len(owners) for owners in shared.values()) >= 30


def test_shared_device_with_an_owner_who_is_out_withholds_readings_of_the_other_owner(sample):
    trusted = sample.trusted
    mixed = {serial for serial, owners in sample.owners.items() if owners & trusted and owners - trusted}
    moments = {(sample.person(row["user"]), row["timestamp"]) for row in sample.readings}
    withheld = [
        row
        for row in sample.steps
        if row["serialNumber"] in mixed
        and any(
            (owner, row["sensorReadingTime"]) in moments
            for owner in sample.owners[row["serialNumber"]] & trusted
        )
    ]
    assert len(withheld) >= 20


def test_emails_are_spelled_differently_in_the_two_sources(sample):
    ours = {row["email"] for row in sample.customers}
    users = {row["user"] for row in sample.readings}
    differing = {user for user in users - ours if sample.person(user) in sample.snapshots}
    assert len(differing) > 20
    for emails in (ours, users):
        assert any(email != email.strip() for email in emails)
        assert any(email != email.lower() and email != email.upper() for email in emails)


def test_moments_hold_up_to_four_different_readings_of_a_person(sample):
    distinct = set(sample.lines["accelerometer"])
    bursts = Counter(Counter(line.partition(',"x"')[0] for line in distinct).values())
    assert bursts[3] > bursts[2] > bursts[1] > 0
    assert bursts[4] > 0


def test_different_people_have_readings_in_the_same_millisecond(sample):
    people = defaultdict(set)
    for row in sample.readings:
        people[row["timestamp"]].add(sample.person(row["user"]))
    assert sum(len(names & sample.trusted) > 1 for names in people.values()) > 100


def test_whole_rows_were_delivered_twice(sample):
    for source, again in (("accelerometer", 400), ("step_trainer", 120)):
        lines = sample.lines[source]
        assert len(lines) - len(set(lines)) == again
    twice = Counter(sample.lines["accelerometer"])
    people = {sample.person(json.loads(line)["user"]) for line, count in twice.items() if count > 1}
    assert people & sample.trusted
    assert people - sample.trusted


def test_readings_of_people_who_are_out_or_unknown(sample):
    users = {sample.person(row["user"]) for row in sample.readings}
    devices = {row["serialNumber"] for row in sample.steps}
    assert users & (sample.snapshots.keys() - sample.trusted)
    assert users - sample.snapshots.keys()
    assert devices - sample.owners.keys()
    assert any(not owners & sample.trusted for serial, owners in sample.owners.items() if serial in devices)
    assert sample.trusted <= users


def test_some_readings_have_no_step_some_have_two_and_some_steps_no_reading(sample):
    shared = {name for owners in sample.owners.values() if len(owners) > 1 for name in owners}
    people = sample.trusted - shared
    steps = Counter(
        (owner, row["sensorReadingTime"])
        for row in map(json.loads, set(sample.lines["step_trainer"]))
        for owner in sample.owners[row["serialNumber"]] & people
    )
    moments = {
        (name, row["timestamp"]) for row in sample.readings if (name := sample.person(row["user"])) in people
    }
    assert moments - steps.keys()
    assert steps.keys() - moments
    assert any(count == 2 and moment in moments for moment, count in steps.items())


def test_values_have_the_reference_shape(sample):
    assert {row["x"] for row in sample.readings} == {row["y"] for row in sample.readings} == {-1.0, 0.0, 1.0}
    assert {row["z"] for row in sample.readings} == {-1.0, 0.0}
    distances = {row["distanceFromObject"] for row in sample.steps}
    assert (min(distances), max(distances)) == (201, 300)
    assert re.fullmatch(
        r'\{"user":"[^"]+","timestamp":17\d{11},"x":-?[01]\.0,"y":-?[01]\.0,"z":-?[01]\.0\}',
        sample.lines["accelerometer"][0],
    )
    assert re.fullmatch(
        r'\{"sensorReadingTime":17\d{11},"serialNumber":"[^"]+","distanceFromObject":\d{3}\}',
        sample.lines["step_trainer"][0],
    )
