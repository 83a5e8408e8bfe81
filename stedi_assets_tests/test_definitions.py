"""What Dagster loads, and what its UI says of each table."""

import re
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.definitions import build_definitions, defs
from stedi_assets.settings import Settings, SettingsError, get_settings

REPOSITORY = Path(__file__).parents[1]
GROUPS = {
    "files": {"customer_files", "accelerometer_files", "step_trainer_files"},
    "landing": {"customer_landing", "accelerometer_landing", "step_trainer_landing"},
    "quarantine": {"customer_quarantine", "accelerometer_quarantine", "step_trainer_quarantine"},
    "trusted": {"customer_trusted", "accelerometer_trusted", "step_trainer_trusted"},
    "curated": {"customer_curated", "machine_learning_curated"},
    "ledger": {"landing_files"},
}
FILES = GROUPS["files"]
TABLES = sorted(set().union(*GROUPS.values()) - FILES - GROUPS["ledger"])
# What each asset is made from.
DEPS = {
    "customer_files": set(),
    "accelerometer_files": set(),
    "step_trainer_files": set(),
    "customer_landing": {"customer_files"},
    "customer_quarantine": {"customer_files"},
    "accelerometer_landing": {"accelerometer_files"},
    "accelerometer_quarantine": {"accelerometer_files"},
    "step_trainer_landing": {"step_trainer_files"},
    "step_trainer_quarantine": {"step_trainer_files"},
    "customer_trusted": {"customer_landing", "customer_quarantine"},
    "accelerometer_trusted": {"accelerometer_landing", "customer_trusted"},
    "customer_curated": {"customer_trusted", "accelerometer_trusted"},
    "step_trainer_trusted": {
        "step_trainer_landing",
        "customer_curated",
        "customer_landing",
        "customer_quarantine",
        "customer_trusted",
    },
    "machine_learning_curated": {"step_trainer_trusted", "accelerometer_trusted", "customer_curated"},
    "landing_files": GROUPS["landing"] | GROUPS["quarantine"],
}
DERIVED = sorted(GROUPS["trusted"] | GROUPS["curated"])


@pytest.fixture(scope="module")
def specs(sail_engine) -> dict[str, dg.AssetSpec]:
    definitions = build_definitions(Settings(), sail_engine)
    dg.Definitions.validate_loadable(definitions)
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_loading_the_definitions_imports_no_library_that_only_some_steps_need():
    """Each start of Dagster and each run pays for it: PyIceberg alone takes a second on a slow machine."""
    libraries = {"boto3", "duckdb", "pyiceberg", "pysail", "s3fs"}
    program = "import sys, stedi_assets.definitions; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not libraries & set(run.stdout.split())


def test_a_wrong_setting_stops_the_definitions_from_loading(monkeypatch):
    monkeypatch.setenv("STEDI_SPARK", "snail")
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match=r"^STEDI_SPARK: no such engine; use sail, "):
        defs(None)


def test_every_table_is_an_asset_in_its_group_and_so_are_the_folders_of_files(specs):
    assert {name: spec.group_name for name, spec in specs.items()} == {
        name: group for group, names in GROUPS.items() for name in names
    }
    assert set(specs) == set(CONTRACTS) | FILES


@pytest.mark.parametrize("asset", DEPS)
def test_the_specification_of_an_asset(specs, asset):
    spec = specs[asset]
    assert spec.description
    assert spec.owners == ["team:data-platform"]
    assert {dep.asset_key.to_user_string() for dep in spec.deps} == DEPS[asset]
    if asset in FILES:
        assert spec.kinds == {"json", "csv"}
        return
    # A second one leaves no room for the name in the catalog.
    assert spec.kinds == {"iceberg"}
    contract = CONTRACTS[asset]
    assert spec.description.startswith(f"{contract.description}\n")
    for told in (*DEPS[asset], contract.readers, contract.query, f"docs/tables.md#{asset}"):
        assert told in spec.description
    (code,) = re.findall(r"Its code:\*\* `(.*)`", spec.description)
    assert (REPOSITORY / code).is_file()
    assert spec.code_version or asset == "landing_files"


def test_dagster_makes_the_tables_and_others_deliver_the_files(sail_engine):
    graph = build_definitions(Settings(), sail_engine).resolve_asset_graph()
    assert {key.to_user_string() for key in graph.materializable_asset_keys} == set(TABLES)


