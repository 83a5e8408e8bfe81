"""One pandera model a table: columns, meaning, privacy class, keys and value rules.

A rule that blocks must be true of any valid record, since a valid record in quarantine is a loss; what is
merely typical of the data so far is a warning. How rules are evaluated belongs in ``audit``.
"""

from __future__ import annotations

from typing import Annotated, Any

import pyspark.sql.types as T
from pandera.pyspark import Check, DataFrameModel

from stedi_assets.contracts.contract import Contract, block, column, contract_of, warn
from stedi_assets.contracts.folders import FOLDERS
from stedi_assets.records.identity import PERSON_PATTERN
from stedi_assets.records.source import EARLIEST_MS, LATEST_MS
from stedi_assets.sources import SOURCES

# In classes that mean the same to Java and Rust, by which the engines match; \s and \d do not.
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_MS_REASON = "Times are epoch milliseconds; a value outside 2000 to 2100 is in another unit or not a time."


def _milliseconds(name: str) -> Check:
    return block("in_range", f"plausible_{name}", _MS_REASON, min_value=EARLIEST_MS, max_value=LATEST_MS)


def _person(field: str) -> Any:
    return column(
        block(
            "str_matches",
            f"{field}_is_e_mail",
            "People are matched by e-mail across sources; more than an address may name another person.",
            pattern=PERSON_PATTERN,
        ),
        description=f"The person: {field} in one spelling, by which people are matched; see docs/tables.md.",
        privacy="direct identifier",
    )


def _device() -> Any:
    return column(
        description="The device: serialNumber in one spelling, by which devices are matched.",
        privacy="direct identifier",
    )


def _serial() -> Check:
    return warn("str_matches", "serial_is_uuid", "Every serial number so far is a UUID.", pattern=_UUID)


def _axis(name: str) -> Any:
    return column(
        block(
            "in_range",
            f"physical_{name}",
            "Phone sensors end far below 1,000, in g as in m/s²; NaN and infinities are not readings.",
            min_value=-1000.0,
            max_value=1000.0,
        ),
        warn(
            "in_range",
            f"typical_{name}",
            "Readings of the reference data are -1, 0 or 1.",
            min_value=-1.0,
            max_value=1.0,
        ),
        description=f"Acceleration along the {name} axis; the source states no unit.",
    )


def _consent(purpose: str) -> Any:
    return column(
        block(
            "zero_or_in_range",
            f"plausible_{purpose}_date",
            f"0 stands for no consent. {_MS_REASON}",
            min_value=EARLIEST_MS,
            max_value=LATEST_MS,
        ),
        description=f"When the person agreed to share with {purpose}, epoch ms UTC; absent or 0: not agreed.",
        nullable=True,
    )


class _Customer(DataFrameModel):
    customerName: T.StringType = column(description="Full name.", privacy="direct identifier", nullable=True)
    email: T.StringType = column(description="E-mail address as delivered.", privacy="direct identifier")
    phone: T.StringType = column(description="Telephone number.", privacy="direct identifier", nullable=True)
    birthDay: T.StringType = column(
        warn(
            "str_matches",
            "birthday_is_date",
            "Every value so far is a date, although many years of birth are impossible.",
            pattern=r"^[0-9]{3,4}-[0-9]{2}-[0-9]{2}$",
        ),
        description="Date of birth as typed; years such as 993 occur.",
        privacy="direct identifier",
        nullable=True,
    )
    serialNumber: T.StringType = column(
        _serial(), description="Serial number of the device registered.", privacy="direct identifier"
    )
    registrationDate: T.LongType = column(
        _milliseconds("registrationDate"),
        description="When the device was registered, epoch ms UTC.",
        nullable=True,
    )
    lastUpdateDate: T.LongType = column(
        _milliseconds("lastUpdateDate"), description="When this snapshot was taken, epoch ms UTC."
    )
    shareWithResearchAsOfDate: T.LongType = _consent("research")
    shareWithPublicAsOfDate: T.LongType = _consent("public")
    shareWithFriendsAsOfDate: T.LongType = _consent("friends")
    person: T.StringType = _person("email")
    device: T.StringType = _device()


class _Accelerometer(DataFrameModel):
    user: T.StringType = column(
        description="E-mail address of the phone's user as delivered.", privacy="direct identifier"
    )
    timestamp: T.LongType = column(_milliseconds("timestamp"), description="When it was read, epoch ms UTC.")
    x: T.DoubleType = _axis("x")
    y: T.DoubleType = _axis("y")
    z: T.DoubleType = _axis("z")
    person: T.StringType = _person("user")


class _StepTrainer(DataFrameModel):
    sensorReadingTime: T.LongType = column(
        _milliseconds("sensorReadingTime"), description="When it was read, epoch ms UTC."
    )
    serialNumber: T.StringType = column(
        _serial(), description="Serial number of the device.", privacy="direct identifier"
    )
    distanceFromObject: T.LongType = column(
        block("greater_than", "distance_positive", "A distance is above zero.", min_value=0),
        description="Distance from the device to the nearest object; the source states no unit.",
    )
    device: T.StringType = _device()


