"""The journal: each record reaches each chest once, whichever process writes or reads it."""

from __future__ import annotations

import os
import signal
import stat
import tempfile
import warnings
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from flask_chest.delivery.journal import dead_writer_adoption
from flask_chest.delivery.journal.app_scope import JournalScope
from flask_chest.delivery.journal.dead_writer_adoption import Reads
from flask_chest.delivery.journal.file_names import segment_numbers, segment_path, writer_folders
from flask_chest.delivery.journal.journal_buffer import JournalBuffer
from flask_chest.delivery.journal.ledger_of_all_processes import add_to_totals, read_ledger
from flask_chest.delivery.journal.record_framing import MAGIC
from flask_chest.delivery.journal.writer import JournalWriter
from flask_chest.delivery.ledger import Ledger

CHESTS = ("one", "two")
BOTH = 0b11


def make(
    root: Path, reads: Reads = Reads.OWN_AND_ORPHANED, max_bytes: int = 2**20
) -> JournalBuffer:
    return JournalBuffer(JournalScope(root, chests=CHESTS), max_bytes, lambda *_: None, reads)


def line(number: int) -> bytes:
    return b'{"id":"%d"}' % number


def drain(journal: JournalBuffer, chest: str, limit: int = 1000) -> list[bytes]:
    found: list[bytes] = []
    for source in journal.sources():
        while (page := source.read(chest, limit)) is not None:
            found += page.lines
            source.commit(chest, page, delivered=len(page.lines), rejected=0)
    return found


def adopt(journal: JournalBuffer) -> None:
    """Look for records of dead processes now, not within the next seconds."""
    journal._rescan_after = 0.0
    journal.maintain()


def die(journal: JournalBuffer) -> None:
    """Do what the kernel does when it kills a process: close its descriptors, nothing else."""
    assert journal._writer is not None
    journal._writer.release()
    journal._writer = None
    for source in journal.sources():
        source.release()


def test_nothing_is_created_before_the_first_record(tmp_path: Path) -> None:
    """A journal without records has no folder."""
    journal = make(tmp_path / "journal")
    journal.maintain()
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_each_chest_has_its_own_checkpoint(tmp_path: Path) -> None:
    """Records that one chest has received still wait for the other one."""
    journal = make(tmp_path)
    for number in range(5):
        journal.append(line(number), BOTH)
    assert drain(journal, "one") == [line(number) for number in range(5)]
    assert journal.ledger().account("one").to_dict()["delivered"] == 5
    assert journal.ledger().account("two").pending == 5
    assert drain(journal, "two") == [line(number) for number in range(5)]


def test_the_mask_selects_the_chests(tmp_path: Path) -> None:
    """A record is delivered to and counted for the chests of its mask only."""
    journal = make(tmp_path)
    journal.append(line(1), 0b01)
    journal.append(line(2), 0b10)
    assert journal.ledger().account("one").pending == 1
    assert drain(journal, "one") == [line(1)]
    assert drain(journal, "two") == [line(2)]


def test_a_finished_journal_has_only_the_totals(tmp_path: Path) -> None:
    """After a clean exit the writer's folder is gone, and the totals have its numbers."""
    journal = make(tmp_path)
    journal.append(line(1), BOTH)
    for chest in CHESTS:
        drain(journal, chest)
    journal.close()
    assert writer_folders(tmp_path) == []
    assert read_ledger(JournalScope(tmp_path)).account("one").to_dict()["captured"] == 1


def test_exactly_one_process_adopts_a_dead_one(tmp_path: Path) -> None:
    """One living process delivers the records, from the checkpoints of the killed process on."""
    killed, first, second = make(tmp_path), make(tmp_path), make(tmp_path)
    for number in range(4):
        killed.append(line(number), BOTH)
    source = killed.sources()[0]
    page = source.read("one", 2)
    assert page is not None
    source.commit("one", page, delivered=2, rejected=0)
    die(killed)

    adopt(first)
    adopt(second)

    assert drain(first, "one") == [line(2), line(3)]
    assert drain(second, "one") == []
    assert drain(first, "two") == [line(number) for number in range(4)]
    adopt(first)
    assert writer_folders(tmp_path) == []
    assert read_ledger(JournalScope(tmp_path)).account("two").delivered == 4


