"""Random histories of a small lake: whatever happened to it, it ends as if its raw files had been read once.

A history is drawn step by step. What is due at its end is told from the raw files as they lie there, by Python's own
JSON reader: the product's readers, tables and ledger have no say in it.
"""

import json
import shutil
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from stedi_assets.contracts.models import CONTRACTS
from stedi_assets.definitions import build_definitions
from stedi_assets.lake.erasures import read_register
from stedi_assets.lake.maintenance import retain
from stedi_assets.lake.packing import pack
from stedi_assets.landing import retract
from stedi_assets.landing.ledger import read_entries
from stedi_assets.privacy.erasure import ErasureError, forget
from stedi_assets.sources import SOURCES
from stedi_assets.verification.verify import verify
from stedi_assets_tests.builders.files import deliver, lines
from stedi_assets_tests.builders.graph import Graph, KeptLake, comparable, copy_landing, how_made
from stedi_assets_tests.builders.rows import ANN, BOB, SERIAL, SERIAL_2, T0, customer, reading, step
from stedi_assets_tests.builders.three_people import VIC, VIC_SERIAL
from stedi_assets_tests.byte_search import holding

PEOPLE = (ANN, BOB, VIC)
people = st.sampled_from(PEOPLE)
devices = st.sampled_from([SERIAL, SERIAL_2, VIC_SERIAL])
sources = st.sampled_from(SOURCES)
moments = st.integers(1, 4).map(lambda at: T0 + at)
any_one = st.integers(0, 1000)


