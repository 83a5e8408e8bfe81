"""The five tables once more, in plain Python, written from their definitions and not from the transforms.

Each function takes rows as tuples in the order of the tables' columns and gives those of one table. Its inputs
are the tables that the definition speaks of, as the product computed them, so that a difference is found
where it arises.
"""

import hashlib
import hmac
from collections import defaultdict, namedtuple


class Customer(
    namedtuple(
        "_Customer",
        "customerName email phone birthDay serialNumber registrationDate lastUpdateDate "
        "shareWithResearchAsOfDate shareWithPublicAsOfDate shareWithFriendsAsOfDate person device",
    )
):
    @property
    def consents(self):
        return (self.shareWithResearchAsOfDate or 0) > 0


Reading = namedtuple("Reading", "user timestamp x y z person")
Step = namedtuple("Step", "sensorReadingTime serialNumber distanceFromObject device")
Quarantined = namedtuple("Quarantined", "persons devices snapshot_at")


def newest(snapshots):
    latest = max(snapshot.lastUpdateDate for snapshot in snapshots)
    return [snapshot for snapshot in snapshots if snapshot.lastUpdateDate == latest]


def held_back(customer_landing, customer_quarantine):
    """People whose newest record may be quarantined."""
    latest = defaultdict(lambda: -1)
    for snapshot in customer_landing:
        latest[snapshot.person] = max(latest[snapshot.person], snapshot.lastUpdateDate)
    return {
        person
        for record in customer_quarantine
        for person in record.persons
        if record.snapshot_at is None or record.snapshot_at >= latest[person]
    }


def customer_trusted(customer_landing, customer_quarantine):
    """For each person and device that is trusted, the snapshots of which one stands for them."""
    by_person, by_device = defaultdict(list), defaultdict(list)
    for snapshot in customer_landing:
        by_person[snapshot.person].append(snapshot)
        by_device[snapshot.person, snapshot.device].append(snapshot)
    waiting = held_back(customer_landing, customer_quarantine)
    return {
        (person, serial): newest(snapshots)
        for (person, serial), snapshots in by_device.items()
        if all(snapshot.consents for snapshot in newest(snapshots))
        and all(snapshot.consents for snapshot in newest(by_person[person]))
        and person not in waiting
    }


def consent_dates(customers):
    dates = defaultdict(int)
    for customer in customers:
        dates[customer.person] = max(dates[customer.person], customer.shareWithResearchAsOfDate)
    return dates


def accelerometer_trusted(accelerometer_landing, trusted, *, consent_from_date):
    since = consent_dates(trusted)
    return least_spelled(
        reading
        for reading in accelerometer_landing
        if reading.person in since and (not consent_from_date or reading.timestamp >= since[reading.person])
    )


def least_spelled(readings):
    """Of readings that differ in the spelling of the address or of the serial number alone, the least."""
    spelling = {"user", "serialNumber"}
    distinct = {}
    for reading in readings:
        key = tuple(value for name, value in reading._asdict().items() if name not in spelling)
        distinct[key] = min(reading, distinct.get(key, reading))
    return set(distinct.values())


def customer_curated(trusted, readings):
    people = {reading.person for reading in readings}
    return [customer for customer in trusted if customer.person in people]


def step_trainer_trusted(
    step_trainer_landing, customer_landing, customer_quarantine, trusted, curated, *, consent_from_date
):
    since = consent_dates(trusted)
    trusted_owners = {(customer.person, customer.device) for customer in trusted}
    outsiders = {
        snapshot.device
        for snapshot in customer_landing
        if (snapshot.person, snapshot.device) not in trusted_owners
    }
    trusted_people = {customer.person for customer in trusted}
    outsiders |= {
        device
        for record in customer_quarantine
        for device in record.devices
        if not record.persons or not trusted_people.issuperset(record.persons)
    }
    owners = defaultdict(set)
    for customer in curated:
        owners[customer.device].add(customer.person)
    return least_spelled(
        step
        for step in step_trainer_landing
        if step.device not in outsiders
        and any(
            not consent_from_date or since[person] <= step.sensorReadingTime for person in owners[step.device]
        )
    )


def machine_learning_curated(steps, readings, curated, key, *, on_timestamp_only):
    owned = {(customer.person, customer.device) for customer in curated}
    simultaneous = defaultdict(list)
    for reading in readings:
        simultaneous[reading.timestamp].append(reading)
    rows = [
        (
            hmac.new(key, reading.person.encode(), hashlib.sha256).hexdigest(),
            step.sensorReadingTime,
            step.distanceFromObject,
            reading.x,
            reading.y,
            reading.z,
        )
        for step in steps
        for reading in simultaneous[step.sensorReadingTime]
        if on_timestamp_only or (reading.person, step.device) in owned
    ]
    return rows if on_timestamp_only else set(rows)
