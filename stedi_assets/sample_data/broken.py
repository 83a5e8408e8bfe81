"""The broken records of the sample data: a few of each known kind in each source, all of them nobody's.

Each is a line of its own and has exactly one reason to be in quarantine.
"""

from collections import Counter

from stedi_assets.sample_data.customers import PHONE

_NOBODY = "nobody@example.com"
_SERIAL = "00000000-0000-4000-8000-000000000000"
_CUSTOMER = f'"customerName": "Nobody", "phone": "{PHONE}", "birthDay": "1900-01-01"'

BROKEN: dict[str, tuple[tuple[str, str], ...]] = {
    "customer": (
        ("truncated", f'{{{_CUSTOMER}, "email": "{_NOBODY}", "serialNu'),
        ("not_json", "upload interrupted by peer"),
        ("not_an_object", '"text"'),
        ("missing_field", f'{{{_CUSTOMER}, "serialNumber": "{_SERIAL}", "lastUpdateDate": 1709542800000}}'),
        ("missing_field", f'{{{_CUSTOMER}, "email": "{_NOBODY}", "lastUpdateDate": 1709542800000}}'),
        (
            "wrong_type",
            f'{{{_CUSTOMER}, "email": "{_NOBODY}", "serialNumber": "{_SERIAL}", "lastUpdateDate": "soon"}}',
        ),
    ),
    "accelerometer": (
        ("truncated", f'{{"user":"{_NOBODY}","timestamp":17095'),
        ("truncated", '{"user":"nobo'),
        ("not_json", "battery low"),
        ("not_an_object", "[1, 2]"),
        ("not_an_object", '"text"'),
        ("missing_field", '{"timestamp":1709542800000,"x":0.0,"y":1.0,"z":-1.0}'),
        ("missing_field", f'{{"user":"{_NOBODY}","timestamp":1709542800000,"x":0.0,"y":1.0}}'),
        ("wrong_type", f'{{"user":"{_NOBODY}","timestamp":"yesterday","x":0.0,"y":1.0,"z":-1.0}}'),
        ("wrong_type", f'{{"user":"{_NOBODY}","timestamp":1709542800000,"x":"left","y":1.0,"z":-1.0}}'),
    ),
    "step_trainer": (
        ("truncated", f'{{"sensorReadingTime":1709542800000,"serialNumber":"{_SERIAL[:13]}'),
        ("not_json", "sensor restarted"),
        ("not_an_object", "[1, 2]"),
        ("missing_field", f'{{"serialNumber":"{_SERIAL}","distanceFromObject":250}}'),
        ("missing_field", f'{{"sensorReadingTime":1709542800000,"serialNumber":"{_SERIAL}"}}'),
        (
            "wrong_type",
            f'{{"sensorReadingTime":"yesterday","serialNumber":"{_SERIAL}","distanceFromObject":250}}',
        ),
    ),
}


def broken_reasons(source: str) -> Counter[str]:
    """Broken records of one cohort by reason."""
    return Counter(reason for reason, _ in BROKEN[source])


def with_broken(source: str, lines: list[str]) -> list[str]:
    """The lines with the source's broken records spread evenly among them.

    An intact line follows each, so that where a cut-off record ends is beyond doubt.
    """
    broken = [line for _, line in BROKEN[source]]
    mixed: list[str] = []
    start = 0
    for number, line in enumerate(broken, start=1):
        end = len(lines) * number // (len(broken) + 1)
        mixed += lines[start:end]
        mixed.append(line)
        start = end
    return mixed + lines[start:]
