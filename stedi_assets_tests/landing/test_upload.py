"""``stedi upload``: into a folder and into a bucket, by the same commands and with the same answers."""

import bz2
import csv
import gzip
import io
import json
import sys
from pathlib import Path

import boto3
import pytest

from stedi_assets import cli
from stedi_assets.lake.lake import Lake
from stedi_assets.landing.files import list_landing
from stedi_assets.landing.upload import Uploader
from stedi_assets.settings import Settings, get_settings
from stedi_assets.sources import SOURCES
from stedi_assets_tests.builders.graph import Graph
from stedi_assets_tests.builders.known_lakes import DATA
from stedi_assets_tests.shares import share

RECORDS = {
    "customer": {"email": "ann@example.org", "serialNumber": "s-1", "lastUpdateDate": 1_700_000_000_000},
    "accelerometer": {
        "user": "ann@example.org",
        "timestamp": 1_700_000_000_000,
        "x": 1.0,
        "y": 0.0,
        "z": 0.5,
    },
    "step_trainer": {
        "sensorReadingTime": 1_700_000_000_000,
        "serialNumber": "s-1",
        "distanceFromObject": 200,
    },
}


@pytest.fixture(params=["folder", "bucket"])
def lake(request, tmp_path) -> Lake:
    """An empty lake of each kind."""
    if request.param == "folder":
        return Lake(Settings(lake_uri=str(tmp_path / "lake")))
    new_lake = request.getfixturevalue("new_lake")
    return Lake(Settings(lake_uri=new_lake(tmp_path / "nothing"), pseudonym_key="0123456789abcdef"))


@pytest.fixture
def upload(monkeypatch, capsys, lake):
    """Upload as a shell does; gives the exit code, output and errors.

    The command's file system is the lake's own: fsspec keeps those that are alike.
    """

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setenv("STEDI_LAKE_URI", lake.uri)
        monkeypatch.setattr(sys, "argv", ["stedi", "upload", *map(str, arguments)])
        get_settings.cache_clear()
        try:
            with pytest.raises(SystemExit) as ended:
                cli.main()
        finally:
            get_settings.cache_clear()
        return (ended.value.code or 0, *capsys.readouterr())

    return run


def lines(source: str, count: int = 3) -> bytes:
    return b"".join(json.dumps(RECORDS[source] | {"n": n}).encode() + b"\n" for n in range(count))


def content(lake: Lake) -> dict[str, bytes]:
    """Everything in the landing folders, files that are ignored included."""
    found = {}
    for source in SOURCES:
        listing = list_landing(lake, source)
        for path in [*(file.path for file in listing.files), *listing.ignored]:
            found[path] = lake.filesystem.cat_file(f"{lake.uri}/{path}")
    return found


def test_a_folder_is_sorted_by_what_is_in_its_files(upload, lake, tmp_path):
    delivery = tmp_path / "delivery"
    (delivery / "deeper").mkdir(parents=True)
    csv = b"user,timestamp,x,y,z\nann@example.org,1700000000000,1,2,3\n"
    files = {
        "customer/landing/one.json": ("one.json", lines("customer")),
        "accelerometer/landing/two.jsonl.gz": ("deeper/two.jsonl.gz", gzip.compress(lines("accelerometer"))),
        "accelerometer/landing/three.csv": ("three.csv", csv.decode().encode("utf-16")),
        "step_trainer/landing/part-00000": ("part-00000", lines("step_trainer", 2)),
        "step_trainer/landing/four.ndjson.bz2": ("four.ndjson.bz2", bz2.compress(lines("step_trainer"))),
    }
    for name, text in files.values():
        (delivery / name).write_bytes(text)
    (delivery / "README.txt").write_text("not data")
    (delivery / ".hidden.json").write_bytes(lines("customer"))
    code, out, err = upload(delivery)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "5 files uploaded, 0 there already, 0 refused"
    assert content(lake) == {path: text for path, (_, text) in files.items()}


@pytest.mark.parametrize("lake", share(["folder", "bucket"], "folder"), indirect=True)
def test_what_was_uploaded_is_what_the_tables_get(upload, lake, sail_engine):
    code, out, _ = upload(DATA)
    assert code == 0
    announced = {line.split(" -> ")[1].split(":")[0]: line for line in out.splitlines()[:-1]}
    graph = Graph(lake.uri, sail_engine)
    graph.run()
    ledger = graph.table("landing_files")
    assert {row["source_file"] for row in ledger} == set(announced)
    for row in ledger:
        counts = f": {row['landed']:,} records, and {row['quarantined']:,} for quarantine"
        assert announced[row["source_file"]].endswith(counts)
    assert sum(row["quarantined"] for row in ledger) > 0


def test_a_second_upload_sends_only_what_is_missing(upload, lake, tmp_path):
    delivery = tmp_path / "delivery"
    delivery.mkdir()
    (delivery / "one.json").write_bytes(lines("customer"))
    upload(delivery)
    [first] = list_landing(lake, "customer").files
    (delivery / "two.json").write_bytes(lines("step_trainer"))
    code, out, _ = upload(delivery)
    assert code == 0
    assert out.splitlines()[-1] == "1 file uploaded, 1 there already, 0 refused"
    assert list_landing(lake, "customer").files == (first,)
    assert set(content(lake)) == {"customer/landing/one.json", "step_trainer/landing/two.json"}


