"""The image of ``deploy/Dockerfile``: it is built and run where a Docker daemon runs."""

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)


def has_docker() -> bool:
    try:
        return docker("info").returncode == 0
    except FileNotFoundError:
        return False


def test_what_the_image_copies_is_there():
    lines = (REPOSITORY / "deploy/Dockerfile").read_text().splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    assert copied
    assert not [name for name in copied if not (REPOSITORY / name).exists()]
    seen = {line[1:] for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    assert {name.partition("/")[0] for name in copied} <= seen


# Not a skip: machines without a Docker daemon, the usual ones of CI among them, cannot run this at all.
if has_docker():

    @pytest.mark.timeout(1800)
    def test_the_image_runs_the_command_and_the_definitions():
        built = docker("build", "--quiet", "--file", "deploy/Dockerfile", ".")
        assert built.returncode == 0, built.stderr
        image = built.stdout.strip()
        assert docker("run", "--rm", image, "stedi", "--version").returncode == 0
        loaded = docker(
            "run", "--rm", image, "python", "-c", "import stedi_assets.definitions as d; d.defs()"
        )
        assert loaded.returncode == 0, loaded.stderr
