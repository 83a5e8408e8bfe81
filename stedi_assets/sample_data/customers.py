"""The customer records: one snapshot of a person and device at each ``lastUpdateDate``, oddities included."""

import random
from typing import NamedTuple

from stedi_assets.sample_data.people import Person, spelled

PHONE = "8015550123"  # of the range 555-0100 to 555-0199, which is kept for fiction
_MINUTE_MS = 60 * 1000

_CONSENT_BEFORE_SESSION, _CONSENT_DURING_SESSION = (
    0.45,
    0.96,
)  # cumulative shares; the others consent afterwards
_FLOAT_SHARE = 0.04


class Customer(NamedTuple):
    """A snapshot: the values that decide on consent, and the record as it is delivered.

    ``consent`` is the research consent date in epoch ms, 0 where the record has none, null or 0.
    """

    email: str
    serial: str
    last_update: int
    consent: int
    line: str


def snapshot_customers(rng: random.Random, people: list[Person]) -> list[Customer]:
    """All snapshots of people with recorded sessions, in random order."""
    rows = [row for person in people for row in _snapshots(rng, person)]
    rng.shuffle(rows)
    return rows


def _snapshots(rng: random.Random, person: Person) -> list[Customer]:
    newest = _newest_date(rng, person.times)
    gap = rng.randrange(_MINUTE_MS, 3 * 24 * 60 * _MINUTE_MS)
    birthday = f"{rng.randrange(900, 2010)}-01-01"
    registered = newest - gap * max((age for _, age, _ in person.story.snapshots), default=0)
    rows = []
    for device, age, consents in person.story.snapshots:
        email, serial, updated = spelled(rng, person.email), person.serials[device], newest - gap * age
        fields = {
            "customerName": f'"{person.name}"',
            "email": f'"{email}"',
            "phone": f'"{PHONE}"',
            "birthDay": f'"{birthday}"',
            "serialNumber": f'"{serial}"',
            "registrationDate": str(registered),
            "lastUpdateDate": str(updated),
            "shareWithResearchAsOfDate": _consent_text(rng, updated) if consents else _no_consent_text(rng),
            "shareWithPublicAsOfDate": rng.choice((str(updated), "")),
            "shareWithFriendsAsOfDate": rng.choice((str(updated), "")),
        }
        line = "{" + ", ".join(f'"{name}": {text}' for name, text in fields.items() if text) + "}"
        rows.append(Customer(email, serial, updated, updated if consents else 0, line))
    return rows


def _newest_date(rng: random.Random, times: list[int]) -> int:
    """Before, during or after the session: a policy may drop readings from before the consent date."""
    chance = rng.random()
    if chance < _CONSENT_BEFORE_SESSION:
        return times[0] - rng.randrange(60 * _MINUTE_MS)
    if chance < _CONSENT_DURING_SESSION:
        return rng.choice(times[: len(times) * 4 // 5])
    return times[-1] + rng.randrange(1, 60 * _MINUTE_MS)


def _consent_text(rng: random.Random, date: int) -> str:
    if rng.random() < _FLOAT_SHARE:
        digits = str(date)
        return f"{digits[0]}.{digits[1:]}E{len(digits) - 1}"
    return str(date)


def _no_consent_text(rng: random.Random) -> str:
    """Absent (the empty text) most often, else null or 0."""
    return rng.choice(("", "", "", "null", "0"))
