"""The documentation site: it builds strictly, loads nothing from elsewhere, is accessible, and fits a phone."""

import functools
import http.server
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from stedi_assets_tests.shares import share

REPOSITORY = Path(__file__).parents[1]
DOCS = sorted(path.stem for path in (REPOSITORY / "docs").glob("*.md"))


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the library's)
        """Say nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built from a copy, as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(REPOSITORY / "mkdocs.yml", folder)
    shutil.copytree(REPOSITORY / "docs", folder / "docs")
    zensical = Path(sys.executable).with_name("zensical")
    built = subprocess.run(
        [str(zensical), "build", "--strict", "--clean"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("Chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def test_every_page_is_in_the_navigation(site: Path):
    text = (REPOSITORY / "mkdocs.yml").read_text()
    assert set(re.findall(r": ([\w-]+)\.md$", text, re.MULTILINE)) == set(DOCS)
    assert yaml.safe_load(text)["theme"]["font"] is False
    assert all((site / f"{name}.html").exists() for name in DOCS)


@pytest.mark.parametrize(
    ("name", "width"),
    share(product(DOCS, (1280, 400)), *((name, 400) for name in DOCS), ("index", 1280), ("tables", 1280)),
)
def test_a_page_loads_nothing_from_elsewhere_is_accessible_and_fits(page, address, name, width):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/{name}.html")
    page.wait_for_load_state("networkidle")
    page.locator(".md-typeset h1").wait_for()
    assert not [url for url in asked if not url.startswith(address)]
    # Wide tables and code scroll in themselves; the page does not.
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    serious = [item["id"] for item in found if item["impact"] in ("serious", "critical")]
    assert not serious, [(item["id"], item["nodes"][0]["html"]) for item in found]
