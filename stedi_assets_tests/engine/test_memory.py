"""A run takes no more memory than it may: what the engine and the reader get of it, and what is said at the limit."""

import os
import subprocess
import sys

import pytest

from stedi_assets.engine import memory
from stedi_assets.engine.session import SparkEngine

GIGABYTE = 1_000_000_000


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_container_counts_and_not_its_machine(monkeypatch, tmp_path, name):
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = tmp_path / name
    limit.parent.mkdir(exist_ok=True)
    for text, most in (("max", machine), (str(1 << 63), machine), (f"{2 * GIGABYTE}\n", 2 * GIGABYTE)):
        limit.write_text(text)
        assert memory.share_of_machine() == int(0.75 * most)


def test_as_many_files_are_read_side_by_side_as_fit(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    at_once = [SparkEngine(spark="sail", memory_bytes=n * GIGABYTE).tasks_at_once for n in (1, 8, 100)]
    assert at_once == [3, 50, 128]
    assert SparkEngine(spark="local[*]", memory_bytes=GIGABYTE).tasks_at_once == 3
    assert SparkEngine(spark="spark://host:7077", memory_bytes=GIGABYTE).tasks_at_once is None


JOIN = """
import dagster as dg
from stedi_assets.engine.session import SparkEngine
from stedi_assets.lake.lake import Lake
from stedi_assets.resources import failing_clearly
from stedi_assets.settings import get_settings

settings = get_settings()
with SparkEngine.of(settings).running() as engine:
    wide = [f"repeat('{name}', 1000) AS {name}" for name in "ab"]
    one, other = (engine.session.range(400_000).selectExpr("id", each) for each in wide)
    try:
        with failing_clearly(Lake(settings), "some_table"):
            print(one.join(other, "id").selectExpr("sum(length(a) + length(b))").collect()[0][0])
    except dg.Failure as failure:
        print(failure.description)
"""


def test_a_join_that_does_not_fit_fails_with_a_sentence(tmp_path):
    environment = os.environ | {"STEDI_MEMORY": "1GB", "STEDI_SPARK": "sail", "STEDI_LAKE_URI": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", JOIN], env=environment, capture_output=True, text=True, check=False
    )
    sentence = (
        "Configuration: some_table: the engine needs more memory than a run may take; raise STEDI_MEMORY"
    )
    assert run.stdout.startswith(sentence), run.stderr


STARTED = """
from stedi_assets.engine.session import SparkEngine
from stedi_assets.settings import get_settings

with SparkEngine.of(get_settings()).running() as engine:
    engine.session
"""


def test_sails_allocator_gives_back_what_is_free(tmp_path):
    environment = os.environ | {
        "STEDI_SPARK": "sail",
        "STEDI_LAKE_URI": str(tmp_path),
        "MIMALLOC_VERBOSE": "1",
    }
    run = subprocess.run(
        [sys.executable, "-c", STARTED], env=environment, capture_output=True, text=True, check=True
    )
    # As the allocator itself says when it is loaded.
    for option in ("allow_thp': 0", "purge_delay': 1", "page_full_retain': 0", "generic_collect': 1000"):
        assert f"'{option} " in run.stderr
