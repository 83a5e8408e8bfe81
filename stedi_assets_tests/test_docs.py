"""The pages say what is there: every command and option, and no file that does not exist."""

import re
from pathlib import Path

import pytest
import typer.main

from stedi_assets.cli import app

REPOSITORY = Path(__file__).parents[1]
README = REPOSITORY / "README.md"
PAGES = [
    README,
    *(REPOSITORY / name for name in ("CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
COMMANDS = typer.main.get_command(app).commands
FOLDERS = (
    "stedi_assets",
    "stedi_assets_tests",
    "benchmarks",
    "deploy",
    "docs",
    "notebooks",
    "requirements",
    "sql",
)


def section(name: str) -> str:
    """What ``docs/commands.md`` says of a command."""
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    found = re.search(rf"^## stedi {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found, f"docs/commands.md has no section for stedi {name}"
    return found[1]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_is_in_its_section(name: str):
    documented = set(re.findall(r"(?<![\w-])-{1,2}[a-z][a-z-]*", section(name)))
    options = {
        spelling
        for parameter in COMMANDS[name].params
        if parameter.param_type_name == "option"
        for spelling in (*parameter.opts, *parameter.secondary_opts)
    }
    assert documented == options | {"-h", "--help"}


def test_no_section_is_of_a_command_that_is_gone():
    page = (REPOSITORY / "docs" / "commands.md").read_text()
    assert set(re.findall(r"^## stedi (\S+)$", page, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_exist(page: Path):
    text = page.read_text()
    named = re.findall(rf"(?<![\w/.-])(?:{'|'.join(FOLDERS)})/[\w./-]*[\w/]", text)
    linked = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    assert not [name for name in named if not (REPOSITORY / name).exists()]
    assert not [name for name in linked if not name.startswith("http") and not (page.parent / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_lead_to_one_of_its_headings(page: Path):
    for target in re.findall(r"\]\(([^)\s]+#[^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        if not name.startswith("http"):
            linked = (page.parent / name).read_text() if name else page.read_text()
            headings = re.findall(r"^#+ (.+)$", linked, re.MULTILINE)
            anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name} links to {target}"


def test_the_readme_shows_every_module_and_package():
    layout = README.read_text().partition("\nstedi_assets/\n")[2].partition("\nstedi_assets_tests/")[0]
    shown = {name for line in layout.splitlines() for name in line.strip().partition("  ")[0].split()}
    package = REPOSITORY / "stedi_assets"
    packages = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    modules = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    assert shown == packages | modules
