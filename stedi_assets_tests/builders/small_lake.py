"""A small literal lake with every oddity of consent."""

from pathlib import Path
from typing import Any

from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.rows import T0, customer, reading, step

DAY = 86_400_000
# When snapshots were taken, and when readings were.
OLD, NEW = T0 + DAY, T0 + 2 * DAY
MOMENTS = (T0 + 3 * DAY, T0 + 3 * DAY + 20)
# Before anybody had consented; at OLD, only Fay and Kim, for a second time, had not.
EARLY = T0 - DAY

PEOPLE = ("ann", "bob", "cat", "dan", "eve", "fay", "gus", "ian", "jo", "kim", "lea", "moe", "nan", "ola")
TRUSTED = {"ann", "fay", "gus", "ian", "jo", "kim", "moe", "nan"}


def e_mail(person: str) -> str:
    return f"{person}@example.org"


def serial(device: str) -> str:
    """A serial number of the usual form, the same for the same device."""
    return f"00000000-0000-4000-8000-{device.encode().hex():0>12}"


def snapshot(person: str, device: str, updated: int, research: int | None) -> dict[str, Any]:
    return customer(e_mail(person), serial=serial(device), updated=updated, research=research)


CUSTOMERS = [
    snapshot("ann", "a", OLD, T0),
    # Withdrew.
    snapshot("bob", "b", OLD, T0),
    snapshot("bob", "b", NEW, None),
    # Said both at once: no consent.
    snapshot("cat", "c", NEW, T0),
    snapshot("cat", "c", NEW, 0),
    # Never consented, and has the serial number of Gus's device too.
    snapshot("dan", "d", NEW, None),
    snapshot("dan", "shared", OLD, 0),
    # Withdrew on another device.
    snapshot("eve", "e1", OLD, T0),
    snapshot("eve", "e2", NEW, None),
    # Came back, and spells the e-mail in another way.
    snapshot("fay", "f", OLD, None),
    snapshot("fay", "f", NEW, NEW) | {"email": " Fay@Example.org"},
    snapshot("gus", "shared", OLD, T0),
    snapshot("ian", "i", OLD, T0),
    # Has no consent for one device, and later registered another with consent.
    snapshot("jo", "j2", OLD, None),
    snapshot("jo", "j1", NEW, T0),
    # Consented twice.
    snapshot("kim", "k1", OLD, T0),
    snapshot("kim", "k2", NEW, NEW),
    # Said both at once, for two devices: no consent.
    snapshot("lea", "l1", NEW, T0),
    snapshot("lea", "l2", NEW, None),
    # Said both at once for a device, and later registered another with consent.
    snapshot("moe", "m1", OLD, T0),
    snapshot("moe", "m1", OLD, 0),
    snapshot("moe", "m2", NEW, T0),
    # Withdrew one device, and later registered another with consent.
    snapshot("nan", "n1", OLD - 1, T0),
    snapshot("nan", "n1", OLD, None),
    snapshot("nan", "n2", NEW, T0),
    # Withdrew, spelling the e-mail in another way.
    snapshot("ola", "o", OLD, T0),
    snapshot("ola", "o", NEW, None) | {"email": "OLA@example.org "},
]
# Nobody has registered the last one.
SERIALS = [*dict.fromkeys(row["serialNumber"] for row in CUSTOMERS), serial("none")]
READINGS = [
    reading(e_mail(person), at, x=number / 100)
    for number, person in enumerate(PEOPLE)
    for at in (EARLY, OLD, *MOMENTS)
    # Ian has no readings.
    if person != "ian"
]
STEPS = [
    step(number, at, distance=100 + distance)
    for distance, number in enumerate(SERIALS)
    for at in (EARLY, *MOMENTS)
]


def deliver_all(lake: Path) -> Path:
    """The small lake's three landing files."""
    deliver(lake, "customer", CUSTOMERS)
    deliver(lake, "accelerometer", READINGS)
    deliver(lake, "step_trainer", STEPS)
    return lake
