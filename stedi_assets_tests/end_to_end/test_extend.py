"""The changes that ``docs/extend.md`` tells to make do what the page says."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
STEDI = Path(sys.executable).with_name("stedi")


def test_a_new_rule_a_new_column_and_a_new_source_come_by_the_changes_of_the_page(tmp_path: Path):
    shutil.copytree(REPOSITORY / "stedi_assets", tmp_path / "stedi_assets")
    changes = re.findall(r"```diff\n(.*?)```", (REPOSITORY / "docs/extend.md").read_text(), re.DOTALL)
    for change in changes:
        subprocess.run(
            ["patch", "-p1", "--no-backup-if-mismatch"], input=change, cwd=tmp_path, text=True, check=True
        )
    lake = tmp_path / "lake"
    for file in (REPOSITORY / "examples/1-good").iterdir():
        source, record = file.name.rpartition("-")[0], json.loads(file.read_text().splitlines()[0])
        folder = lake / source / "landing"
        folder.mkdir(parents=True)
        more = {"country": "NL"} if source == "customer" else {}
        lines = [record | more]
        if source == "step_trainer":
            lines.append(record | {"distanceFromObject": 1001})
        (folder / file.name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    person = json.loads((REPOSITORY / "examples/1-good/accelerometer-noor.json").read_text().splitlines()[0])
    beat = {"user": person["user"], "timestamp": person["timestamp"], "beatsPerMinute": 62}
    (tmp_path / "beats.json").write_text(f"{json.dumps(beat)}\n{json.dumps(beat | {'beatsPerMinute': 0})}\n")
    mine = {name: value for name, value in os.environ.items() if not name.startswith(("STEDI_", "DAGSTER_"))}
    environment = mine | {"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path)}

    def stedi(*arguments: str) -> str:
        command = [str(STEDI), *arguments, "--lake", str(lake), "--json"]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        ).stdout

    (uploaded,) = json.loads(stedi("upload", str(tmp_path / "beats.json")))
    assert uploaded["path"] == "heart_rate/landing/beats.json"
    assert json.loads(stedi("run"))["succeeded"]
    assert json.loads(stedi("sql", "SELECT country FROM customer_curated")) == [{"country": "NL"}]
    reasons = [quarantined["reason"] for quarantined in json.loads(stedi("quarantine"))]
    assert sorted(reasons) == ["rule:distance_in_a_room", "rule:heart_beats"]
    (row,) = json.loads(stedi("sql", "SELECT person, beatsPerMinute FROM heart_rate_landing"))
    assert row == {"person": person["user"], "beatsPerMinute": 62}
    erased = subprocess.run(
        [str(STEDI), "forget", person["user"], "--yes", "--lake", str(lake)],
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert erased.returncode == 0
    assert person["user"] not in (lake / uploaded["path"]).read_text()
    assert json.loads(stedi("sql", "SELECT * FROM heart_rate_landing")) == []