def test_a_file_that_came_by_other_means_is_compared_by_its_content(upload, lake, tmp_path):
    for name, text in {"same.json": lines("customer"), "other.json": lines("customer")[::-1]}.items():
        (tmp_path / name).write_bytes(lines("customer"))
        lake.filesystem.pipe_file(f"{lake.uri}/customer/landing/{name}", text)
    code, out, err = upload(tmp_path / "same.json", tmp_path / "other.json")
    assert code == 1
    assert "same.json: there already" in out
    assert "customer/landing/other.json is there already, with other content" in err


def test_content_that_is_there_under_another_name_is_not_landed_twice(upload, lake, tmp_path):
    for name, text in {"one.json": lines("customer"), "more.json": lines("customer", 4)}.items():
        (tmp_path / name).write_bytes(text)
    upload(tmp_path / "one.json")
    copy = (tmp_path / "one.json").rename(tmp_path / "copy.json")
    code, out, _ = upload(copy, tmp_path / "more.json")
    assert code == 0
    assert f"{copy}: there already under another name, as customer/landing/one.json" in out
    assert set(content(lake)) == {"customer/landing/one.json", "customer/landing/more.json"}


def test_as_json_each_file_has_its_outcome_and_its_records(upload, lake, tmp_path):
    known, broken = tmp_path / "known.json", tmp_path / "broken.json"
    known.write_bytes(lines("customer", 2))
    upload(known)
    (tmp_path / "new.json").write_bytes(lines("customer", 3) + b"no record\n")
    broken.write_bytes(b"no record at all\n")
    code, out, err = upload(tmp_path / "new.json", known, broken, "--json")
    new, there, refused = json.loads(out)
    assert (code, err) == (1, "")
    assert new == {
        "file": f"{tmp_path}/new.json",
        "outcome": "uploaded",
        "path": "customer/landing/new.json",
        "landed": 3,
        "quarantined": 1,
        "problem": None,
    }
    assert (there["outcome"], there["path"], there["landed"]) == (
        "there",
        "customer/landing/known.json",
        None,
    )
    assert (refused["outcome"], refused["path"]) == ("refused", None)
    assert "--source" in refused["problem"]
    rows = list(csv.DictReader(io.StringIO(upload(known, "--csv")[1])))
    assert [row["outcome"] for row in rows] == ["there"]


def test_tables_in_a_folder_are_passed_over(upload, lake, tmp_path):
    other = tmp_path / "other"
    for path in ("customer/landing/one.json", ".stedi/lock.json"):
        (other / path).parent.mkdir(parents=True)
        (other / path).write_bytes(lines("customer"))
    # As Iceberg has it; the data may be JSON-like by name as well.
    for path in ("customer/ingested/metadata/00001-a.metadata.json", "customer/ingested/data/part.json"):
        (other / path).parent.mkdir(parents=True, exist_ok=True)
        (other / path).write_bytes(lines("customer", 5))
    code, out, err = upload(other)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == "1 file uploaded, 0 there already, 0 refused"
    assert set(content(lake)) == {"customer/landing/one.json"}


def test_other_content_under_the_same_name_needs_consent(upload, lake, tmp_path):
    file = tmp_path / "one.json"
    file.write_bytes(lines("customer", 3))
    upload(file)
    file.write_bytes(lines("customer", 4))
    code, out, err = upload(file)
    assert code == 1
    assert f"refused {file}: " in err
    assert "--replace" in err
    assert out.splitlines()[-1] == "0 files uploaded, 0 there already, 1 refused"
    assert content(lake) == {"customer/landing/one.json": lines("customer", 3)}
    assert upload("--replace", file)[0] == 0
    assert content(lake) == {"customer/landing/one.json": lines("customer", 4)}
    assert upload(file)[1].splitlines()[-1] == "0 files uploaded, 1 there already, 0 refused"


def test_two_files_of_one_name_do_not_overwrite_each_other(upload, lake, tmp_path):
    for folder, count in {"a": 3, "b": 4}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "same.json").write_bytes(lines("customer", count))
    code, _, err = upload("--replace", tmp_path / "a", tmp_path / "b", tmp_path / "a" / "same.json")
    assert code == 1
    assert f"{tmp_path / 'a' / 'same.json'} has the same name" in err
    assert content(lake) == {"customer/landing/same.json": lines("customer", 3)}


