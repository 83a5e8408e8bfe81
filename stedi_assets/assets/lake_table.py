"""``lake_table``: what every table beyond landing has in common, so that an asset is its definition alone.

Stage, audit, publish: the op writes its result once beside the table, checks what it wrote, and hands it to the
IO manager, which publishes it, only if nothing blocks. Dagster records an output before it looks at checks that
are reported with it, so a blocked table must yield its check results and fail before there is any output.
See https://docs.dagster.io/guides/build/assets/defining-assets.
"""

import hashlib
import inspect
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
from pydantic import Field
from pyspark.sql import DataFrame  # noqa: TID253 - Dagster reads the annotations of an op

from stedi_assets import transforms
from stedi_assets.assets.files_read import triggered_by
from stedi_assets.assets.increment import Derivation, added_to, stage_rows, what_is_new
from stedi_assets.assets.metadata import FRESHNESS, KINDS_OF_TABLES, OWNERS, about, definition_metadata
from stedi_assets.checks import (
    CODE_IS_AT_FAULT,
    CONTRACT_DESCRIPTION,
    ROW_COUNT_DESCRIPTION,
    Candidate,
    CheckOutcome,
    TableCheck,
    contract_outcome,
    row_count,
    structure_outcome,
)
from stedi_assets.contracts import consent, reconciliation
from stedi_assets.contracts.audit import Audit, audit, audit_of_nothing, structure_problems
from stedi_assets.contracts.contract import Contract
from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.contracts.reconciliation import Reconciliation
from stedi_assets.lake.pinned import PinnedSnapshots
from stedi_assets.lake.publication import Staged
from stedi_assets.lake.snapshot import read_files, require_rows, snapshot_of
from stedi_assets.privacy.pseudonym import pseudonym_key, require_published_key
from stedi_assets.resources import computed_again, recorded
from stedi_assets.settings import Settings
from stedi_assets.transforms.increments import Growth
from stedi_assets.withdrawal import withdrawn

_ASKED_FOR = "full_refresh asks for it"
_ROWS_REPEAT = "STEDI_ML_MATCH=timestamp lets rows repeat, so that nobody can tell which are new"


class TableConfig(dg.Config):
    """Run configuration of a trusted or curated table, as the launchpad shows it."""

    full_refresh: bool = Field(
        default=False, description="Make the table whole, even where to add new rows would do."
    )


