"""The sample lake has the promised row counts, the same every time, and is written whole or not at all."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from stedi_assets.sample_data import COUNTS_FILE, LakeInUseError, sessions, write_sample_lake
from stedi_assets_tests.shares import share

REPOSITORY = Path(__file__).parents[2]

PROMISED = {
    "customer_landing": 956,
    "accelerometer_landing": 81_273,
    "step_trainer_landing": 28_680,
    "customer_trusted": 482,
    "accelerometer_trusted": 40_981,
    "customer_curated": 482,
    "step_trainer_trusted": 14_460,
    "machine_learning_curated": 40_981,
    "customer_quarantine": 6,
    "accelerometer_quarantine": 9,
    "step_trainer_quarantine": 6,
}


def files_of(lake: Path) -> dict[str, bytes]:
    return {
        path.relative_to(lake).as_posix(): path.read_bytes() for path in lake.rglob("*") if path.is_file()
    }


# Row counts


def test_default_counts_are_the_reference_counts_at_any_seed(sample):
    assert sample.expected["row_counts"]["default"] == PROMISED


@pytest.mark.parametrize("seed", share([1, 2, 3, 4, 5, 999, -7, 2**70], 1, -7, 2**70))
def test_further_seeds(tmp_path, seed):
    assert write_sample_lake(tmp_path, seed=seed).row_counts["default"] == PROMISED


def test_crowded_day_pairs_nobody_with_another_owners_step(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "_WINDOW_MS", 1)
    monkeypatch.setattr(sessions, "_BEAT_MS", (2000, 2001))
    assert write_sample_lake(tmp_path).row_counts["default"] == PROMISED


@pytest.mark.parametrize(
    ("policy", "from_date", "match_timestamp"),
    [
        ("default", False, False),
        ("consent_from_date", True, False),
        ("match_timestamp", False, True),
        ("consent_from_date_match_timestamp", True, True),
    ],
)
def test_stated_counts_are_those_of_the_written_files(sample, policy, from_date, match_timestamp):
    stated = {
        table: rows
        for table, rows in sample.expected["row_counts"][policy].items()
        if not table.endswith("_quarantine")
    }
    assert sample.recount(from_date=from_date, match_timestamp=match_timestamp) == stated


def test_policies_change_the_counts(sample):
    counts = sample.expected["row_counts"]
    default, dated, timed = counts["default"], counts["consent_from_date"], counts["match_timestamp"]
    for table in (
        "accelerometer_trusted",
        "customer_curated",
        "step_trainer_trusted",
        "machine_learning_curated",
    ):
        assert 0 < dated[table] < default[table]
    assert timed["machine_learning_curated"] > default["machine_learning_curated"]
    assert {**timed, "machine_learning_curated": 0} == {**default, "machine_learning_curated": 0}
    both = counts["consent_from_date_match_timestamp"]["machine_learning_curated"]
    assert dated["machine_learning_curated"] < both < timed["machine_learning_curated"]


def test_scale_multiplies_the_default_counts(read_sample, tmp_path):
    counts = write_sample_lake(tmp_path, seed=3, scale=2)
    assert counts.row_counts["default"] == {table: 2 * rows for table, rows in PROMISED.items()}
    doubled = read_sample(tmp_path)
    recounted = doubled.recount(from_date=True, match_timestamp=True)
    assert recounted.items() <= counts.row_counts["consent_from_date_match_timestamp"].items()
    assert {source: dict(reasons) for source, reasons in doubled.reasons.items()} == counts.quarantine_reasons


# Files


def test_files_look_like_the_reference_delivery(tmp_path):
    counts = write_sample_lake(tmp_path)
    assert counts.landing_files == {
        name: len(content) for name, content in files_of(tmp_path).items() if name != COUNTS_FILE
    }
    for name in counts.landing_files:
        assert re.fullmatch(r"(\w+)/landing/\1-17\d{11}\.json", name)
    assert Counter(name.split("/")[0] for name in counts.landing_files) == {
        "customer": 1,
        "accelerometer": 9,
        "step_trainer": 3,
    }
    assert yaml.safe_load((tmp_path / COUNTS_FILE).read_text()) == vars(counts)


@pytest.mark.prove
def test_large_lakes_have_larger_files(tmp_path):
    counts = write_sample_lake(tmp_path, scale=10)
    accelerometer = [tmp_path / name for name in counts.landing_files if name.startswith("accelerometer/")]
    assert [path.read_bytes().count(b"\n") for path in accelerometer] == [100_000] * 8 + [12_820]


def test_equal_seeds_give_equal_bytes_and_other_seeds_other_data(tmp_path):
    for folder, seed in (("one", 4), ("two", 4), ("three", 5)):
        write_sample_lake(tmp_path / folder, seed=seed)
    one, two, three = (files_of(tmp_path / folder) for folder in ("one", "two", "three"))
    assert one == two
    assert one.keys() == three.keys()
    assert all(one[name] != three[name] for name in one)


def test_committed_sample_lake_is_the_one_of_seed_0(tmp_path):
    counts = write_sample_lake(tmp_path, seed=0)
    fresh = files_of(tmp_path)
    assert {name: (REPOSITORY / "data" / name).read_bytes() for name in fresh} == fresh
    landed = {
        path.relative_to(REPOSITORY / "data").as_posix()
        for path in (REPOSITORY / "data").glob("*/landing/*")
        if not path.name.startswith(".")
    }
    assert landed == counts.landing_files.keys()


def test_lake_with_other_landing_files_is_refused_and_left_alone(tmp_path):
    other = tmp_path / "step_trainer" / "landing" / "real.json"
    other.parent.mkdir(parents=True)
    other.write_text("{}\n")
    with pytest.raises(LakeInUseError, match=r"step_trainer.landing holds 1 file.*choose another lake"):
        write_sample_lake(tmp_path)
    assert files_of(tmp_path) == {"step_trainer/landing/real.json": b"{}\n"}


def test_hidden_files_are_no_landing_files(tmp_path):
    hidden = tmp_path / "customer" / "landing" / ".gitkeep"
    hidden.parent.mkdir(parents=True)
    hidden.touch()
    assert write_sample_lake(tmp_path).row_counts["default"] == PROMISED


def test_sample_of_another_scale_is_not_mixed_in(tmp_path):
    write_sample_lake(tmp_path, scale=2)
    before = files_of(tmp_path)
    with pytest.raises(LakeInUseError):
        write_sample_lake(tmp_path, scale=1)
    assert files_of(tmp_path) == before


def test_interrupted_run_states_no_counts_and_can_be_repeated(tmp_path):
    lake = tmp_path / "lake"
    write_sample_lake(lake, seed=1)

    def interrupt(done, total):
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample_lake(lake, seed=0, on_progress=interrupt)
    assert not (lake / COUNTS_FILE).exists()
    write_sample_lake(lake, seed=0)
    write_sample_lake(tmp_path / "fresh", seed=0)
    assert files_of(lake) == files_of(tmp_path / "fresh")


def test_failed_write_leaves_no_partial_file(tmp_path, monkeypatch):
    def fail(self, target):
        raise OSError("disk is gone")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="disk is gone"):
        write_sample_lake(tmp_path)
    assert files_of(tmp_path) == {}


def test_progress_counts_records_up_to_the_total(tmp_path):
    calls: list[tuple[int, int]] = []
    write_sample_lake(tmp_path, on_progress=lambda done, total: calls.append((done, total)))
    assert calls == sorted(calls)
    assert {total for _, total in calls} == {956 + 81_273 + 28_680 + 6 + 9 + 6}
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize("scale", [0, -1])
def test_scale_below_one_is_refused(tmp_path, scale):
    with pytest.raises(ValueError, match="give 1 or more"):
        write_sample_lake(tmp_path, scale=scale)


# Broken records


def test_broken_records_are_as_many_as_stated_of_every_kind(sample):
    assert {source: dict(reasons) for source, reasons in sample.reasons.items()} == sample.expected[
        "quarantine_reasons"
    ]
    for source, reasons in sample.reasons.items():
        assert set(reasons) == {"truncated", "not_json", "not_an_object", "missing_field", "wrong_type"}
        assert reasons.total() == PROMISED[f"{source}_quarantine"]


def test_an_intact_record_follows_every_broken_one(read_sample, tmp_path):
    counts = write_sample_lake(tmp_path)
    for name in counts.landing_files:
        source = name.split("/")[0]
        broken = [
            read_sample.reason_of(line, source) for line in (tmp_path / name).read_text().split("\n")[:-1]
        ]
        assert not any(this and following for this, following in pairwise(broken))
        assert broken[-1] is None
