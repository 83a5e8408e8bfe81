"""What somebody does in the UI of a lake: tests look at where a scene ends, README and docs show pictures of it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, ViewportSize, expect, sync_playwright

REPOSITORY = Path(__file__).parents[2]
STEDI = str(Path(sys.executable).with_name("stedi"))
# Seconds on a quiet machine. On a busy one, a run that waits for the run of the sensor took minutes.
PATIENCE_MS = 120_000
SIZE: ViewportSize = {"width": 1280, "height": 800}
# The groups side by side, and more room for the page than for the menu.
_PREFERENCES = {
    "asset-graph-direction": '"vertical"',
    "large-screen-nav-open": "false",
    "dagster-nav-collapsed": "true",
}


@dataclass
class Ui:
    """The UI of a lake, and somebody who looks at it.

    Attributes:
        page: The page of the browser.
        address: Address of the UI.
        graph: Address of the graph, its groups open.
        lake: Folder of the lake.
        pictures: Folder that pictures are taken for; None where nobody wants pictures.
    """

    page: Page
    address: str
    graph: str
    lake: Path
    pictures: Path | None = None

    def open(self, path: str) -> None:
        self.page.goto(f"{self.address}/{path}")

    def sees(self, *texts: str) -> None:
        """Wait until each text is there to be read."""
        for text in texts:
            expect(self.page.get_by_text(text).locator("visible=true").first).to_be_visible()

    def sees_at(self, path: str, text: str) -> None:
        """Open a page again and again until a text is there, since not every page looks again by itself."""
        until = time.monotonic() + PATIENCE_MS / 1000
        while True:
            self.open(path)
            try:
                expect(self.page.get_by_text(text).first).to_be_visible(timeout=10_000)
            except AssertionError:
                if time.monotonic() > until:
                    raise
            else:
                return

    def picture(self, name: str, *, height: int | None = None) -> None:
        """Take a picture, where pictures are wanted; of the page's upper part if a height is given."""
        if self.pictures is not None:
            size = self.page.viewport_size
            clip = {"x": 0, "y": 0, "width": size["width"], "height": height or size["height"]}
            self.page.screenshot(path=self.pictures / f"{name}.png", clip=clip, animations="disabled")


@contextmanager
def served(folder: Path, chromium: str, pictures: Path | None = None) -> Iterator[Ui]:
    """Serve a new sample lake as ``stedi dev`` does, and open a browser."""
    lake = folder / "lake"
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment |= {"STEDI_LAKE_URI": str(lake), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([STEDI, "sample-data", "--lake", str(lake)], env=environment, check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [STEDI, "dev", "--port", str(port)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        said = [server.stdout.readline() for _ in range(3)]
        graph = said[2].split(": ", 1)[-1].strip()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(PATIENCE_MS)
            expect.set_options(timeout=PATIENCE_MS)
            for name, value in _PREFERENCES.items():
                page.add_init_script(f"localStorage.setItem({name!r}, {value!r})")
            yield Ui(page, f"http://127.0.0.1:{port}", graph, lake, pictures)
            browser.close()
    finally:
        server.terminate()
        server.communicate()


def materialize(ui: Ui, status: str = "Success") -> None:
    """Materialize every table from the graph, and wait until the run has a status."""
    ui.page.goto(ui.graph)
    ui.sees("customer_landing")
    ui.page.get_by_role("button", name="Materialize all").click()
    # The message has a button, too, and may be gone before it is pressed.
    launched = ui.page.get_by_text("Launched run").first.inner_text()
    ui.open("runs")
    ui.page.get_by_role("link", name=launched.split()[2]).first.click()
    expect(ui.page.get_by_text(status, exact=True).first).to_be_visible()


def graph(ui: Ui) -> None:
    """Look at the graph, in a window that is large enough for all of it."""
    ui.page.set_viewport_size({"width": 1800, "height": 1000})
    ui.page.goto(ui.graph)
    ui.sees("customer_files", "customer_landing", "landing_files", "customer_trusted", "customer_curated")
    # Each table has its colour when the last event of each is known.
    ui.page.wait_for_load_state("networkidle")
    ui.picture("graph")
    ui.page.set_viewport_size(SIZE)


def table(ui: Ui) -> None:
    """Look at the page of the table for machine learning."""
    ui.open("assets/machine_learning_curated")
    ui.sees("Row count", "40,981", "Who may read it")
    ui.picture("table")
    ui.page.get_by_text("consent_funnel").first.scroll_into_view_if_needed()
    ui.sees("are matched")
    ui.picture("funnel")


def broken_file(ui: Ui) -> None:
    """Deliver a broken file, wait for the run that the sensor asks for, and look at the warning."""
    shutil.copy(REPOSITORY / "examples/2-broken/accelerometer-broken.json", ui.lake / "accelerometer/landing")
    ui.sees_at(
        "assets/accelerometer_quarantine?view=checks&checkDetail=delivery", "accelerometer-broken.json were"
    )
    ui.picture("warning")


def failed_check(ui: Ui) -> None:
    """Deliver a file that nobody can read, materialize, and look at the check that failed; then take the file away."""
    unreadable = Path(
        shutil.copy(
            REPOSITORY / "examples/4-unreadable/customer-unreadable.json", ui.lake / "customer/landing"
        )
    )
    try:
        materialize(ui, status="Failure")
        ui.sees_at("assets/customer_landing?view=checks&checkDetail=row_count", "customer-unreadable.json")
        # Below is the address of the staged rows, which is a path of this machine.
        ui.picture("failed-check", height=500)
    finally:
        unreadable.unlink()
