"""The command ``relocate``."""

import shutil
from pathlib import Path

import pytest

from stedi_assets_tests.cli.printed import cells


@pytest.fixture
def moved(graph, tmp_path) -> str:
    """A copy of the lake in another folder."""
    shutil.copytree(graph.lake_uri, tmp_path / "moved")
    return str(tmp_path / "moved")


def test_a_moved_lake_is_registered_anew(stedi, graph, moved):
    code, out, err = stedi("counts", lake=moved)
    assert code == 1
    assert "run `stedi relocate`" in err
    code, out, _ = stedi("relocate", lake=moved)
    assert code == 0
    assert {(name, int(rows)) for name, _, rows in cells(out)[1:]} >= set(graph.rows().items())
    code, out, _ = stedi("counts", "--json", lake=moved)
    assert (code, out) == (0, stedi("counts", "--json", lake=graph.lake_uri)[1])


def test_a_lake_that_was_not_moved_is_told_so(stedi, graph):
    code, out, err = stedi("relocate", lake=graph.lake_uri)
    assert (code, out) == (1, "")
    assert f"{graph.lake_uri} was not moved" in err
    assert len(err.splitlines()) == 1


def test_the_key_that_stayed_behind_is_told_of(stedi, moved, monkeypatch):
    monkeypatch.delenv("STEDI_PSEUDONYM_KEY", raising=False)
    _, _, err = stedi("relocate", lake=moved)
    assert f"bring it to {Path(moved).parent}/.stedi/pseudonym.key" in err
    assert not Path(moved).parent.joinpath(".stedi").exists()