def test_a_living_process_is_not_adopted(tmp_path: Path) -> None:
    """Other processes do not deliver the records of a living one."""
    living, other = make(tmp_path), make(tmp_path)
    living.append(line(1), BOTH)
    adopt(other)
    assert drain(other, "one") == []
    assert drain(living, "one") == [line(1)]


def test_an_agent_delivers_for_living_processes(tmp_path: Path) -> None:
    """The writing process delivers nothing, the agent all records, also new ones."""
    web, agent = make(tmp_path, Reads.NOTHING), make(tmp_path, Reads.ALL)
    web.append(line(1), BOTH)
    assert web.sources() == ()
    adopt(agent)
    assert drain(agent, "one") == [line(1)]
    web.append(line(2), BOTH)
    assert drain(agent, "one") == [line(2)]
    drain(agent, "two")
    web.close()
    adopt(agent)
    assert writer_folders(tmp_path) == []


def test_segments_are_removed_behind_the_slowest_chest(tmp_path: Path) -> None:
    """A segment stays until every chest has passed it."""
    journal = make(tmp_path, max_bytes=64 * 1024)
    for number in range(700):
        journal.append(line(number), BOTH)
    folder = writer_folders(tmp_path)[0]
    assert len(segment_numbers(folder)) > 2
    assert len(drain(journal, "one")) == 700
    assert segment_numbers(folder)[0] == 1
    assert len(drain(journal, "two")) == 700
    assert segment_numbers(folder)[0] > 1


def test_the_oldest_records_are_dropped_over_the_limit(tmp_path: Path) -> None:
    """The journal stays within its limit; dropped records count as lost, per chest."""
    journal = make(tmp_path, max_bytes=64 * 1024)
    for number in range(5000):
        journal.append(line(number), BOTH)
    adopt(journal)
    kept = drain(journal, "one")
    account = journal.ledger().account("one")
    assert kept[-1] == line(4999)
    assert 0 < len(kept) < 5000
    assert account.lost["overflow"] == 5000 - len(kept)
    assert account.captured == 5000
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*.segment")) <= 64 * 1024 * 1.2


def test_a_page_whose_segment_is_dropped_while_it_is_sent(tmp_path: Path) -> None:
    """Its records count as delivered, and no longer as lost."""
    journal = make(tmp_path, max_bytes=64 * 1024)
    for number in range(2000):
        journal.append(line(number), BOTH)
    source = journal.sources()[0]
    page = source.read("one", 100)
    assert page is not None
    assert source.drop_oldest()
    source.commit("one", page, delivered=100, rejected=0)
    account = journal.ledger().account("one")
    assert account.captured == 2000
    assert account.delivered == 100


def test_a_torn_record_counts_as_lost(tmp_path: Path) -> None:
    """The record that a crash cut short is lost; the records before it are delivered."""
    killed = make(tmp_path)
    killed.append(line(1), BOTH)
    killed.append(line(2), BOTH)
    segment = segment_path(writer_folders(tmp_path)[0], 1)
    die(killed)
    os.truncate(segment, segment.stat().st_size - 3)

    journal = make(tmp_path)
    adopt(journal)
    assert drain(journal, "one") == [line(1)]
    account = journal.ledger().account("one")
    assert (account.delivered, account.lost) == (1, Counter(damaged=1))


def test_damage_that_is_longer_than_a_chunk(tmp_path: Path) -> None:
    """Records behind megabytes of zeros are read."""
    journal = make(tmp_path, max_bytes=2**28)
    journal.append(line(1), BOTH)
    with segment_path(writer_folders(tmp_path)[0], 1).open("ab") as file:
        file.write(b"\0" * (3 * 2**20))
    journal.append(line(2), BOTH)
    assert drain(journal, "one") == [line(1), line(2)]
    assert journal.ledger().account("one").lost == Counter(damaged=1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"segment": "x"}', b"null"])
def test_a_damaged_checkpoint_starts_from_the_beginning(tmp_path: Path, content: bytes) -> None:
    """The records are sent again, which their ids make harmless; none is lost."""
    killed = make(tmp_path)
    killed.append(line(1), BOTH)
    drain(killed, "one")
    folder = writer_folders(tmp_path)[0]
    die(killed)
    (folder / "0.place").write_bytes(content)
    journal = make(tmp_path)
    adopt(journal)
    assert drain(journal, "one") == [line(1)]


