"""What a person sees of a run that a check blocked."""

from typing import Any

import dagster as dg

from stedi_assets.exports import made_from
from stedi_assets_tests.builders.graph import Graph, failures

DERIVED = (
    "customer_trusted",
    "accelerometer_trusted",
    "customer_curated",
    "step_trainer_trusted",
    "machine_learning_curated",
)
FAILED = "FAILED"


def below(table: str) -> set[str]:
    """A table and all that is made from it."""
    found = {table}
    for name in DERIVED:
        if found & set(made_from()[name]):
            found.add(name)
    return found


def events(graph: Graph, result: dg.ExecuteInProcessResult, kind: dg.DagsterEventType) -> list[Any]:
    """The data of a run's events of one kind, from the instance's event log."""
    return [
        entry.dagster_event.event_specific_data
        for entry in graph.instance.all_logs(result.run_id, of_type=kind)
        if entry.dagster_event is not None
    ]


def checks_in_log(
    graph: Graph, result: dg.ExecuteInProcessResult
) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """Check outcomes of a run, by table and check, from the instance's event log."""
    evaluations = events(graph, result, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    return {(item.asset_key.to_user_string(), item.check_name): item for item in evaluations}


def blocking(graph: Graph, result: dg.ExecuteInProcessResult) -> set[tuple[str, str]]:
    """The checks that blocked in a run."""
    return {
        name
        for name, check in checks_in_log(graph, result).items()
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR
    }


def figures_of(check: dg.AssetCheckEvaluation) -> dict[str, Any]:
    """The metadata of a check; a table as a list of its rows."""
    return {
        name: [record.data for record in value.records]
        if isinstance(value, dg.TableMetadataValue)
        else value.value
        for name, value in check.metadata.items()
    }


def assert_blocked(graph: Graph, table: str, check: str, **figures: Any) -> dict[str, Any]:
    """Run a table and all below it, and see that a check fails with these figures and blocks all that it should.

    Returns:
        All figures of the check, and its sentence by the name ``says``.
    """
    before = graph.snapshots()
    result = graph.run(*below(table), whole=True, ok=False)
    assert not result.success
    assert graph.instance.get_run_by_id(result.run_id).status == dg.DagsterRunStatus.FAILURE
    assert (table, check) in blocking(graph, result)
    evaluation = checks_in_log(graph, result)[table, check]
    found = figures_of(evaluation) | {"says": evaluation.description}
    assert {name: found[name] for name in figures} == figures
    assert (
        found["says"].partition(". ")[0].endswith("; the new rows were not published, the table is as it was")
    )
    (told,) = failures(result)
    # A transform was broken; where a rule of the contract finds it, the rows alone do not say so.
    assert told.startswith((f"Bug: {table}: ", f"Bad data: {table}: "))
    assert f" {check} failed: {found['says']}" in told
    shown = graph.instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(table), check), limit=1
    )
    assert [record.status.value for record in shown] == [FAILED]
    materialized = {
        data.materialization.asset_key.to_user_string()
        for data in events(graph, result, dg.DagsterEventType.ASSET_MATERIALIZATION)
    }
    assert materialized.isdisjoint(below(table))
    started = {event.step_key for event in result.all_events if event.is_step_start}
    assert started.isdisjoint(below(table) - {table})
    after = graph.snapshots()
    assert {name: after[name] for name in below(table)} == {name: before[name] for name in below(table)}
    return found


def assert_publishes(graph: Graph, table: str) -> None:
    """Run a table and all below it, and see them published."""
    before, rows = graph.snapshots(), graph.rows()
    result = graph.run(*below(table), whole=True)
    assert result.success
    assert blocking(graph, result) == set()
    after = graph.snapshots()
    assert {name for name in below(table) if after[name] == before[name]} == set()
    assert graph.rows() == rows
