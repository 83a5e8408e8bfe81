"""The row counts that the sample data must lead to, by a plain evaluation of the tables' definitions.

Deliberately without Spark: the pipeline is held to these counts, so they must come about by another route.
"""

from collections import Counter, defaultdict

from stedi_assets.sample_data.customers import Customer
from stedi_assets.sample_data.sessions import Reading, Step

# Name of the counts -> (STEDI_CONSENT_FROM_DATE, STEDI_ML_MATCH=timestamp).
POLICIES = {
    "default": (False, False),
    "consent_from_date": (True, False),
    "match_timestamp": (False, True),
    "consent_from_date_match_timestamp": (True, True),
}


def count_rows(
    customers: list[Customer], readings: list[Reading], steps: list[Step]
) -> dict[str, Counter[str]]:
    """Rows of the eight tables under each policy, by the policies' names."""
    trusted = _customer_trusted(customers)
    consent_dates: dict[str, int] = {}
    for (person, _), consent in trusted.items():
        consent_dates[person] = max(consent, consent_dates.get(person, 0))
    barred = {row.serial for row in customers if (_person(row.email), row.serial) not in trusted}
    people = {user: _person(user) for user in {row.user for row in readings}}
    distinct_readings = [row for row in set(readings) if people[row.user] in consent_dates]
    distinct_steps = {row for row in steps if row.serial not in barred}

    counts: dict[str, Counter[str]] = {}
    for policy, (from_date, match_timestamp) in POLICIES.items():
        kept = [
            (people[row.user], row.timestamp)
            for row in distinct_readings
            if not from_date or row.timestamp >= consent_dates[people[row.user]]
        ]
        active = {person for person, _ in kept}
        curated = [pair for pair in trusted if pair[0] in active]
        owners: defaultdict[str, list[str]] = defaultdict(list)
        for person, serial in curated:
            owners[serial].append(person)
        kept_steps = [
            row
            for row in distinct_steps
            if row.serial in owners
            and (not from_date or any(consent_dates[owner] <= row.time for owner in owners[row.serial]))
        ]
        if match_timestamp:
            at_time = Counter(time for _, time in kept)
            matched = sum(at_time[row.time] for row in kept_steps)
        else:
            of_person = Counter(kept)
            matched = sum(of_person[owner, row.time] for row in kept_steps for owner in owners[row.serial])
        counts[policy] = Counter(
            customer_landing=len(customers),
            accelerometer_landing=len(readings),
            step_trainer_landing=len(steps),
            customer_trusted=len(trusted),
            accelerometer_trusted=len(kept),
            customer_curated=len(curated),
            step_trainer_trusted=len(kept_steps),
            machine_learning_curated=matched,
        )
    return counts


def _person(email: str) -> str:
    return email.strip().lower()


def _customer_trusted(customers: list[Customer]) -> dict[tuple[str, str], int]:
    """(Person, serial number) -> consent date; on a tie the snapshot without consent is the newest."""
    of_device: dict[tuple[str, str], tuple[int, bool, int]] = {}
    of_person: dict[str, tuple[int, bool, int]] = {}
    for row in customers:
        person = _person(row.email)
        snapshot = (row.last_update, row.consent == 0, row.consent)
        of_device[person, row.serial] = max(snapshot, of_device.get((person, row.serial), snapshot))
        of_person[person] = max(snapshot, of_person.get(person, snapshot))
    return {
        pair: consent
        for pair, (_, _, consent) in of_device.items()
        if consent > 0 and of_person[pair[0]][2] > 0
    }