@pytest.mark.parametrize("table", [*TABLES, "landing_files"])
def test_a_table_shows_the_columns_of_its_contract(specs, table):
    contract = CONTRACTS[table]
    shown = specs[table].metadata["dagster/column_schema"].columns
    assert [
        (column.name, column.type, column.description, column.constraints.nullable, column.tags)
        for column in shown
    ] == [
        (
            column.name,
            column.type,
            column.description,
            column.nullable,
            {"privacy": column.privacy.replace(" ", "_")},
        )
        for column in contract.columns
    ]
    for column in shown:
        assert column.description
        rules = [rule.name for rule in contract.rules if rule.rule.column == column.name]
        assert column.constraints.other == rules


@pytest.mark.parametrize("table", DERIVED)
def test_each_column_of_a_derived_table_says_what_it_is_made_from(specs, table):
    spec = specs[table]
    lineage = spec.metadata["dagster/column_lineage"].deps_by_column
    assert list(lineage) == list(CONTRACTS[table].column_names)
    upstream = {dep.asset_key.to_user_string() for dep in spec.deps}
    for deps in lineage.values():
        assert deps
        for dep in deps:
            assert dep.asset_key.to_user_string() in upstream
            assert dep.column_name in CONTRACTS[dep.asset_key.to_user_string()].column_names
    shown = [record.data["column"] for record in spec.metadata["lineage"].records]
    assert shown == list(CONTRACTS[table].column_names)


def test_every_check_but_the_one_of_the_delivery_blocks_and_says_what_it_holds(sail_engine):
    graph = build_definitions(Settings(), sail_engine).resolve_asset_graph()
    checks: dict[str, set[str]] = {}
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        assert spec.blocking == (key.name != "delivery")
        assert spec.description
        checks.setdefault(key.asset_key.to_user_string(), set()).add(key.name)
    expected = {name: {"contract", "row_count"} for name in TABLES}
    for name in DERIVED:
        expected[name] = expected[name] | {"consent"}
    for name in GROUPS["quarantine"]:
        expected[name] = expected[name] | {"delivery"}
    expected["machine_learning_curated"] = expected["machine_learning_curated"] | {"same_person"}
    assert checks == expected


def test_checks_say_which_tables_they_read(sail_engine, specs):
    graph = build_definitions(Settings(), sail_engine).resolve_asset_graph()
    for table in DERIVED:
        reads = {
            key.name: {dep.asset_key.to_user_string() for dep in graph.get_check_spec(key).additional_deps}
            for key in graph.asset_check_keys
            if key.asset_key.to_user_string() == table
        }
        inputs = {dep.asset_key.to_user_string() for dep in specs[table].deps}
        expected = {
            "contract": set(),
            "row_count": inputs,
            "consent": {"customer_landing", "customer_quarantine"},
        }
        assert reads == expected | ({"same_person": inputs} if table == "machine_learning_curated" else {})


def test_the_resources_say_which_lake_and_policies_are_in_force_and_no_secret(sail_engine, tmp_path):
    secrets = {"pseudonym_key": "k" * 20, "spark": "sc://host:15002/;token=sesame"}
    settings = Settings(lake_uri=str(tmp_path), database="other_db", consent_from_date=True, **secrets)
    resources = build_definitions(settings, sail_engine).resources
    told = {name: resources[name].description for name in ("lake", "settings", "engine")}
    assert f"`{tmp_path}`" in told["lake"]
    assert "`other_db`" in told["lake"]
    assert "| `STEDI_CONSENT_FROM_DATE` | `True` |" in told["settings"]
    assert "| `STEDI_ML_MATCH` | `person` |" in told["settings"]
    assert told["engine"].endswith("`sc`.")
    assert not re.search("kkkk|sesame", repr(told))


def test_runs_stay_in_one_process(sail_engine):
    """An engine for each step would cost five times the whole run."""
    assert build_definitions(Settings(), sail_engine).executor is dg.in_process_executor


@pytest.mark.parametrize("job", ["refresh", "ingest"])
def test_the_launchpad_says_what_a_run_may_be_told(sail_engine, job):
    resolved = build_definitions(Settings(), sail_engine).resolve_job_def(job)
    for source in ("customer", "accelerometer", "step_trainer"):
        config = resolved.get_node_named(f"{source}_ingest").definition.config_schema.config_type
        assert config.fields["full_refresh"].description


def test_the_jobs_that_can_be_run(sail_engine):
    jobs = {job.name: job for job in build_definitions(Settings(), sail_engine).jobs or ()}
    assert set(jobs) == {"refresh", "ingest", "retention", "enforce_consent"}
    assert all(job.description for job in jobs.values())


def test_every_table_is_expected_to_be_fresh_and_nothing_that_others_deliver(specs):
    fresh = {name for name, spec in specs.items() if spec.freshness_policy}
    assert fresh == set(TABLES)
