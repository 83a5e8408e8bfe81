"""``lake_table``: what every table beyond landing has in common, so that an asset is its definition alone.

Stage, audit, publish: the op writes its result once beside the table, checks what it wrote, and hands it to the
IO manager, which publishes it, only if nothing blocks. Dagster records an output before it looks at checks that
are reported with it, so a blocked table must yield its check results and fail before there is any output.
"""

import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial, wraps
from typing import Any

import dagster as dg
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from stedi_assets.assets.checks import (
    Candidate,
    Outcome,
    TableCheck,
    contract_outcome,
    row_count,
    structure_outcome,
)
from stedi_assets.contracts.audit import Audit, audit, structure_problems
from stedi_assets.contracts.dagster import definition_metadata
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.lake.io_manager import failing_clearly
from stedi_assets.lake.lake import Lake, Staged, snapshot_of

OWNERS = ["team:data-platform"]
RESOURCES = {"lake", "engine", "settings", "io_manager"}
CHECK_DESCRIPTIONS = {
    "contract": "Columns, types and value rules of the table's contract hold for every row.",
    "row_count": "Rows agree with what is expected, with what they come from, and with what was there before.",
    "consent": "Nobody is in here who does not consent to research now.",
    "same_person": "Every pair of readings is of one person.",
}


def lake_table(
    *,
    group: str,
    rows_of: str | None = None,
    checks: Mapping[str, TableCheck],
    lineage: Mapping[str, tuple[tuple[str, str], ...]] | None = None,
    figures: Callable[[Candidate], Mapping[str, int]] = lambda _: {},
) -> Callable[[Callable[..., DataFrame]], dg.AssetsDefinition]:
    """Make an asset of a function from frames to the frame of the table after which it is named.

    The function's parameters are the tables that it reads, by name, and ``settings`` if it heeds a policy.

    Args:
        group: Group in the UI.
        rows_of: The table whose rows, with their columns, the function selects from.
        checks: Checks beyond ``contract`` and ``row_count``, by name.
        lineage: For each column the (table, column) pairs that it is made from; with ``rows_of``, its columns of
            the same names.
        figures: Computes metadata of the table that is worth showing beside it.
    """

    def decorate(function: Callable[..., DataFrame]) -> dg.AssetsDefinition:
        contract = CONTRACTS[function.__name__]
        parameters = inspect.signature(function).parameters
        inputs = [name for name in parameters if name in CONTRACTS]
        all_checks: dict[str, TableCheck] = {
            "row_count": partial(row_count, contract.name, rows_of),
            **checks,
        }
        origins = lineage or {column.name: ((str(rows_of), column.name),) for column in contract.columns}

        @dg.asset(
            name=contract.name,
            ins={name: dg.AssetIn() for name in inputs},
            description=inspect.getdoc(function),
            group_name=group,
            kinds={"pyspark", "iceberg", "parquet"},
            owners=OWNERS,
            metadata=definition_metadata(contract, origins),
            check_specs=check_specs(contract.name, ["contract", *all_checks]),
            required_resource_keys=RESOURCES,
            # Where an instance limits its pools to one, only one run writes a table at a time.
            pool=contract.name,
        )
        @without_engine_messages
        def table(context: dg.AssetExecutionContext, **frames: DataFrame) -> Iterator[Any]:
            began = time.monotonic()
            lake: Lake = context.resources.lake
            base = lake.table(contract)
            if "settings" in parameters:
                frame = function(**frames, settings=context.resources.settings)
            else:
                frame = function(**frames)
            if problems := structure_problems(frame, contract):
                outcomes = {"contract": structure_outcome(problems)}
                yield from report(outcomes, contract.name, None)
                raise_if_blocked(outcomes, contract.name)
            staged = lake.stage(contract, frame, context.resources.engine, base)
            candidate, verdict = candidate_of(context, staged)
            outcomes = {"contract": contract_outcome(verdict)}
            if not outcomes["contract"].blocks:
                outcomes |= {name: check(candidate) for name, check in all_checks.items()}
            yield from report(outcomes, contract.name, staged)
            raise_if_blocked(outcomes, contract.name)
            yield dg.Output(
                staged,
                metadata={**figures(candidate), "seconds": round(time.monotonic() - began, 2)},
            )

        return table

    return decorate


def without_engine_messages(compute: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Keep what an engine says of an error out of the event log: it may quote the row at which it failed.

    In its place there is a ``dg.Failure`` with the kind of the error and the place where it came up. Errors of AWS are
    explained instead.
    """

    @wraps(compute)
    def guarded(context: dg.AssetExecutionContext, *args: Any, **kwargs: Any) -> Iterator[Any]:  # noqa: ANN401 - as the asset takes them
        try:
            with failing_clearly(context.resources.lake):
                yield from compute(context, *args, **kwargs)
        except PySparkException as error:
            kind = error.getCondition() or type(error).__name__
            raise dg.Failure(
                f"{context.op_def.name}: the engine failed with {kind}; its message is left out, since it may quote a "
                "person's data; the stack trace says where it failed"
            ).with_traceback(error.__traceback__) from None

    return guarded


def check_specs(table: str, names: Iterable[str]) -> list[dg.AssetCheckSpec]:
    """Declare the checks of a table; each blocks what is downstream."""
    return [
        dg.AssetCheckSpec(name, asset=table, blocking=True, description=CHECK_DESCRIPTIONS[name])
        for name in names
    ]


def candidate_of(context: dg.AssetExecutionContext, staged: Staged) -> tuple[Candidate, Audit]:
    """Audit a staged table, and make it a candidate for further checks."""
    lake, engine = context.resources.lake, context.resources.engine
    frame = lake.read_staged(staged, engine)
    verdict = audit(frame, staged.contract)
    candidate = Candidate(
        frame=frame,
        rows=verdict.rows,
        before=snapshot_of(staged.base),
        lake=lake,
        engine=engine,
        settings=context.resources.settings,
        read=context.resources.io_manager.read,
    )
    return candidate, verdict


def report(
    outcomes: Mapping[str, Outcome], table: str, staged: Staged | None
) -> Iterator[dg.AssetCheckResult]:
    """Tell Dagster what the checks of a table found."""
    for name, outcome in outcomes.items():
        where = {"staged": staged.folder} if staged is not None and outcome.blocks else {}
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=table,
            passed=outcome.passed,
            severity=outcome.severity,
            metadata={**outcome.metadata, **where},
        )


def raise_if_blocked(outcomes: Mapping[str, Outcome], table: str) -> None:
    """Stop before publication if a check blocks it.

    Raises:
        dg.Failure: A check blocks; what is published stays as it was. A retry would find the same rows.
    """
    if failed := [name for name, outcome in outcomes.items() if outcome.blocks]:
        raise dg.Failure(
            f"{table}: not published, since {', '.join(failed)} failed; the figures are with the check results, and "
            "the table is as it was before",
            allow_retries=False,
        )