class _Provenance(DataFrameModel):
    source_file: T.StringType = column(description="Path of the landing file, below the lake.")
    source_position: T.LongType = column(
        block("greater_than_or_equal_to", "position_not_negative", "It counts bytes from 0.", min_value=0),
        description="Where the record begins in that file, in bytes of its text: unpacked, and in UTF-8.",
    )
    ingested_at: T.LongType = column(
        _milliseconds("ingested_at"), description="When it was ingested, epoch ms UTC."
    )


class CustomerLanding(_Provenance, _Customer):
    """Every readable customer record: one snapshot of one person and one device."""

    class Config:
        name = "customer_landing"
        metadata = {
            "folder": FOLDERS["customer_landing"],
            "query": "SELECT count(*) AS snapshots, count(DISTINCT person) AS people FROM customer_landing",
        }
        unique = ["source_file", "source_position"]


class AccelerometerLanding(_Provenance, _Accelerometer):
    """Every readable accelerometer reading, re-deliveries and people without consent included."""

    class Config:
        name = "accelerometer_landing"
        metadata = {
            "folder": FOLDERS["accelerometer_landing"],
            "query": "SELECT count(*) AS readings, count(DISTINCT person) AS people FROM accelerometer_landing",
        }
        unique = ["source_file", "source_position"]


class StepTrainerLanding(_Provenance, _StepTrainer):
    """Every readable step trainer reading, re-deliveries and people without consent included."""

    class Config:
        name = "step_trainer_landing"
        metadata = {
            "folder": FOLDERS["step_trainer_landing"],
            "query": "SELECT count(*) AS readings, count(DISTINCT device) AS devices FROM step_trainer_landing",
        }
        unique = ["source_file", "source_position"]


class _Quarantine(_Provenance):
    raw_text: T.StringType = column(
        description="The record as delivered; undecodable bytes are written as \\xNN.",
        privacy="direct identifier",
    )
    reasons: Annotated[T.ArrayType, T.StringType(), True] = column(
        description="Why it was not landed; see docs/tables.md."
    )
    persons: Annotated[T.ArrayType, T.StringType(), True] = column(
        description="Every person that its text names, spelled as in the column person; empty if it names nobody.",
        privacy="direct identifier",
    )
    devices: Annotated[T.ArrayType, T.StringType(), True] = column(
        description="Every device that its text names, spelled as in the column device; empty if it names none.",
        privacy="direct identifier",
    )
    snapshot_at: T.LongType = column(
        description="Its lastUpdateDate, if it has one for certain, epoch ms UTC; absent where in doubt.",
        nullable=True,
    )


def _quarantine_of(source: str) -> type[DataFrameModel]:
    """The model of a source's quarantine: all are alike."""

    class OfSource(_Quarantine):
        class Config:
            name = f"{source}_quarantine"
            metadata = {
                "folder": FOLDERS[f"{source}_quarantine"],
                "query": f"SELECT reasons, count(*) AS records FROM {source}_quarantine GROUP BY reasons",  # noqa: S608 - of our own names, for people to read
            }
            unique = ["source_file", "source_position"]

    record = f"{source.replace('_', ' ')} record"
    OfSource.__doc__ = f"Every {record} that could not be read or breaks a rule of the landing contract."
    return OfSource


class LandingFiles(DataFrameModel):
    """The ledger: every landing file that was ingested, as it was when it was."""

    source_file: T.StringType = column(description="Path of the landing file, below the lake.")
    source: T.StringType = column(
        block(
            "isin",
            "known_source",
            "Each source has tables of its own.",
            allowed_values=list(SOURCES),
        ),
        description="Source that delivered it.",
    )
    identity: T.StringType = column(
        description="ETag on S3; in a folder, its size, when it was written and when it was changed."
    )
    bytes: T.LongType = column(description="Size of the file as delivered.")
    records: T.LongType = column(description="Records found by the scan of its text.")
    landed: T.LongType = column(description="Records in the landing table.")
    quarantined: T.LongType = column(description="Records in the quarantine table.")
    repaired: T.StringType = column(description="Repairs by kind, with counts, as a JSON object.")
    ingested_at: T.LongType = column(
        _milliseconds("ingested_at"), description="When it was ingested, epoch ms UTC."
    )
    run_id: T.StringType = column(description="Dagster run that ingested it.")
    missing_since: T.LongType = column(
        description="When it was first found to have disappeared, epoch ms UTC; its rows stay.", nullable=True
    )
    retracted_at: T.LongType = column(
        description="When it was taken back, epoch ms UTC; no run reads it until its content changes.",
        nullable=True,
    )
    retracted_by: T.StringType = column(description="Who took it back.", nullable=True)
    retracted_because: T.StringType = column(description="Why it was taken back.", nullable=True)
    erased: T.LongType = column(
        description="Records of people who were erased, which are in no table; absent if it was ingested before there "
        "was a register of erasures.",
        nullable=True,
    )
    digest: T.StringType = column(
        description="What its content is known by under another name: ETag on S3, SHA-256 in a folder.",
        nullable=True,
    )

    class Config:
        name = "landing_files"
        metadata = {
            "folder": FOLDERS["landing_files"],
            "query": "SELECT source, sum(landed) AS landed, count(*) AS files FROM landing_files GROUP BY source",
        }
        unique = ["source_file"]


