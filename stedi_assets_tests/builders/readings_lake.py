"""A lake of accelerometer readings alone: what is delivered to it, and what became of that."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from stedi_assets_tests.builders import files, rows
from stedi_assets_tests.builders.graph import Graph, checks_of
from stedi_assets_tests.builders.rows import T0

SOURCE = "accelerometer"
LANDING, QUARANTINE = f"{SOURCE}_landing", f"{SOURCE}_quarantine"


def reading(number: int, **other: Any) -> dict[str, Any]:
    """A valid reading; no two numbers give the same."""
    return files.record(rows.reading(at=T0 + number)) | other


@dataclass
class ReadingsLake:
    """A lake of accelerometer readings in a folder; ``land`` runs the landing tables alone."""

    graph: Graph

    @property
    def folder(self) -> Path:
        return Path(self.graph.lake_uri, SOURCE, "landing")

    def deliver(self, name: str, content: bytes) -> Path:
        """Write a landing file; one that is there already counts as changed."""
        return files.deliver(Path(self.graph.lake_uri), SOURCE, content, name)

    def land(self, *, full_refresh: bool = False, ok: bool = True) -> dg.ExecuteInProcessResult:
        return self.graph.run(LANDING, QUARANTINE, full_refresh=full_refresh, ok=ok)

    def landed(self) -> list[tuple[str, int]]:
        return numbers_of(self.graph.table(LANDING))

    def quarantined(self) -> list[tuple[str, str, list[str]]]:
        return texts_of(self.graph.table(QUARANTINE))

    def ledger(self) -> dict[str, dict[str, Any]]:
        """Entries by name of the file."""
        return {Path(row["source_file"]).name: row for row in self.graph.table("landing_files")}

    def state(self) -> tuple[Any, ...]:
        """All that a run could change."""
        return self.landed(), self.quarantined(), self.ledger(), self.graph.snapshots()


def numbers_of(landed: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """Name of the file and number of the reading, of each landed row."""
    return sorted((Path(row["source_file"]).name, row["timestamp"] - T0) for row in landed)


def texts_of(quarantined: list[dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    """Name of the file, text and reasons of each quarantined record, in order."""
    in_order = sorted(quarantined, key=lambda row: (row["source_file"], row["source_position"]))
    return [(Path(row["source_file"]).name, row["raw_text"], row["reasons"]) for row in in_order]


def row_count(result: dg.ExecuteInProcessResult, table: str = LANDING) -> dg.AssetCheckEvaluation:
    return checks_of(result, table)["row_count"]


def figure(check: dg.AssetCheckEvaluation, name: str) -> Any:
    return check.metadata[name].value


def metadata(result: dg.ExecuteInProcessResult, table: str) -> dict[str, Any]:
    """What the UI shows of a materialization."""
    event = next(
        e for e in result.get_asset_materialization_events() if e.asset_key.to_user_string() == table
    )
    found = event.step_materialization_data.materialization.metadata
    return figures(found)


def observed(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    """What the UI shows of each asset that the run observed."""
    found = [
        event.asset_observation_data.asset_observation for event in result.get_asset_observation_events()
    ]
    return {each.asset_key.to_user_string(): figures(each.metadata) for each in found}


def figures(shown: Mapping[str, dg.MetadataValue]) -> dict[str, Any]:
    """Metadata as plain values."""
    return {name: getattr(value, "records", value.value) for name, value in shown.items()}
