"""The key of pseudonyms: where it comes from, and how it is kept."""

import logging
import re
import threading
from pathlib import Path

import pytest

from stedi_assets.privacy.pseudonym import (
    existing_key,
    fingerprint,
    key_file,
    pseudonym_key,
    retire_pseudonyms,
)
from stedi_assets.settings import Settings, SettingsError
from stedi_assets_tests.builders.graph import Graph, failures
from stedi_assets_tests.builders.small_lake import deliver_all


@pytest.fixture
def settings(monkeypatch, tmp_path) -> Settings:
    monkeypatch.delenv("STEDI_PSEUDONYM_KEY", raising=False)
    return Settings(lake_uri=str(tmp_path / "lake"))


def test_a_key_that_is_set_is_used_and_none_is_made(settings):
    given = settings.model_copy(
        update={"pseudonym_key": Settings(pseudonym_key="a key of 16 letters").pseudonym_key}
    )
    assert pseudonym_key(given) == b"a key of 16 letters"
    assert not key_file(settings).exists()


def test_a_key_is_made_once_kept_for_the_owner_alone_and_reported(settings, caplog):
    with caplog.at_level(logging.WARNING):
        made = pseudonym_key(settings)
    path = key_file(settings)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in path.parent.iterdir()] == ["pseudonym.key"]
    (record,) = caplog.records
    assert "STEDI_PSEUDONYM_KEY is not set" in record.message
    assert str(path) in record.message
    assert made.decode() not in caplog.text
    assert len(made) == 64
    caplog.clear()
    assert pseudonym_key(settings) == made
    assert caplog.records == []


def test_the_key_is_not_in_the_lake(settings):
    pseudonym_key(settings)
    assert Path(settings.lake_uri) not in key_file(settings).parents


def test_two_lakes_beside_each_other_share_a_key_and_others_do_not(settings, tmp_path):
    made = pseudonym_key(settings)
    assert pseudonym_key(settings.model_copy(update={"lake_uri": str(tmp_path / "other")})) == made
    assert pseudonym_key(settings.model_copy(update={"lake_uri": str(tmp_path / "far" / "lake")})) != made


def test_runs_that_begin_at_once_agree_on_a_key(settings):
    begin, found = threading.Barrier(8), []

    def first() -> None:
        begin.wait()
        found.append(pseudonym_key(settings))

    threads = [threading.Thread(target=first) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {pseudonym_key(settings)}


def test_a_lake_on_s3_needs_a_key(settings):
    with pytest.raises(
        SettingsError, match=r"STEDI_PSEUDONYM_KEY: a lake on S3 needs a key.*openssl rand -hex 32"
    ):
        pseudonym_key(settings.model_copy(update={"lake_uri": "s3://bucket/lake"}))


def test_a_fingerprint_tells_keys_apart_and_shows_nothing_of_a_key():
    assert fingerprint(b"a key of 16 letters") == fingerprint(b"a key of 16 letters")
    assert fingerprint(b"a key of 16 letters") != fingerprint(b"b key of 16 letters")
    assert re.fullmatch("[0-9a-f]{16}", fingerprint(b"a key of 16 letters"))


def test_a_key_that_is_asked_for_and_not_there_is_not_made(settings):
    assert existing_key(settings) is None
    assert not key_file(settings).exists()
    assert existing_key(settings.model_copy(update={"lake_uri": "s3://bucket/lake"})) is None
    made = pseudonym_key(settings)
    assert existing_key(settings) == made


@pytest.mark.parametrize("content", ["", "0123456789"])
def test_a_key_that_is_not_whole_is_refused(settings, content):
    key_file(settings).parent.mkdir()
    key_file(settings).write_text(content)
    with pytest.raises(SettingsError, match=r"pseudonym\.key: the file is no whole key") as refused:
        pseudonym_key(settings)
    assert content == "" or content not in str(refused.value)
    assert key_file(settings).read_text() == content


ML = "machine_learning_curated"
OTHER_KEY = "another key that tests may know"


def customer_keys(graph: Graph) -> set[str]:
    return {row["customer_key"] for row in graph.table(ML)}


def test_a_run_under_another_key_is_refused_until_the_pseudonyms_are_retired(sail_engine, tmp_path):
    graph = Graph(str(deliver_all(tmp_path / "lake")), sail_engine)
    graph.run()
    before, snapshots = customer_keys(graph), graph.snapshots()
    other = Graph(graph.lake_uri, sail_engine, {"pseudonym_key": OTHER_KEY})
    refused = other.run(ML, ok=False)
    assert not refused.success
    (told,) = failures(refused)
    assert "were made with another key" in told
    assert "run `stedi rotate-key` first" in told
    assert graph.snapshots() == snapshots
    assert retire_pseudonyms(graph.lake) == 21
    assert graph.table(ML) == []
    assert retire_pseudonyms(graph.lake) == 0
    other.run(ML)
    assert len(customer_keys(other)) == len(before)
    assert customer_keys(other).isdisjoint(before)


def test_a_lost_key_is_asked_for_and_no_new_one_is_made(sail_engine, tmp_path, monkeypatch):
    monkeypatch.delenv("STEDI_PSEUDONYM_KEY", raising=False)
    graph = Graph(str(deliver_all(tmp_path / "lake")), sail_engine, {"pseudonym_key": None})
    graph.run()
    key_file(graph.settings).unlink()
    refused = graph.run(ML, ok=False)
    (told,) = failures(refused)
    assert "bring back its file .stedi/pseudonym.key" in told
    assert not key_file(graph.settings).exists()
