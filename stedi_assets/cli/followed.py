"""A run as its Dagster events tell it, for ``stedi run`` to show."""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

# What a table's status is before its step has ended.
WAITS, RUNS = "", "running"


@dataclass
class TableShown:
    """A table of the run.

    Attributes:
        table: Its name.
        status: ``ok``, ``warned``, ``failed`` or ``skipped``; while it is none of them, empty or ``running``.
        rows_in: Records that were found in files, or rows of the largest table that it is made from.
        rows_out: Records or rows that were staged.
        passed: Number of checks that passed.
        warned: Names of checks that warn.
        failed: Names of checks that failed.
        seconds: How long its step took.
    """

    table: str
    status: str = WAITS
    rows_in: int | None = None
    rows_out: int | None = None
    passed: int = 0
    warned: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    seconds: float | None = None


@dataclass
class RunShown:
    """A run as its events tell it."""

    tables: dict[str, TableShown]
    steps: dict[str, list[str]]
    parents: dict[str, list[str]]
    instance: dg.DagsterInstance
    run_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    succeeded: bool = False
    seconds: float = 0
    published: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    bugs: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    landed: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    held_back: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, definitions: dg.Definitions, chosen: set[dg.AssetKey], instance: dg.DagsterInstance
    ) -> RunShown:
        """The tables of a run that has not begun, in the order of the pipeline."""
        import dagster as dg

        from stedi_assets.contracts.models import CONTRACTS

        graph = definitions.resolve_asset_graph()
        tables: dict[str, TableShown] = {}
        steps: dict[str, list[str]] = {}
        parents: dict[str, list[str]] = {}
        for name in (name for name in CONTRACTS if dg.AssetKey(name) in chosen):
            node = graph.get(dg.AssetKey(name))
            tables[name] = TableShown(name)
            steps.setdefault(node.assets_def.op.name, []).append(name)
            parents[name] = [
                parent.path[-1] for parent in node.parent_keys if parent in graph.materializable_asset_keys
            ]
        return cls(tables, steps, parents, instance)

    def take(self, entry: dg.EventLogEntry) -> None:
        """Take what an event of the run says."""
        # Any, since the type of what an event tells follows from its name alone.
        event: Any = entry.dagster_event
        if event is None:
            return
        tables = [self.tables[name] for name in self.steps.get(event.step_key or "", [])]
        match event.event_type_value:
            case "ASSET_CHECK_EVALUATION":
                self._take_check(event.event_specific_data)
            case "ASSET_MATERIALIZATION":
                self._take_materialization(event.event_specific_data.materialization)
            case "STEP_FAILURE":
                self._take_failure(event, tables)
            case kind:
                self._take_step(kind, event, tables)

    def _take_step(self, kind: str, event: dg.DagsterEvent, tables: list[TableShown]) -> None:
        for table in tables:
            if kind == "STEP_START":
                # A step that is computed again begins anew.
                self.tables[table.table] = TableShown(table.table, RUNS, self._rows_of_parents(table.table))
            elif kind == "STEP_SUCCESS":
                table.status = "warned" if table.warned else "ok"
                table.seconds = round(event.step_success_data.duration_ms / 1000, 1)

    def _rows_of_parents(self, table: str) -> int | None:
        import dagster as dg

        rows: list[Any] = []
        for parent in self.parents[table]:
            latest = self.instance.get_latest_materialization_event(dg.AssetKey(parent))
            if latest is not None and latest.asset_materialization is not None:
                count = latest.asset_materialization.metadata.get("dagster/row_count")
                rows += [] if count is None else [count.value]
        return max(rows, default=None)

    def _take_check(self, check: dg.AssetCheckEvaluation) -> None:
        table = self.tables[check.asset_key.path[-1]]
        if check.passed:
            table.passed += 1
        else:
            (table.warned if check.severity.value == "WARN" else table.failed).append(check.check_name)
        figures: dict[str, Any] = {
            name: getattr(value, "value", None) for name, value in check.metadata.items()
        }
        if check.check_name == "row_count":
            table.rows_out = figures["rows"]
            table.rows_in = figures.get("records_found", table.rows_in)
        if "people_held_back" in figures:
            names = ("people_held_back", "records_naming_nobody")
            self.held_back = {name: figures[name] for name in names}

    def _take_materialization(self, materialization: dg.AssetMaterialization) -> None:
        name = materialization.asset_key.path[-1]
        if name not in self.tables:
            return
        self.published.append(name)
        source, _, kind = name.rpartition("_")
        rows = self.tables[name].rows_out or 0
        if kind == "landing":
            self.landed[source] += rows
        elif kind == "quarantine":
            self.quarantined[source] += rows
            because = materialization.metadata.get("quarantined_because")
            for record in getattr(because, "records", []):
                self.reasons[record.data["reason"]] += record.data["records"]

    def _take_failure(self, event: dg.DagsterEvent, tables: list[TableShown]) -> None:
        for table in tables:
            table.status = "failed"
        failure = event.step_failure_data
        if failure.user_failure_data is not None:
            self.failures.append(str(failure.user_failure_data.description))
        elif failure.error is not None:
            self.failures.append(f"{event.step_key}: a bug, see its trace below")
            self.bugs.append(failure.error.to_string())

    def end(self, *, succeeded: bool) -> None:
        """Take that the run has ended; what it has not come to by now, it passed over."""
        self.succeeded = succeeded
        for table in self.tables.values():
            if table.status in (WAITS, RUNS):
                table.status = "skipped"

    def document(self) -> dict[str, Any]:
        """The run as one JSON document."""
        return {
            "run_id": self.run_id,
            "succeeded": self.succeeded,
            "seconds": self.seconds,
            "tables": [asdict(table) for table in self.tables.values()],
            "landed": self.landed,
            "quarantined": self.quarantined,
            "reasons": self.reasons,
            "held_back": self.held_back,
            "published": self.published,
            "failures": self.failures,
            "notices": self.notices,
        }
