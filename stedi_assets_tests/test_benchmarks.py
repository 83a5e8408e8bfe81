"""The contenders of ``make bench`` do the same work, and the page says what was measured."""

import sys

import pytest

from benchmarks import page
from benchmarks.bench import CONTENDERS, TABLES, Contender, compare
from benchmarks.landing_files import well_formed

DUCKDB = next(contender for contender in CONTENDERS if contender.name == "DuckDB script")


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    return well_formed(tmp_path_factory.mktemp("bench") / "lake", scale=1)


@pytest.mark.prove
def test_all_contenders_make_the_same_tables(lake):
    result = compare(lake, scale=1, rounds=1)
    assert set(result["contenders"]) == {contender.name for contender in CONTENDERS}
    assert all(result["rows"][table] > 0 for table in TABLES)
    assert all(
        figures[name]["least"] > 0
        for figures in result["contenders"].values()
        for name in ("seconds", "cpu_seconds", "peak_bytes", "bytes_written")
    )


def test_a_contender_that_loses_rows_ends_the_comparison(lake):
    lost = "import pathlib; pathlib.Path('{output}/customer_curated/part.parquet').unlink()"
    loser = Contender("loser", (*DUCKDB.commands, (sys.executable, "-c", lost)))
    with pytest.raises(RuntimeError, match="loser gives other rows than DuckDB script"):
        compare(lake, scale=1, rounds=1, contenders=(DUCKDB, loser))


def test_the_page_is_of_the_results():
    assert (page.REPOSITORY / page.PAGE).read_text() == page.page(), "stale: python -m benchmarks.page"