def lake_table(  # noqa: PLR0913 - what tables differ in
    *,
    group: str,
    subset_of: str | None = None,
    grows: Growth | None = None,
    reconcile: Callable[[Candidate], Reconciliation],
    checks: Mapping[str, TableCheck],
    lineage: Mapping[str, tuple[tuple[str, str], ...]] | None = None,
    rows_may_repeat: Callable[[Settings], bool] = lambda _: False,
    figures: Callable[[Candidate, Mapping[str, CheckOutcome]], Mapping[str, Any]] = lambda *_: {},
    said: tuple[str, ...] = (),
) -> Callable[[Callable[..., DataFrame]], dg.AssetsDefinition]:
    """Make an asset of a function from frames to the frame of the table after which it is named.

    The function's parameters are the tables that it reads, by name, and ``settings`` if it heeds a policy.

    Args:
        group: Group in the UI.
        subset_of: The table whose rows, with their columns, the function selects from.
        grows: How the table grows with its inputs; None if it is made whole whenever one of them changes.
        reconcile: Holds the staged rows against the rows that the inputs lead to, for ``row_count``.
        checks: Checks beyond ``contract`` and ``row_count``, by name.
        lineage: For each column the (table, column) pairs that it is made from; with ``subset_of``, its columns of
            the same names.
        rows_may_repeat: Whether a policy lifts the rule that no two rows share a key.
        figures: Computes what is worth showing beside the table, of what was staged and what its checks found.
        said: Figures that the snapshot is to say.
    """

    def decorate(function: Callable[..., DataFrame]) -> dg.AssetsDefinition:
        contract = CONTRACTS[function.__name__]
        parameters = inspect.signature(function).parameters
        inputs = tuple(name for name in parameters if name in CONTRACTS)
        counted = partial(row_count, contract.name, subset_of)
        table_checks = {"row_count": TableCheck(counted, ROW_COUNT_DESCRIPTION, reads=inputs), **checks}
        tables_checked = {name for check in table_checks.values() for name in check.reads}
        origins = lineage or {column.name: ((str(subset_of), column.name),) for column in contract.columns}
        version = code_version(contract, transforms, function)

        @dg.asset(
            name=contract.name,
            ins={name: dg.AssetIn() for name in inputs},
            description=about(contract, inputs, function.__module__),
            group_name=group,
            kinds=KINDS_OF_TABLES,
            owners=OWNERS,
            freshness_policy=FRESHNESS,
            metadata=definition_metadata(contract, origins),
            code_version=version,
            check_specs=_check_specs(contract.name, table_checks),
            # Where an instance limits its pools to one, only one run writes a table at a time.
            pool=contract.name,
        )
        def table(
            context: dg.AssetExecutionContext,
            config: TableConfig,
            settings: dg.ResourceParam[Settings],
            snapshots: dg.ResourceParam[PinnedSnapshots],
            **frames: DataFrame,
        ) -> Iterator[Any]:
            with computed_again(snapshots, contract.name, context.retry_number):
                began = time.monotonic()
                base = snapshots.base(contract)
                made_from = snapshots.made_from({*frames, *tables_checked})
                if contract.has_pseudonyms:
                    require_published_key(base, settings)
                policies = {"settings": settings} if "settings" in parameters else {}
                derivation = Derivation(
                    contract=contract,
                    function=partial(function, **policies),
                    grows=grows,
                    inputs=frames,
                    made_from=made_from,
                    made_by=recorded(settings, contract, version),
                    consent_from_date=settings.consent_from_date,
                    key=pseudonym_key(settings) if contract.has_pseudonyms else None,
                )
                keyed = not rows_may_repeat(settings)
                whole = _ASKED_FOR if config.full_refresh else "" if keyed else _ROWS_REPEAT
                found, why = what_is_new(derivation, base, snapshots, whole)
                if found is None:
                    yield from _require_structure(derivation.function(**frames), contract)
                staged = stage_rows(derivation, found, base, snapshots)
                computed = time.monotonic()
                candidate, verdict = candidate_of(staged, settings, snapshots, keyed=keyed)
                if found is not None:
                    candidate = added_to(candidate, found)
                    # Apache Spark writes a file without rows.
                    staged = staged if verdict.rows else replace(staged, files=())
                candidate, outcomes = yield from _require_checks(
                    candidate, verdict, reconcile, table_checks, staged
                )
                audited = time.monotonic()
                shown: dict[str, Any] = {**figures(candidate, outcomes)}
                staged = replace(staged, counts={name: shown[name] for name in said})
                shown |= {
                    "rows_before": candidate.published.rows,
                    "rows_change": candidate.rows - candidate.published.rows,
                    "made": "whole" if found is None else "new rows added" if verdict.rows else "kept",
                    "made_so_because": why,
                    **triggered_by(context.instance, context.run.run_id),
                    **withdrawn(contract, candidate.published, snapshots, settings),
                    # Spark computes while it writes.
                    "seconds_compute_and_stage": round(computed - began, 2),
                    "seconds_audit": round(audited - computed, 2),
                }
                yield dg.MaterializeResult(value=staged, metadata=shown)

        return table

    return decorate


def _reconciled(reconcile: Callable[[Candidate], Reconciliation], candidate: Candidate) -> Reconciliation:
    """Hold what may have changed against its inputs; where nothing is new, there is nothing to compare."""
    if candidate.added is not None and not candidate.added.inputs:
        return Reconciliation(0, 0, same=True)
    return reconcile(candidate.part)


def _check_specs(table: str, checks: Mapping[str, TableCheck]) -> list[dg.AssetCheckSpec]:
    contract = dg.AssetCheckSpec("contract", asset=table, blocking=True, description=CONTRACT_DESCRIPTION)
    return [contract, *(check.spec(table, name) for name, check in checks.items())]


