"""Sample lakes, read back from their files and counted by another route than the generator's."""

import json
from collections import Counter, defaultdict
from functools import cached_property
from pathlib import Path

import duckdb
import polars as pl
import pytest
import yaml

from stedi_assets.sample_data import COUNTS_FILE, write_sample_lake

REQUIRED = {
    "customer": {"email": str, "serialNumber": str, "lastUpdateDate": int},
    "accelerometer": {"user": str, "timestamp": int, "x": float, "y": float, "z": float},
    "step_trainer": {"sensorReadingTime": int, "serialNumber": str, "distanceFromObject": int},
}

# The definitions of the tables once more, in SQL: an independent way from the files to the counts.
RECOUNT = """
with snapshot as (
    select lower(trim(email)) as person, serialNumber as serial, lastUpdateDate as updated,
        coalesce(shareWithResearchAsOfDate, 0)::bigint as consent
    from customer),
of_device as (
    select * from snapshot
    qualify row_number() over (partition by person, serial order by updated desc, consent > 0) = 1),
of_person as (
    select * from snapshot
    qualify row_number() over (partition by person order by updated desc, consent > 0) = 1),
customer_trusted as (
    select * from of_device where consent > 0 and person in (select person from of_person where consent > 0)),
consented as (select person, max(consent) as since from customer_trusted group by person),
accelerometer_trusted as (
    select r.*, person from (select distinct * from accelerometer) r
    join consented on lower(trim(r.user)) = person where not $from_date or r.timestamp >= since),
customer_curated as (
    select * from customer_trusted where person in (select person from accelerometer_trusted)),
withheld as (
    select serial from of_device
    where (person, serial) not in (select (person, serial) from customer_trusted)),
step_trainer_trusted as (
    select * from (select distinct * from step_trainer) s
    where serialNumber not in (from withheld)
    and exists (
        from customer_curated join consented using (person)
        where serial = serialNumber and (not $from_date or since <= sensorReadingTime))),
machine_learning_curated as (
    select distinct s.*, a.* from step_trainer_trusted s
    join accelerometer_trusted a on a.timestamp = s.sensorReadingTime
    where $match_timestamp
    or exists (from customer_curated c where c.serial = s.serialNumber and c.person = a.person))
select (select count(*) from customer) as customer_landing,
    (select count(*) from accelerometer) as accelerometer_landing,
    (select count(*) from step_trainer) as step_trainer_landing,
    (select count(*) from customer_trusted) as customer_trusted,
    (select count(*) from accelerometer_trusted) as accelerometer_trusted,
    (select count(*) from customer_curated) as customer_curated,
    (select count(*) from step_trainer_trusted) as step_trainer_trusted,
    (select count(*) from machine_learning_curated) as machine_learning_curated
"""


class Sample:
    """A sample lake read back from its files."""

    def __init__(self, lake: Path) -> None:
        self.expected = yaml.safe_load((lake / COUNTS_FILE).read_text())
        self.reasons: dict[str, Counter[str]] = {}
        self.lines: dict[str, list[str]] = {}
        for source in REQUIRED:
            paths = sorted((lake / source / "landing").iterdir())
            lines = [line for path in paths for line in path.read_text().split("\n")[:-1]]
            reasons = [self.reason_of(line, source) for line in lines]
            self.reasons[source] = Counter(reason for reason in reasons if reason)
            self.lines[source] = [line for line, reason in zip(lines, reasons, strict=True) if reason is None]
        records = {source: [json.loads(line) for line in lines] for source, lines in self.lines.items()}
        self.customers = records["customer"]
        self.readings = records["accelerometer"]
        self.steps = records["step_trainer"]
        self.snapshots: dict[str, list[dict]] = defaultdict(list)
        self.owners: dict[str, set[str]] = defaultdict(set)
        for row in self.customers:
            self.snapshots[self.person(row["email"])].append(row)
            self.owners[row["serialNumber"]].add(self.person(row["email"]))

    def recount(self, *, from_date: bool, match_timestamp: bool) -> dict[str, int]:
        customer = pl.DataFrame(self.customers, infer_schema_length=None, strict=False)
        accelerometer, step_trainer = pl.DataFrame(self.readings), pl.DataFrame(self.steps)
        with duckdb.connect() as connection:
            for name, frame in (
                ("customer", customer),
                ("accelerometer", accelerometer),
                ("step_trainer", step_trainer),
            ):
                connection.register(name, frame.to_arrow())
            result = connection.execute(RECOUNT, {"from_date": from_date, "match_timestamp": match_timestamp})
            return dict(zip([column[0] for column in result.description], result.fetchone(), strict=True))

    @cached_property
    def trusted(self) -> set[str]:
        """People whose newest snapshot consents; a tie is settled against consent."""
        people = set()
        for name, rows in self.snapshots.items():
            newest = max(row["lastUpdateDate"] for row in rows)
            if all(self.consents(row) for row in rows if row["lastUpdateDate"] == newest):
                people.add(name)
        return people

    @staticmethod
    def reason_of(line: str, source: str) -> str | None:
        """Why the line is no record of the source; None if it is one."""
        try:
            record = json.loads(line)
        except ValueError:
            return "truncated" if line.startswith("{") else "not_json"
        required = REQUIRED[source]
        if not isinstance(record, dict):
            return "not_an_object"
        if any(record.get(name) is None for name in required):
            return "missing_field"
        fits = all(isinstance(record[name], kind) for name, kind in required.items())
        return None if fits else "wrong_type"

    @staticmethod
    def person(email: str) -> str:
        return email.strip().lower()

    @staticmethod
    def consents(row: dict) -> bool:
        return bool(row.get("shareWithResearchAsOfDate"))


@pytest.fixture(scope="session", params=[0, 11, 20_240_304])
def sample(request, tmp_path_factory) -> Sample:
    """A sample lake of some seed."""
    lake = tmp_path_factory.mktemp("lake")
    write_sample_lake(lake, seed=request.param)
    return Sample(lake)


@pytest.fixture(scope="session")
def read_sample() -> type[Sample]:
    """Reads a sample lake back from its folder."""
    return Sample
