"""The UI of a sample lake, as somebody at a browser uses it."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from stedi_assets_tests.browser import scenes
from stedi_assets_tests.browser.scenes import Ui, served


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """A lake whose tables were materialized from the graph, once for all tests."""
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("Chromium is not installed")
    # `make screenshots` says where the pictures go.
    pictures = os.environ.get("STEDI_TEST_PICTURES")
    with served(tmp_path_factory.mktemp("ui"), chromium, pictures and Path(pictures)) as ui:
        scenes.materialize(ui)
        yield ui


def test_after_a_run_from_the_graph_every_table_is_there_and_names_are_whole(ui: Ui):
    ui.open("assets")
    # Eleven tables and the ledger.
    expect(ui.page.get_by_text("Materialized", exact=True)).to_have_count(12)
    ui.sees("accelerometer_quarantine", "machine_learning_curated")


def test_the_graph_has_its_groups_open(ui: Ui):
    scenes.graph(ui)


def test_the_page_of_a_table_says_what_it_is_and_shows_figures_checks_and_plots(ui: Ui):
    scenes.table(ui)
    ui.sees("data scientists, analysts and the pipeline", "stedi_assets/assets/curated.py", "percent_matched")
    ui.page.get_by_role("button", name="Plots").click()
    ui.sees("seconds_audit")
    expect(ui.page.locator("canvas").first).to_be_visible()
    ui.open("assets/machine_learning_curated?view=checks")
    expect(ui.page.get_by_text("Succeeded", exact=True)).to_have_count(4)
    ui.sees("40,981 rows, and none of somebody who does not consent to research now.")


def test_the_sensor_asks_for_a_run_of_a_new_file_and_what_is_broken_in_it_is_a_warning(ui: Ui):
    scenes.broken_file(ui)
    ui.sees("4 of 7 records of accelerometer/landing/accelerometer-broken.json were quarantined")
    ui.open("runs")
    ui.sees("accelerometer-broken.json", "landing_files_sensor")
    ui.open("assets/accelerometer_quarantine?view=lineage")
    ui.sees("2 / 3 Passed")
    ui.open("assets/accelerometer_quarantine")
    ui.sees("quarantined_because", "missing_field:timestamp")


def test_a_failed_check_reads_its_sentence(ui: Ui):
    scenes.failed_check(ui)
    ui.sees("the new rows were not published, the table is as it was")


def test_the_resources_name_the_lake_and_the_policies(ui: Ui):
    location = "locations/stedi_assets.definitions/resources"
    ui.open(f"{location}/lake")
    ui.sees(str(ui.lake), "stedi_db")
    ui.open(f"{location}/settings")
    ui.sees("STEDI_CONSENT_FROM_DATE", "STEDI_ML_MATCH")
