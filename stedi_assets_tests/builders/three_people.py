"""A lake of three people, of whom one is to be forgotten or withdraws."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from stedi_assets_tests.builders.files import deliver
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL, SERIAL_2, T0, customer, reading, step

# Marks that nothing but this person's data has.
VIC, VIC_NAME = "vic.tim@example.org", "Victoria Timmons"
VIC_SERIAL = "99999999-0000-4000-8000-00000000face"
MARKS = (VIC, VIC_NAME, VIC_SERIAL)


def vic(**fields: Any) -> dict[str, Any]:
    return customer(VIC, **({"serial": VIC_SERIAL, "customerName": VIC_NAME} | fields))


def deliver_three_people(lake: Path) -> None:
    """Ann and Vic consent and have readings, Bob does not consent; each has a device of their own."""
    bob = customer(BOB, serial=SERIAL_2, research=None)
    deliver(lake, "customer", [customer(), vic(), bob])
    times = range(T0, T0 + 5)
    deliver(
        lake,
        "accelerometer",
        [reading(user, at) for at in times for user in (ANN, VIC.upper(), BOB)],
    )
    deliver(
        lake, "step_trainer", [step(serial, at) for at in times for serial in (SERIAL, VIC_SERIAL, SERIAL_2)]
    )


def runs_but_the_first(graph: Graph) -> Callable[[], None]:
    """Brings the tables up to date for an erasure whose lake is up to date when it begins."""
    asked = []

    def refresh() -> None:
        if asked:
            graph.run()
        asked.append(True)

    return refresh
