"""Who is in the sample data: invented people, their devices and what became of their consent.

The stories below are the oddities of the real data, each with the number of people it happens to. What was
recorded when belongs in ``sessions``, the customer records themselves in ``customers``.
"""

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

FIRST_NAMES = (
    "Amara", "Bjorn", "Carmen", "Dmitri", "Elif", "Farid", "Greta", "Hana", "Ivo", "Jolanda",
    "Kofi", "Lucia", "Marek", "Nadia", "Otto", "Priya", "Quentin", "Rosa", "Soren", "Tamsin",
    "Umar", "Vera", "Wanda", "Xavier", "Yuki", "Zoltan", "Aino", "Boris", "Chiara", "Dewi",
)  # fmt: skip
LAST_NAMES = (
    "Abara", "Brandt", "Castell", "Dahl", "Eklund", "Ferrara", "Galvez", "Hollis", "Ibsen", "Jansky",
    "Keller", "Lindqvist", "Moreau", "Novak", "Okoye", "Petrov", "Quist", "Rahimi", "Sato", "Tanaka",
    "Ulrich", "Vasquez", "Weller", "Xenakis", "Yilmaz", "Zeman", "Arden", "Bastian", "Corvin", "Drexler",
)  # fmt: skip
# Reserved for documentation (RFC 2606): no mail can ever reach anybody there.
DOMAINS = ("example.com", "example.org", "example.net")

_SPELLINGS: tuple[Callable[[str], str], ...] = (
    *[str] * 35,
    *[str.lower] * 2,
    str.upper,
    " {}".format,
    "{} ".format,
)

# The web-shop fault: so many serial numbers were given to many customers each. Of a ``mixed`` device only some
# owners consent, so its readings are nobody's to use.
SHARED_SERIALS = {"all consent": 5, "mixed": 4, "none consents": 3}

YES, NO = True, False


@dataclass(frozen=True)
class Story:
    """What happened to ``people`` people.

    Each snapshot is (device, age, consent); the newest has age 0, equal ages are a tie of ``lastUpdateDate``. A
    device named in ``SHARED_SERIALS`` is shared, any other is the person's own. ``trusted_rows`` is the number of
    rows each person has in customer_trusted, ``recorded_on`` names the devices that record the sessions.
    """

    people: int
    snapshots: tuple[tuple[str, int, bool], ...]
    trusted_rows: int = 0
    recorded_on: tuple[str, ...] = ("own",)


STORIES = (
    # In: the newest snapshot over all devices consents. 482 trusted rows.
    Story(333, (("own", 0, YES),), 1),
    Story(24, (("own", 2, YES), ("own", 1, YES), ("own", 0, YES)), 1),
    Story(24, (("own", 1, NO), ("own", 0, YES)), 1),
    Story(1, tuple(("own", age, age % 2 == 0) for age in range(19, -1, -1)), 1),
    Story(15, (("own", 1, YES), ("second", 0, YES)), 2, ("own", "second")),
    Story(6, (("second", 1, NO), ("own", 0, YES)), 1),
    Story(40, (("all consent", 0, YES),), 1, ("all consent",)),
    Story(12, (("own", 1, YES), ("mixed", 0, YES)), 2),
    # Out: no consent, or withdrawn, or withdrawn on another device, or a tie with a snapshot without consent.
    Story(127, (("own", 0, NO),)),
    Story(40, (("own", 1, YES), ("own", 0, NO))),
    Story(8, (("own", 1, YES), ("second", 0, NO)), recorded_on=("own", "second")),
    Story(8, (("own", 0, YES), ("own", 0, NO))),
    Story(4, (("own", 0, YES), ("second", 0, NO)), recorded_on=("own", "second")),
    Story(90, (("none consents", 0, NO),), recorded_on=("none consents",)),
    Story(40, (("mixed", 0, NO),), recorded_on=("mixed",)),
    # Readings of people and devices that no customer record names.
    Story(20, ()),
)


@dataclass
class Person:
    """One invented person; ``times`` (epoch ms, ascending) are filled in when the sessions are recorded."""

    name: str
    email: str
    story: Story
    serials: dict[str, str]
    times: list[int] = field(default_factory=list)

    @property
    def trusted(self) -> bool:
        """Whether the person consents now."""
        return self.story.trusted_rows > 0

    @property
    def unrecorded(self) -> list[str]:
        """The devices that do not record the sessions."""
        return [device for device in self.serials if device not in self.story.recorded_on]

    @property
    def shares_device(self) -> bool:
        """Whether others own the device that records this person's sessions."""
        return self.story.recorded_on[0] in SHARED_SERIALS


def spelled(rng: random.Random, email: str) -> str:
    """The e-mail as some source spells it: one in eight in other letter case or with stray spaces."""
    return rng.choice(_SPELLINGS)(email)


def invent_people(rng: random.Random, cohort: int) -> list[Person]:
    """The people of one cohort in random order; no two cohorts share a person or a device."""
    names = [(first, last) for first in FIRST_NAMES for last in LAST_NAMES]
    rng.shuffle(names)
    suffix = f".{cohort}" if cohort else ""
    shared = {label: [_serial(rng) for _ in range(size)] for label, size in SHARED_SERIALS.items()}
    people: list[Person] = []
    for story in STORIES:
        devices = list(dict.fromkeys([*(device for device, _, _ in story.snapshots), *story.recorded_on]))
        for number in range(story.people):
            first, last = names[len(people)]
            serials = {
                device: shared[device][number % len(shared[device])] if device in shared else _serial(rng)
                for device in devices
            }
            email = f"{first}.{last}{suffix}@{rng.choice(DOMAINS)}"
            people.append(Person(f"{first} {last}", email, story, serials))
    rng.shuffle(people)
    return people


def _serial(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