def test_a_folder_of_another_version_is_left_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not read, not deleted, and logged once."""
    foreign = tmp_path / "019aa1b2c3d4-1-abcdef"
    foreign.mkdir()
    (foreign / "writer.json").write_text('{"version": 99, "chests": ["one"]}')
    (tmp_path / "another-folder").mkdir()
    (tmp_path / "a-file").write_text("hello")
    journal = make(tmp_path)
    journal.append(line(1), BOTH)
    adopt(journal)
    adopt(journal)
    assert drain(journal, "one") == [line(1)]
    assert caplog.text.count("another version") == 1
    assert foreign.is_dir()
    assert (tmp_path / "a-file").exists()


def test_a_folder_that_another_process_is_removing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone between the listing and the look into it (simulated), and nothing is logged."""
    die(make_with_record(tmp_path))
    [folder] = writer_folders(tmp_path)

    def list_then_remove(root: Path) -> list[Path]:
        found = writer_folders(root)
        if folder.exists():
            folder.rename(folder.with_name(f".{folder.name}"))
        return found

    monkeypatch.setattr(dead_writer_adoption, "writer_folders", list_then_remove)
    adopt(make(tmp_path))
    assert not folder.exists()
    assert caplog.messages == []


def make_with_record(root: Path) -> JournalBuffer:
    journal = make(root)
    journal.append(line(1), BOTH)
    return journal


def test_a_journal_that_is_removed_while_in_use(tmp_path: Path) -> None:
    """Undelivered records are rewritten to a new folder, where later records follow."""
    root = tmp_path / "journal"
    journal = make(root)
    journal.append(line(0), BOTH)
    drain(journal, "one")
    journal.append(line(1), BOTH)
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    root.rmdir()
    adopt(journal)
    journal.append(line(2), BOTH)
    assert drain(journal, "one") == [line(1), line(2)]
    assert drain(journal, "two") == [line(0), line(1), line(2)]


def test_closing_while_another_thread_rescans(tmp_path: Path) -> None:
    """No thread fails on a folder that the other has just removed, and no record is lost."""
    for number in range(50):
        journal = make(tmp_path)
        journal.append(line(number), BOTH)
        for chest in CHESTS:
            drain(journal, chest)
        with ThreadPoolExecutor() as others:
            scans = [others.submit(adopt, journal) for _ in range(3)]
            journal.close()
            for scan in scans:
                scan.result()
    assert writer_folders(tmp_path) == []
    found = read_ledger(JournalScope(tmp_path, chests=CHESTS))
    assert [found.account(chest).delivered for chest in CHESTS] == [50, 50]
    assert not any(account.lost for account in found.accounts.values())


def test_append_fails_if_the_folder_cannot_be_created(tmp_path: Path) -> None:
    """A file with the folder's name makes each append fail, not the start."""
    (tmp_path / "journal").write_text("in the way")
    journal = make(tmp_path / "journal")
    for _ in range(2):
        with pytest.raises(OSError, match="journal"):
            journal.append(line(1), BOTH)
        journal.count_lost(BOTH, "journal")
    assert journal.ledger().account("two").lost == Counter(journal=2)


def test_only_the_user_of_the_app_can_read_it(tmp_path: Path) -> None:
    """Records may have personal data: no file or folder is readable by other users."""
    journal = make(tmp_path / "journal")
    journal.append(line(1), BOTH)
    drain(journal, "one")
    for path in (tmp_path / "journal").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_writer_is_added_to_the_totals_once(tmp_path: Path) -> None:
    """A crash between the addition and the removal of the folder changes no number."""
    killed = make(tmp_path)
    killed.append(line(1), BOTH)
    for chest in CHESTS:
        drain(killed, chest)
    folder = writer_folders(tmp_path)[0]
    add_to_totals(JournalScope(tmp_path), killed.sources()[0].ledger(), folder.name)
    assert read_ledger(JournalScope(tmp_path)).account("one").delivered == 1
    die(killed)
    journal = make(tmp_path)
    adopt(journal)
    assert writer_folders(tmp_path) == []
    assert read_ledger(JournalScope(tmp_path)).account("one").delivered == 1