@pytest.mark.parametrize(
    "case",
    [
        (
            "a.json",
            lines("customer"),
            ["--source", "accelerometer"],
            "3 records can be read as accelerometer",
        ),
        ("a.json", lines("customer"), ["--source", "accelerometer"], "it looks like customer"),
        ("a.json", b'{"a": 1}\n', ["--source", "customer"], "it looks like none of customer, accelerometer"),
        ("a.json", b'{"a": 1}\n', [], "--source"),
        ("a.json", b"", ["--source", "customer"], "it has no records"),
        ("a.json.gz", b"\0" + lines("customer"), [], "it is not compressed as its name says"),
        ("a.json.gz", gzip.compress(lines("customer"))[:-9], ["--source", "customer"], "its gzip is damaged"),
        ("a.json", gzip.compress(gzip.compress(lines("customer"))), [], "it holds gzip"),
        (
            "a.json",
            lines("customer").decode().encode("utf-16-le"),
            ["--source", "customer"],
            "it holds text in UTF-16",
        ),
        ("a.txt", lines("customer"), ["--source", "customer"], ".json, .jsonl, .ndjson, .csv"),
        ("test-a.json", lines("customer"), ["--source", "customer"], "does not begin with"),
    ],
)
def test_what_would_not_land_is_refused(upload, lake, tmp_path, case):
    name, text, arguments, why = case
    file = tmp_path / name
    file.write_bytes(text)
    good = tmp_path / "good.json"
    good.write_bytes(lines("customer", 3) + lines("accelerometer", 2))
    code, out, err = upload(*arguments, file, good)
    assert code == 1
    [refusal] = err.splitlines()
    assert refusal.startswith(f"refused {file}: ")
    assert why in refusal
    assert "ann@example.org" not in out + err
    if arguments:
        # The others are uploaded nevertheless, and what of them will be quarantined is said.
        assert ": 3 records, and 2 for quarantine" in out or ": 2 records, and 3 for quarantine" in out
        assert set(content(lake)) == {f"{arguments[1]}/landing/good.json"}


def test_an_upload_that_breaks_off_leaves_nothing_that_is_read(upload, lake, tmp_path, monkeypatch):
    file = tmp_path / "one.json"
    file.write_bytes(lines("customer"))
    whole = lake.filesystem.put_file

    def half(source, target, *args, **kwargs):
        cut = tmp_path / "cut"
        cut.write_bytes(Path(source).read_bytes()[:40])
        if not lake.on_s3:
            whole(str(cut), target)
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(lake.filesystem, "put_file", half)
        assert upload(file)[0] != 0
    assert content(lake) == {}
    assert upload(file)[0] == 0
    assert content(lake) == {"customer/landing/one.json": lines("customer")}


def test_a_file_that_changes_meanwhile_is_reported(upload, lake, tmp_path, monkeypatch):
    file = tmp_path / "one.json"
    file.write_bytes(lines("customer", 3))
    whole = lake.filesystem.put_file

    def late(source, *args, **kwargs):
        whole(source, *args, **kwargs)
        file.write_bytes(lines("customer", 4))

    with monkeypatch.context() as slow:
        slow.setattr(lake.filesystem, "put_file", late)
        code, _, err = upload(file)
    assert code == 1
    assert "changed while it was uploaded" in err
    assert upload("--replace", file)[0] == 0
    assert content(lake) == {"customer/landing/one.json": lines("customer", 4)}


def test_a_large_file_goes_in_parts_and_is_known_again(new_lake, tmp_path, monkeypatch, capsys):
    """A hundred megabytes: beyond that the client sends parts, whose ETag is no digest of the content."""
    uri = new_lake(tmp_path / "nothing")
    file = tmp_path / "large.json"
    block = lines("accelerometer", 10_000)
    with file.open("wb") as stream:
        for _ in range(105_000_000 // len(block) + 1):
            stream.write(block)
    seen: list[int] = []
    lake = Lake(Settings(lake_uri=uri, pseudonym_key="0123456789abcdef"))
    result = Uploader(lake, None, replace=False, sent=seen.append).upload(file)
    assert result.landed == file.stat().st_size // len(block) * 10_000
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert seen[-1] == file.stat().st_size
    bucket, _, prefix = uri.removeprefix("s3://").partition("/")
    found = boto3.client("s3").head_object(Bucket=bucket, Key=f"{prefix}/{result.path}")
    assert "-" in found["ETag"]
    assert found["ContentLength"] == file.stat().st_size
    assert not Uploader(lake, "accelerometer", replace=False, sent=seen.append).upload(file).is_new


@pytest.mark.parametrize("arguments", [[], ["no-such-file.json"], ["--source", "customers", str(DATA)]])
def test_wrong_usage(upload, arguments, lake):
    code, out, err = upload(*arguments)
    assert (code, out) == (2, "")
    assert "Usage: " in err


def test_a_name_with_two_colons_is_a_name(upload, lake, tmp_path):
    file = tmp_path / "a::b.json"
    file.write_bytes(lines("step_trainer"))
    code, _, err = upload(file)
    assert (code, err) == (0, "")
    assert [found.path for found in list_landing(lake, "step_trainer").files] == [
        "step_trainer/landing/a::b.json"
    ]


def test_a_folder_without_landing_files(upload, lake, tmp_path):
    (tmp_path / "folder").mkdir()
    code, out, err = upload(tmp_path / "folder")
    assert (code, out) == (2, "")
    assert "no landing files" in err