class CustomerTrusted(_Customer):
    """The newest snapshot of each person and device, of people who consent to research now.

    People whose newest customer record may be in quarantine are held back.
    """

    shareWithResearchAsOfDate: T.LongType = column(
        block(
            "in_range",
            "research_consent_given",
            f"Promise 1: only who consents is here. {_MS_REASON}",
            min_value=EARLIEST_MS,
            max_value=LATEST_MS,
        ),
        description="When the person agreed to share with research, epoch ms UTC.",
    )

    class Config:
        name = "customer_trusted"
        metadata = {
            "folder": FOLDERS["customer_trusted"],
            "query": "SELECT count(DISTINCT person) AS people, count(DISTINCT device) AS devices FROM customer_trusted",
        }
        unique = ["person", "device"]


class AccelerometerTrusted(_Accelerometer):
    """Distinct readings of people who consent to research."""

    class Config:
        name = "accelerometer_trusted"
        metadata = {
            "folder": FOLDERS["accelerometer_trusted"],
            "query": "SELECT count(*) AS readings, count(DISTINCT person) AS people FROM accelerometer_trusted",
        }
        unique = ["person", "timestamp", "x", "y", "z"]


class CustomerCurated(CustomerTrusted):
    """Customers who consent to research and have accelerometer readings."""

    class Config:
        name = "customer_curated"
        metadata = {
            "folder": FOLDERS["customer_curated"],
            "query": "SELECT count(DISTINCT person) AS people, count(DISTINCT device) AS devices FROM customer_curated",
        }
        unique = ["person", "device"]


class StepTrainerTrusted(_StepTrainer):
    """Distinct readings of devices whose owners all consent to research and have accelerometer readings."""

    class Config:
        name = "step_trainer_trusted"
        metadata = {
            "folder": FOLDERS["step_trainer_trusted"],
            "query": "SELECT count(*) AS readings, min(distanceFromObject) AS nearest FROM step_trainer_trusted",
        }
        unique = ["sensorReadingTime", "device", "distanceFromObject"]


class MachineLearningCurated(DataFrameModel):
    """One row per step reading and accelerometer reading of the same person at the same millisecond.

    With STEDI_ML_MATCH=timestamp, of any two people; rows may then repeat. What the data allow, by the reference data:
    no gait can be seen, since a person's moments are 2 to 4 seconds apart. Distances and axes are as chance makes them.
    The rows of one moment share their distance, so split a test set by person. By default, 22 % of the rows precede the
    person's consent.
    """

    customer_key: T.StringType = column(
        block(
            "str_matches",
            "key_is_sha256",
            "A key of another form may be an identifier.",
            pattern=r"^[0-9a-f]{64}$",
        ),
        description="Pseudonym of the person: HMAC-SHA-256 of the column person of customer_curated.",
        privacy="pseudonym",
    )
    sensorReadingTime: T.LongType = column(
        _milliseconds("sensorReadingTime"), description="When both were read, epoch ms UTC."
    )
    distanceFromObject: T.LongType = column(
        block("greater_than", "distance_positive", "A distance is above zero.", min_value=0),
        description="Distance from the device to the nearest object; the source states no unit.",
    )
    x: T.DoubleType = _axis("x")
    y: T.DoubleType = _axis("y")
    z: T.DoubleType = _axis("z")

    class Config:
        name = "machine_learning_curated"
        metadata = {
            "folder": FOLDERS["machine_learning_curated"],
            "query": "SELECT count(*) AS pairs, count(DISTINCT customer_key) AS people FROM machine_learning_curated",
        }
        unique = ["customer_key", "sensorReadingTime", "distanceFromObject", "x", "y", "z"]


_MODELS: tuple[type[DataFrameModel], ...] = (
    CustomerLanding,
    AccelerometerLanding,
    StepTrainerLanding,
    *map(_quarantine_of, SOURCES),
    LandingFiles,
    CustomerTrusted,
    AccelerometerTrusted,
    CustomerCurated,
    StepTrainerTrusted,
    MachineLearningCurated,
)
CONTRACTS: dict[str, Contract] = {contract.name: contract for contract in map(contract_of, _MODELS)}
