"""A lake of marked data: every e-mail, name, phone and serial number begins with a mark, some of it in every disorder.

So even a piece of a person's data is found by its mark, wherever it went.
"""

import gzip
import json
from pathlib import Path

from stedi_assets_tests.builders.files import deliver, line, record
from stedi_assets_tests.builders.graph import KEY
from stedi_assets_tests.builders.rows import T0, customer, reading, step

# Each long enough that no identifier, time or duration of a run has it by chance.
MARKS = ("leakmail", "leakname", "9900178800", "fade1eaf", KEY)


def e_mail(person: int) -> str:
    return f"LeakMail{person}@marked.example"


def name(person: int) -> str:
    return f"Leakname{person} Markson"


def phone(person: int) -> str:
    return f"9900178800{person:04}"


def serial(person: int) -> str:
    return f"fade1eaf-0000-4000-8000-{person:012}"


def snapshot(person: int, **other) -> dict:
    return (
        customer(e_mail(person), serial=serial(person), customerName=name(person), phone=phone(person))
        | other
    )


def text(row: dict) -> str:
    return line(row).decode()


def broken_customers() -> bytes:
    """Customer records broken in every way, with the marks wherever a value or a name can be."""
    whole = [text(snapshot(person)) for person in range(100, 130)]
    lines = [
        # Cut off in mid-value, at different places.
        *(line[:cut] for line, cut in zip(whole[:6], (20, 40, 60, 80, 120, 200), strict=True)),
        f"{whole[6]}{whole[7]}",
        f"{whole[8]},",
        f"[{whole[9]},{whole[10]}]",
        f"{whole[11]} {name(111)}",
        text(snapshot(112, email={"leakmail": e_mail(112)})),
        text(snapshot(113, lastUpdateDate=name(113))),
        text(snapshot(114, registrationDate=[serial(114)])),
        text(snapshot(115, email="Leakmail115 without a sign")),
        text(snapshot(116, email=None)),
        text(snapshot(117, lastUpdateDate=1)),
        text(snapshot(118, shareWithResearchAsOfDate=-1)),
        text(snapshot(119, phone=int(phone(119)))),
        text(snapshot(120, serialNumber=None, **{"SERIALNUMBER ": serial(120)})),
        # Unknown fields whose names are people's data.
        text(snapshot(121) | {e_mail(121): 1, name(121): 2, phone(121): 3, serial(121): 4}),
        text(snapshot(122) | {f"leakname{number}": number for number in range(60)}),
        text(snapshot(123) | {"leakname": "Leakname123", "Email": e_mail(923)}),
        text(snapshot(124))[:-1] + f', "email": "{e_mail(924)}"}}',
        f'"{e_mail(125)}"',
        f'["{name(126)}", "{phone(126)}"]',
        f"{name(127)}; {e_mail(127)}; {phone(127)}",
        json.dumps({"someone": record(snapshot(128))}),
        '{"customerName": "Leakname129 \\ud800", "email": "' + e_mail(129) + '"}',
    ]
    undecodable = f'{{"email": "{e_mail(130)}", "customerName": "Leakname130 '.encode() + b'\xff\xfe"}'
    return "\n".join(lines).encode() + b"\n" + undecodable + b"\n" + whole[29].encode()[:-20]


def broken_csv() -> str:
    header = "customername,email,phone,serialnumber,lastupdatedate,leakname200"
    rows = [
        f"{name(200)},{e_mail(200)},{phone(200)},{serial(200)},{T0},1",
        f"{name(201)},{e_mail(201)}",
        f"{name(202)},{e_mail(202)},{phone(202)},{serial(202)},{e_mail(202)},2",
        f'{name(203)},"{e_mail(203)},{phone(203)}',
    ]
    return "\n".join([header, *rows])


def marked_lake(lake: Path) -> Path:
    """Twenty people in good order, in every table, and the rest in every disorder."""
    people = range(20)
    deliver(lake, "customer", [snapshot(person) for person in people])
    deliver(lake, "accelerometer", [reading(e_mail(person), T0 + at) for person in people for at in range(3)])
    deliver(lake, "step_trainer", [step(serial(person), T0 + at) for person in people for at in range(3)])
    landing = lake / "customer/landing"
    (landing / "broken.json").write_bytes(broken_customers())
    (landing / "broken.csv").write_text(broken_csv())
    # The first row is a person and not a header.
    (landing / "headless.csv").write_text(
        f"{name(210)},{e_mail(210)},{phone(210)}\n{name(211)},{e_mail(211)},0\n"
    )
    # Files that cannot be read. Of customers, they would stop the run.
    (lake / "accelerometer/landing/cut.json.gz").write_bytes(gzip.compress(broken_customers())[:-30])
    (lake / "accelerometer/landing/plain.json.gz").write_bytes(b"\0" + broken_customers())
    accelerometer = [
        text(reading(e_mail(300)) | {"x": e_mail(300)}),
        text(reading(e_mail(301)) | {"timestamp": name(301), e_mail(301): e_mail(301)}),
        text(reading(e_mail(302), x=1e9)),
        text(reading(e_mail(303)))[:25],
    ]
    (lake / "accelerometer/landing/broken.json").write_text("\n".join(accelerometer))
    steps = [
        text(step(serial(310), distance=-1)),
        text(step(serial(311)))[:60],
        text({serial(312): serial(312)}),
    ]
    (lake / "step_trainer/landing/broken.json").write_text("\n".join(steps))
    return lake
