"""What the UI shows of trusted and curated tables beside their checks: counts of people and readings, and funnels.

Counts only, never a value of a row. What blocks or warns belongs in ``derived_checks``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.errors import LakeError
from stedi_assets.lake.snapshot import read_snapshot
from stedi_assets.text import bar, markdown_table, percent
from stedi_assets.transforms import tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from stedi_assets.checks import Candidate, CheckOutcome

    Outcomes = Mapping[str, CheckOutcome]

# Figures that a snapshot says: of the table of pairs, those of the table with more rows are computed from them, and of
# tables of customers the table of pairs shows them.
OF_TRUSTED_CUSTOMERS = ("people_landed", "people_agreed_once", "people")
OF_CURATED_CUSTOMERS = ("people",)
OF_PAIRS = ("people", "readings_matched")


def trusted_customers(candidate: Candidate, outcomes: Outcomes) -> dict[str, Any]:
    """From the people who were delivered to the people of ``customer_trusted``, and who waits for quarantine."""
    funnel = _delivered(candidate)
    shown = people("customer_trusted", candidate)
    # The check has counted them.
    waits = ("people_held_back", "devices_withheld", "records_naming_nobody")
    return {
        "people_landed": funnel["registered"],
        "people_agreed_once": funnel["agreed once"],
        **shown,
        **{name: outcomes["consent"].metadata[name] for name in waits},
        "consent_funnel": _funnel({**funnel, "consent now": shown["people"]}),
    }


def curated_customers(candidate: Candidate, outcomes: Outcomes) -> dict[str, Any]:
    """How many people are in ``customer_curated``, and how many came and went."""
    del outcomes
    return people("customer_curated", candidate)


def people(table: str, candidate: Candidate) -> dict[str, int]:
    """How many people are in a table of customers, and how many came and went since it was published.

    Where data files of the published table are lost, the table is being made anew, and who came and went is not said.
    """
    import pyspark.sql.functions as F

    lake, engine = candidate.snapshots.lake, candidate.snapshots.engine
    persons = candidate.frame.select("person", F.lit(1).alias("now"))
    try:
        published = read_snapshot(lake, CONTRACTS[table], candidate.published, engine)
    except LakeError:
        return {"people": persons.select("person").distinct().count()}
    before = published.select("person", F.lit(1).alias("was"))
    both = (
        persons.join(before, "person", "full")
        .groupBy("person")
        .agg(F.max("now").alias("now"), F.max("was").alias("was"))
    )
    found = both.agg(
        F.count("now").alias("people"),
        F.count_if(F.col("was").isNull()).alias("people_new"),
        F.count_if(F.col("now").isNull()).alias("people_gone"),
    )
    return found.collect()[0].asDict()


def withheld_steps(candidate: Candidate, outcomes: Outcomes) -> dict[str, int]:
    """Step readings of curated customers' devices that are withheld, since they may be somebody untrusted's."""
    del outcomes
    shared = tables.shared_with_untrusted(
        candidate.read("customer_landing"),
        candidate.read("customer_quarantine"),
        candidate.read("customer_trusted"),
    )
    # Few devices first: the distinct readings of all took eight times as long.
    devices = (
        candidate.read("customer_curated").select("device").distinct().join(shared, "device", "left_semi")
    )
    steps = candidate.read("step_trainer_landing").join(devices, "device", "left_semi")
    withheld = steps.select("sensorReadingTime", "device", "distanceFromObject").distinct()
    return {"withheld_readings": withheld.count()}


def matched_readings(candidate: Candidate, outcomes: Outcomes) -> dict[str, Any]:
    """What of the trusted readings is in a pair, and whose; ``pairs_per_reading`` is 1.0 where each one is in one pair.

    Accelerometer readings are distinct by person, time and axes, and so are they here, by the person's pseudonym.
    """
    del outcomes
    found = _matched(candidate)
    matched = ("step_trainer_trusted", "accelerometer_trusted")
    rows = {name: candidate.snapshots.snapshot(name).rows for name in matched}
    trusted, curated = (
        candidate.snapshots.snapshot(name).counts for name in ("customer_trusted", "customer_curated")
    )
    funnel = {
        "registered": trusted.get("people_landed"),
        "agreed once": trusted.get("people_agreed_once"),
        "consent now": trusted.get("people"),
        "have readings": curated.get("people"),
        "are matched": found["people"],
    }
    return {
        **found,
        "percent_matched": percent(found["readings_matched"], rows["accelerometer_trusted"]),
        "pairs_per_step": round(candidate.rows / (rows["step_trainer_trusted"] or 1), 4),
        "pairs_per_reading": round(candidate.rows / (rows["accelerometer_trusted"] or 1), 4),
        "consent_funnel": _funnel(funnel),
    }


def _matched(candidate: Candidate) -> Mapping[str, int]:
    """People and accelerometer readings that are in a pair: those due, since others are not published.

    Where rows are added, the published figures are carried on: whether a reading is in a pair depends on its moment
    alone.
    """
    before, added = candidate.published.counts, candidate.added
    due = candidate.reconciliation.counts if candidate.reconciliation is not None else {}
    if added is None:
        return due
    if not set(OF_PAIRS) <= before.keys():
        return _counted(candidate.frame)
    if not added.rows:
        return {name: before[name] for name in OF_PAIRS}
    known = added.published.select("customer_key")
    new = added.staged.select("customer_key").distinct().join(known, "customer_key", "left_anti").count()
    more = due["readings_matched"] - _counted(added.present)["readings_matched"]
    return {"people": before["people"] + new, "readings_matched": before["readings_matched"] + more}


def _counted(pairs: DataFrame) -> dict[str, int]:
    return {
        "people": pairs.select("customer_key").distinct().count(),
        "readings_matched": pairs.select("customer_key", "sensorReadingTime", "x", "y", "z")
        .distinct()
        .count(),
    }


def _delivered(candidate: Candidate) -> dict[str, int]:
    """The first steps of the funnel, in one look at the customers' snapshots."""
    import pyspark.sql.functions as F

    agreed = F.max(F.coalesce(F.col("shareWithResearchAsOfDate"), F.lit(0)) > 0)
    persons = candidate.read("customer_landing").groupBy("person").agg(agreed.alias("agreed"))
    found = persons.agg(F.count(F.lit(1)).alias("all"), F.count_if("agreed").alias("agreed")).collect()[0]
    return {"registered": found["all"], "agreed once": found["agreed"]}


def _funnel(steps: Mapping[str, int | None]) -> dg.MarkdownMetadataValue:
    """How many people are left at each step, as a picture.

    A step of which nothing is known is left out: tables of an earlier version say no figures until they are made anew.
    """
    known = {step: people for step, people in steps.items() if people is not None}
    first = next(iter(known.values()))
    rows = ((step, f"{people:,}", bar(people, first)) for step, people in known.items())
    return dg.MetadataValue.md(markdown_table(("people who", "people", ""), rows))