class Histories(RuleBasedStateMachine):
    """One history of a lake that begins with three people.

    Args:
        kept: The lake as it begins.
        reached: Counts what happened in all histories, for a test to see that rare things did.
    """

    def __init__(self, kept: KeptLake, reached: Counter[str]) -> None:
        super().__init__()
        self.graph = kept.graph()
        self.folder = Path(self.graph.lake_uri)
        self.reached = reached
        self.taken_back: set[str] = set()
        self.erased: dict[str, int] = {}
        self.copies: dict[str, bytes] = {}
        self.number = 0

    # What sources do.

    @rule(
        who=people,
        which=devices,
        updated=moments,
        consents=st.booleans(),
        spelled=st.sampled_from(["{}", " {}\u200b"]),
    )
    def a_snapshot(self, who: str, which: str, updated: int, consents: bool, spelled: str) -> None:
        research = T0 if consents else None
        row = customer(who.upper(), serial=which, updated=updated, research=research)
        self._deliver("customer", lines(row | {"email": spelled.format(row["email"])}))

    @rule(who=people, which=devices, names_device=st.booleans())
    def a_broken_snapshot(self, who: str, which: str, names_device: bool) -> None:
        device = f'"serialNumber": "{which}", ' if names_device else ""
        self._deliver("customer", f'{{{device}"email": "{who}", "phone": {{}}}}\n'.encode())
        self.reached["broken record"] += 1

    @rule(who=people, at=moments, twice=st.booleans())
    def readings(self, who: str, at: int, twice: bool) -> None:
        self._deliver("accelerometer", lines(*[reading(who, at)] * (1 + twice), reading(ANN, at + 1)))

    @rule(which=devices, at=moments)
    def steps(self, which: str, at: int) -> None:
        self._deliver("step_trainer", lines(step(which, at), step(SERIAL, at + 1)))

    @rule(one=any_one, in_place=st.booleans())
    def the_same_again(self, one: int, in_place: bool) -> None:
        path = self._file(one)
        source, _, name = path.split("/")
        content = (self.folder / path).read_bytes()
        if in_place:
            self._deliver(source, content, name)
        else:
            self._deliver(source, content)
        self.reached["delivered again"] += 1

    @rule(one=any_one)
    def a_file_is_repaired(self, one: int) -> None:
        """Each record that cannot be read gives way to one of the same person: a file that has lost one is refused."""
        self._repair(self._file(one))

    @precondition(lambda self: self.erased)
    @rule(which=devices, consents=st.booleans())
    def somebody_who_was_erased_comes_anew(self, which: str, consents: bool) -> None:
        who, since = max(self.erased.items(), key=lambda item: item[1])
        now = max(_now(), since)
        research = now if consents else None
        self._deliver("customer", lines(customer(who, serial=which, updated=now, research=research)))
        self._deliver("accelerometer", lines(reading(who, now), reading(who, T0 + 1)))
        self.reached["came anew"] += 1

    @precondition(lambda self: self.copies)
    @rule(one=any_one)
    def a_backup_of_raw_files_comes_back(self, one: int) -> None:
        path, content = sorted(self.copies.items())[one % len(self.copies)]
        self._deliver(path.split("/")[0], content)
        self.reached["came from a backup"] += 1

    # What whoever keeps the lake does.

    @rule()
    def a_run(self) -> None:
        made = how_made(self.graph.run())
        self.reached["rows added"] += made["machine_learning_curated"] == "new rows added"
        self._hold_to_consent()

    @rule()
    def a_full_refresh(self) -> None:
        self.graph.run(full_refresh=True)
        self._hold_to_consent()

    @rule(source=sources)
    def a_run_of_landing_tables_alone(self, source: str) -> None:
        self.graph.run(f"{source}_landing", f"{source}_quarantine")

    @rule()
    def a_run_is_cut_off_and_people_are_taken_out_all_the_same(self) -> None:
        self.graph.run("customer_landing", "customer_quarantine")
        definitions = build_definitions(self.graph.settings, self.graph.engine)
        assert definitions.resolve_job_def("enforce_consent").execute_in_process().success
        assert self._published() <= self._due()
        self.reached["consent enforced"] += 1

    @rule()
    def retention(self) -> None:
        for name in CONTRACTS:
            self.reached["snapshots expired"] += retain(
                self.graph.lake, name, keep=timedelta(0), grace=timedelta(0)
            ).snapshots

    @rule(source=sources)
    def packing(self, source: str) -> None:
        packed = pack(self.graph.lake, CONTRACTS[f"{source}_landing"])
        self.reached["files packed"] += packed.before - packed.after

    @rule(one=any_one)
    def a_file_is_taken_back(self, one: int) -> None:
        path = self._file(one)
        self.graph.run()
        (planned,) = retract.plan(self.graph.lake, [path])
        if planned.kept:
            self.reached["a withdrawal stays"] += 1
            return
        retract.retract(self.graph.lake, [planned], "officer", "why")
        self.taken_back.add(path)
        self.reached["taken back"] += 1

    @rule(who=people)
    def somebody_is_erased(self, who: str) -> None:
        self.copies |= {path: (self.folder / path).read_bytes() for path in self._files()}
        again = sum(self._erased_by_file().values())
        try:
            forget(self.graph.lake, self.graph.settings, [who], self.graph.run)
        except ErasureError:
            self.reached["erasure refused"] += 1
            return
        assert holding(self.folder, who) == []
        self.reached["erased twice" if who in self.erased else "erased"] += 1
        self.reached["erased what was delivered again"] += again > 0
        self.erased[who] = max(entry.erased_at for entry, _ in read_register(self.graph.lake).of(who))

    def teardown(self) -> None:
        self.graph.run()
        self._hold_to_its_end()

    def _hold_to_its_end(self) -> None:
        self._hold_to_consent()
        left = [item for item in verify(self.graph.lake, self.graph.settings) if item.state != "holds"]
        assert left == []
        assert comparable(self.graph) == self._rebuilt()
        self.reached["delivered again and not kept"] += sum(self._erased_by_file().values())
        self.reached["histories"] += 1

    # What is due.

    def _hold_to_consent(self) -> None:
        due = self._due()
        assert self._published() == due
        held = {who for who in PEOPLE if who not in due}
        self.reached["nobody left"] += not due
        self.reached["held back or withdrawn"] += len(held)
        trusted = {row["device"] for row in self.graph.table("customer_curated")}
        published = {row["device"] for row in self.graph.table("step_trainer_trusted")}
        self.reached["shared device withheld"] += len(trusted - published)

    def _published(self) -> set[str]:
        readers = {row["person"] for row in self.graph.table("accelerometer_trusted")}
        trusted = {row["person"] for row in self.graph.table("customer_trusted")}
        assert readers <= trusted
        return trusted

    def _due(self) -> set[str]:
        """Who consents in the raw files that are there, and has not been erased since."""
        newest: dict[str, list[tuple[int, bool]]] = {}
        held: set[str] = set()
        for path in self._files("customer"):
            if path in self.taken_back:
                continue
            for line in (self.folder / path).read_bytes().splitlines():
                row = _row(line)
                if row is None:
                    held |= {who for who in PEOPLE if who.encode() in line} - self.erased.keys()
                    continue
                who = row["email"].strip(" \u200b").lower()
                if row["lastUpdateDate"] >= self.erased.get(who, 0):
                    consents = (row.get("shareWithResearchAsOfDate") or 0) > 0
                    newest.setdefault(who, []).append((row["lastUpdateDate"], consents))
        agreed = {
            who for who, answers in newest.items() if all(yes for at, yes in answers if at == max(answers)[0])
        }
        return agreed - held

    def _rebuilt(self) -> dict[str, list[str]]:
        """The tables of a new lake with the same raw files and the same register."""
        other = self.folder.with_name("rebuilt")
        shutil.rmtree(other, ignore_errors=True)
        copy_landing(self.folder, other)
        for path in self.taken_back:
            (other / path).unlink()
        if (register := self.folder / "erasures").exists():
            shutil.copytree(register, other / "erasures")
        graph = Graph(str(other), self.graph.engine)
        graph.run()
        return comparable(graph)

    # Files.

    def _files(self, source: str = "*") -> list[str]:
        return sorted(
            str(path.relative_to(self.folder)) for path in self.folder.glob(f"{source}/landing/*.json")
        )

    def _file(self, one: int) -> str:
        files = self._files()
        return files[one % len(files)]

    def _deliver(self, source: str, content: bytes, name: str = "") -> None:
        self.number += 1
        before = self.folder / source / "landing" / name
        # What was taken back stays so until its content is another.
        is_same = bool(name) and before.exists() and before.read_bytes() == content
        path = deliver(self.folder, source, content, name or f"{self.number:03}.json")
        if not is_same:
            self.taken_back.discard(str(path.relative_to(self.folder)))

    def _repair(self, path: str) -> None:
        source, _, name = path.split("/")
        self._deliver(source, lines(*map(_repaired, (self.folder / path).read_bytes().splitlines())), name)

    def _erased_by_file(self) -> dict[str, int]:
        entries = [entry for source in SOURCES for entry in read_entries(self.graph.lake, source).values()]
        return {entry.source_file: entry.erased for entry in entries if entry.erased}


def _now() -> int:
    return time.time_ns() // 1_000_000


def _repaired(line: bytes) -> bytes | dict[str, Any]:
    if _row(line) is not None:
        return line
    (who,) = [who for who in PEOPLE if who.encode() in line]
    return customer(who, serial=VIC_SERIAL if VIC_SERIAL.encode() in line else SERIAL, updated=T0 + 3)


def _row(line: bytes) -> dict[str, Any] | None:
    """A record, if it can be read."""
    row: dict[str, Any] = json.loads(line)
    return None if isinstance(row.get("phone"), dict) else row