def code_version(contract: Contract, package: ModuleType, function: Callable[..., Any] | None = None) -> str:
    """A digest of what a table is made by: its contract, the package that computes it, the asset's function.

    Of a trusted or curated table, what its rows are held against is in it, too.

    The UI marks a table as outdated whose digest differs from the one of its last materialization.
    """
    digest = hashlib.sha256(repr((contract.columns, contract.key, contract.rules)).encode())
    for path in sorted(Path(package.__path__[0]).glob("*.py")):
        digest.update(path.read_bytes())
    if function is not None:
        # Published rows were held against these, and are not again while nothing changes.
        for module in (consent, reconciliation):
            digest.update(inspect.getsource(module).encode())
        digest.update(inspect.getsource(function).encode())
    return digest.hexdigest()[:12]


def candidate_of(
    staged: Staged, settings: Settings, snapshots: PinnedSnapshots, *, keyed: bool = True
) -> tuple[Candidate, Audit]:
    """Audit a staged table, and make it a candidate for further checks.

    Args:
        staged: What was staged.
        settings: The policies in force.
        snapshots: The tables of the run.
        keyed: Whether no two rows may share the contract's key.

    Raises:
        LakeError: The engine did not read every row that was staged.
    """
    frame = read_files(staged.contract, staged.files, snapshots.engine)
    contract = staged.contract if keyed else replace(staged.contract, key=())
    verdict = audit(frame, contract) if staged.files else audit_of_nothing(contract)
    require_rows(snapshots.lake, staged.contract.name, staged.files, verdict.rows)
    candidate = Candidate(frame, verdict.rows, snapshot_of(staged.base), settings, snapshots)
    return candidate, verdict


def report(
    outcomes: Mapping[str, CheckOutcome], table: str, staged: Staged | None
) -> Iterator[dg.AssetCheckResult]:
    """Tell Dagster what the checks of a table found."""
    for name, outcome in outcomes.items():
        where = {"staged": staged.folder} if staged is not None and outcome.blocks else {}
        yield dg.AssetCheckResult(
            check_name=name,
            asset_key=table,
            passed=outcome.passed,
            severity=outcome.severity,
            description=outcome.description,
            metadata={**outcome.metadata, **where},
        )


def raise_if_blocked(outcomes: Mapping[str, CheckOutcome], table: str) -> None:
    """Stop before publication if a check blocks it.

    Raises:
        dg.Failure: A check blocks; what is published stays as it was. A retry would find the same rows.
    """
    if blocked := {name: outcome for name, outcome in outcomes.items() if outcome.blocks}:
        failed = [f"{name} failed: {outcome.description}" for name, outcome in blocked.items()]
        is_bug = all(CODE_IS_AT_FAULT in outcome.to_do for outcome in blocked.values())
        kind = "Bug" if is_bug else "Bad data"
        raise dg.Failure(f"{kind}: {table}: {' '.join(failed)}", allow_retries=False)


def _require_checks(
    candidate: Candidate,
    verdict: Audit,
    reconcile: Callable[[Candidate], Reconciliation],
    checks: Mapping[str, TableCheck],
    staged: Staged,
) -> Generator[dg.AssetCheckResult, None, tuple[Candidate, dict[str, CheckOutcome]]]:
    """Evaluate and report the checks of a staged table; rows that break the contract are not worth another check.

    Returns:
        The candidate, reconciled, and what the checks found.

    Raises:
        dg.Failure: A check blocks.
    """
    table = staged.contract.name
    outcomes = {"contract": contract_outcome(verdict, "row" if candidate.added is None else "new row")}
    if not outcomes["contract"].blocks:
        candidate = replace(candidate, reconciliation=_reconciled(reconcile, candidate))
        outcomes |= {name: check.evaluate(candidate) for name, check in checks.items()}
    yield from report(outcomes, table, staged)
    raise_if_blocked(outcomes, table)
    return candidate, outcomes


def _require_structure(frame: DataFrame, contract: Contract) -> Iterator[dg.AssetCheckResult]:
    """Stop before a frame is staged whose columns are not the contract's.

    Raises:
        dg.Failure: A column is missing, is one too many, or has another type or place.
    """
    if problems := structure_problems(frame, contract):
        outcomes = {"contract": structure_outcome(problems)}
        yield from report(outcomes, contract.name, None)
        raise_if_blocked(outcomes, contract.name)