def test_totals_that_cannot_be_read_are_not_replaced(tmp_path: Path) -> None:
    """They exist, whatever ``Path.exists()`` says of a file that it may not look at."""
    totals = tmp_path / "ledger.json"
    add_to_totals(JournalScope(tmp_path), Ledger())
    totals.unlink()
    totals.symlink_to(totals)
    with pytest.raises(OSError, match="symbolic links"):
        add_to_totals(JournalScope(tmp_path), Ledger())
    assert totals.is_symlink()


def test_a_killed_process_loses_no_appended_record(tmp_path: Path) -> None:
    """After SIGKILL the next process delivers all records."""
    ready, signal_ready = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of forking with threads; an earlier test may have left one.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        journal = make(tmp_path)
        for number in range(1000):
            journal.append(line(number), BOTH)
        os.write(signal_ready, b"!")
        signal.pause()
    assert os.read(ready, 1) == b"!"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(ready)
    os.close(signal_ready)

    journal = make(tmp_path)
    adopt(journal)
    assert drain(journal, "one") == [line(number) for number in range(1000)]


def test_a_folder_that_is_being_created_is_ignored(tmp_path: Path) -> None:
    """A writer creates its folder under a hidden name, and renames it when it is whole."""
    writer = JournalWriter(JournalScope(tmp_path, chests=CHESTS), 2**20)
    writer.folder.rename(tmp_path / f".{writer.folder.name}")
    assert writer_folders(tmp_path) == []
    writer.release()


def test_every_segment_starts_with_the_version(tmp_path: Path) -> None:
    """The first line of a segment names the format and its version."""
    journal = make(tmp_path, max_bytes=64 * 1024)
    for number in range(700):
        journal.append(line(number), BOTH)
    for path in tmp_path.glob("*/*.segment"):
        assert path.read_bytes().startswith(MAGIC)


class JournalModel(RuleBasedStateMachine):
    """Any order of writes, reads, kills and adoptions delivers each record once per chest."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self.root = Path(self._folder.name)
        self.journals = [make(self.root, max_bytes=2**24) for _ in range(2)]
        self.written: list[bytes] = []
        self.received: dict[str, list[bytes]] = {chest: [] for chest in CHESTS}

    def teardown(self) -> None:
        for journal in self.journals:
            journal.close()
        self._folder.cleanup()

    @rule(which=st.integers(0, 1), count=st.integers(1, 20))
    def write(self, which: int, count: int) -> None:
        for _ in range(count):
            made = line(len(self.written))
            self.journals[which].append(made, BOTH)
            self.written.append(made)

    @rule(which=st.integers(0, 1), chest=st.sampled_from(CHESTS), limit=st.integers(1, 30))
    def read(self, which: int, chest: str, limit: int) -> None:
        for source in self.journals[which].sources():
            page = source.read(chest, limit)
            if page is not None:
                self.received[chest] += page.lines
                source.commit(chest, page, delivered=len(page.lines), rejected=0)

    @precondition(lambda self: any(journal._writer for journal in self.journals))
    @rule(which=st.integers(0, 1))
    def kill(self, which: int) -> None:
        if self.journals[which]._writer is not None:
            die(self.journals[which])
            self.journals[which] = make(self.root, max_bytes=2**24)

    @rule(which=st.integers(0, 1))
    def end(self, which: int) -> None:
        self.journals[which].close()
        self.journals[which] = make(self.root, max_bytes=2**24)

    @rule(which=st.integers(0, 1))
    def maintain(self, which: int) -> None:
        adopt(self.journals[which])

    @invariant()
    def nothing_twice(self) -> None:
        for chest in CHESTS:
            assert len(set(self.received[chest])) == len(self.received[chest])

    @invariant()
    def the_ledger_balances(self) -> None:
        ledger = read_ledger(JournalScope(self.root, chests=CHESTS))
        for chest in CHESTS:
            account = ledger.account(chest)
            assert account.captured == len(self.written)
            assert account.delivered == len(self.received[chest])


TestJournalModel = JournalModel.TestCase
TestJournalModel.settings = settings(
    max_examples=settings().max_examples // 3, stateful_step_count=25
)
