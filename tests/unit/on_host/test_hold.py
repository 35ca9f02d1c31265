"""A hold on a host: how it is written, replaced, judged and ended, and that a change heeds it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from smtp_auth.facts.decode import in_bytes
from smtp_auth.facts.hold import Hold, HoldEvent, hold_line
from smtp_auth.facts.record import Record
from smtp_auth.facts.record import parse as parse_record
from smtp_auth.on_host.asking import record_command
from smtp_auth.on_host.holding import Held, parse
from smtp_auth.on_host.packing import packed
from smtp_auth.on_host.programs import history_program, holding_program
from tests.time_zone import time_zone
from tests.unit.on_host.folder_host import FIRST, SECOND, SERVICE, Host, said
from tests.unit.on_host.test_locks import locked_by

OLD = {FIRST: "old one\n", SECOND: "old two\n"}
NEW = {FIRST: "new one\n", SECOND: "new two\n"}

# Text that a shell, Perl or this program's own lines would take for something else.
WHY = 'mail2\'s disk: 100% $HOME "full" \\n; ディスク'

FAR, PAST = "9999-12-31T00:00:00Z", "2020-01-01T00:00:00Z"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "var" / "smtp-auth"


def _tell(record: Path, what: str, *, user: str = "ann", no_space: bool = False, **more: str) -> Held:
    """Hold or release the host with this record. + no_space: whether no file can be written"""
    values: Mapping[str, str] = {"controller": "ann@desk", "lock": f"{record.parent}/lock", **more}
    told = [("record", str(record)), *((key, in_bytes(value)) for key, value in values.items())]

    def prepare() -> None:
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    done = subprocess.run(
        ["perl", "-x", "-", what],
        input=holding_program(told),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SUDO_USER": user},
        preexec_fn=prepare if no_space else None,
        restore_signals=not no_space,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("complete\t1\n")
    return parse(done.stdout.splitlines())


def _hold(
    record: Path, why: str = WHY, until: str = "", *, user: str = "ann", no_space: bool = False
) -> Held:
    return _tell(record, "hold", user=user, no_space=no_space, why=why, until=until)


_release = partial(_tell, what="release")


def _read(record: Path) -> Record:
    done = subprocess.run(
        ["sh", "-c", record_command(str(record))], input=history_program(), capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    return parse_record(done.stdout.splitlines())


def test_a_hold_is_on_record_for_root_alone(record: Path) -> None:
    held = _hold(record, until=FAR)
    assert held.hold
    assert TIME.fullmatch(held.hold.when)
    assert held == Held("", None, Hold("ann@desk as ann", held.hold.when, WHY, FAR))
    found = _read(record)
    assert found.hold == held.hold
    assert found.holds == (HoldEvent("hold", "ann@desk as ann", held.hold.when, WHY, FAR),)
    assert record.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in record.iterdir()} == {
        "hold": 0o600,
        "holds": 0o600,
    }


def test_a_second_hold_replaces_the_first_and_says_whose_it_was(record: Path) -> None:
    first = _hold(record, "first").hold
    second = _hold(record, "second", user="bob")
    assert second.before == first
    assert second.hold
    assert (second.hold.who, second.hold.why) == ("ann@desk as bob", "second")
    found = _read(record)
    assert found.hold == second.hold
    assert [event.why for event in found.holds] == ["first", "second"]


def test_a_release_ends_it_and_says_whose_it_was(record: Path) -> None:
    first = _hold(record).hold
    assert _release(record, user="bob") == Held(before=first)
    assert _release(record) == Held()
    found = _read(record)
    assert found.hold is None
    assert [(event.kind, event.who) for event in found.holds] == [
        ("hold", "ann@desk as ann"),
        ("release", "ann@desk as bob"),
    ]


def test_a_release_of_a_host_that_was_never_held_writes_nothing(record: Path) -> None:
    assert _release(record) == Held()
    assert not record.exists()


def test_an_end_that_is_past_by_the_hosts_clock_is_refused(record: Path) -> None:
    held = _hold(record, until=PAST)
    assert re.fullmatch(
        rf"the hold would end at {PAST}, and the clock of this host says {TIME.pattern}: "
        "give a later --until",
        held.refused,
    )
    assert not record.exists()


def _write(record: Path, until: str, when: str = "2019-01-01T00:00:00Z") -> None:
    record.mkdir(parents=True, exist_ok=True)
    (record / "hold").write_text(f"hold\tann@desk as ann%00{when}%00why%00{until}\n")


def test_a_hold_ends_by_the_hosts_clock(record: Path) -> None:
    _write(record, PAST)
    assert _read(record).hold is None
    assert _hold(record).before is None
    _write(record, FAR)
    assert _read(record).hold == Hold("ann@desk as ann", "2019-01-01T00:00:00Z", "why", FAR)
    _write(record, PAST)
    assert _release(record) == Held()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\0\xff",
        "hold\t",
        "hold\ta%00b%00c%00d\n",
        f"hold\ta%00{FAR}%00c%00\nhold\ta%00{FAR}%00c%00\n",
        f"release\ta%00{FAR}%00%00\n",
        f"hold\ta%00{FAR}%00c%00{PAST}x\n",
        f"hold\ta%00{FAR}%00c%00{PAST}%0A\n",
        f"hold\ta%00{FAR}%00{'c' * 20_000}%00\n",
    ],
)
def test_a_hold_that_cannot_be_read_holds_until_it_is_released(record: Path, text: str) -> None:
    record.mkdir(parents=True)
    (record / "hold").write_bytes(text.encode("latin-1"))
    assert _read(record).hold == Hold("", "", "", "")
    assert _release(record) == Held(before=Hold("", "", "", ""))
    assert _read(record).hold is None


def test_what_is_no_file_holds_and_says_why_it_cannot_be_deleted(record: Path) -> None:
    (record / "hold").mkdir(parents=True)
    assert _read(record).hold == Hold("", "", "", "")
    assert _release(record).refused == f"cannot release this host: {record}/hold: Is a directory"
    (record / "hold").rmdir()
    os.mkfifo(record / "hold")
    assert _read(record).hold == Hold("", "", "", "")
    assert _hold(record).before == Hold("", "", "", "")
    assert (record / "hold").is_file()


def test_a_damaged_log_loses_its_damaged_lines_alone(record: Path) -> None:
    _hold(record, "first")
    with (record / "holds").open("a") as log:
        log.write(f"hold\nother\t1\nhold\ta%00{FAR}%00b%00x\n")
    _hold(record, "second")
    assert [event.why for event in _read(record).holds] == ["first", "second"]


def test_the_log_is_written_before_the_hold(record: Path) -> None:
    (record / "holds").mkdir(parents=True)
    why = f"cannot write {record}/holds: Is a directory"
    assert _hold(record).refused == why
    assert _read(record).hold is None
    _write(record, FAR)
    assert _release(record).refused == why
    assert _read(record).hold


def test_the_log_says_nothing_that_was_not_done(record: Path) -> None:
    _hold(record, "first")
    (record / "hold").unlink()
    (record / "hold").mkdir()
    assert _hold(record, "second").refused.startswith(f"cannot hold this host: {record}/hold: ")
    assert _release(record).refused.startswith(f"cannot release this host: {record}/hold: ")
    assert [(event.kind, event.why) for event in _read(record).holds] == [("hold", "first")]
    assert {path.name for path in record.iterdir()} == {"hold", "holds"}


def test_what_has_another_number_of_parts_makes_nothing_else_unreadable() -> None:
    event = f"hold_event\thold%00a%00{FAR}%00b%00"
    found = parse_record(["hold\ta%00b", "hold_event\thold%00a", event, f"{event}%00c", "complete\t1"])
    assert found.hold == Hold("", "", "", "")
    assert found.holds == (HoldEvent("hold", "a", FAR, "b", ""),)


def test_the_log_has_the_last_twenty(record: Path) -> None:
    for number in range(22):
        _hold(record, str(number))
    assert [event.why for event in _read(record).holds] == [*map(str, range(2, 22))]


def test_on_a_full_disk_nothing_changes(record: Path) -> None:
    first = _hold(record, "first").hold
    held = _hold(record, "second", no_space=True)
    assert held.refused == f"cannot write {record}/hold.new: File too large"
    assert _release(record, no_space=True).refused == f"cannot write {record}/holds.new: File too large"
    found = _read(record)
    assert (found.hold, len(found.holds)) == (first, 1)
    assert {path.name for path in record.iterdir()} == {"hold", "holds"}


def test_of_many_at_once_the_last_one_holds(record: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = [*pool.map(partial(_hold, record), map(str, range(12)))]
    assert not any(held.refused for held in found)
    after = _read(record)
    assert after.hold
    assert sorted(event.why for event in after.holds) == sorted(map(str, range(12)))
    assert after.holds[-1].why == after.hold.why
    assert sum(held.before is None for held in found) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="an account without rights is not asked about locks")
def test_a_change_that_is_running_is_told_of(record: Path) -> None:
    record.parent.mkdir()
    lock = record.parent / "lock"
    lock.touch(0o600)
    assert not _hold(record).is_at_work
    with locked_by(lock):
        assert _hold(record).is_at_work


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another account")
def test_another_account_is_told_what_to_set(record: Path) -> None:
    record.parent.mkdir(parents=True)
    record.mkdir(0o700)
    for path in record.parents[:4]:
        path.chmod(0o755)
    done = subprocess.run(
        ["perl", "-x", "-", "hold"],
        input=holding_program([("record", str(record)), ("why", "x"), ("until", ""), ("controller", "a")]),
        capture_output=True,
        text=True,
        check=True,
        user=65534,
        cwd="/",
    )
    assert parse(done.stdout.splitlines()).refused == (
        "not root: set ssh_user to 'root', or _sudo to True, for this host"
    )


# -- the change ---------------------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path / "host")
    for name, text in OLD.items():
        (made.etc / name).write_text(text)
        (made.folder / "runs" / name).write_text(text)
    return made


def test_a_change_of_a_host_that_is_held_is_refused(host: Host) -> None:
    program = host.program(NEW)
    # Between the plan and the change.
    _write(host.record, FAR)
    done = host.run(program)
    assert done.stdout.endswith("outcome\trefused\n")
    assert said(done) == (
        "this host is held since 2019-01-01T00:00:00Z by ann@desk as ann, until "
        f"{FAR}; nothing was changed: why"
    )
    assert host.served() == host.runs() == OLD
    assert host.is_clean()
    _write(host.record, "")
    assert "until somebody releases it; nothing was changed" in said(host.run(program))
    (host.record / "hold").write_text("damaged")
    assert "its hold cannot be read; nothing was changed" in said(host.run(program))
    assert host.served() == OLD


def test_a_hold_that_has_ended_keeps_nothing_from_being_changed(host: Host) -> None:
    _write(host.record, PAST)
    assert host.run(host.program(NEW)).returncode == 0
    assert host.served() == NEW


def test_a_change_with_even_held_overrides_it(host: Host) -> None:
    _write(host.record, FAR)
    program = host.program(NEW).replace("complete\t1\n", "even_held\t1\ncomplete\t1\n")
    assert host.run(program).returncode == 0
    assert host.served() == NEW
    assert (host.record / "hold").exists()


@pytest.mark.parametrize(
    ("wanted", "files", "outcome"), [(NEW, NEW, "live"), ({**NEW, FIRST: "dies\n"}, OLD, "put back")]
)
def test_a_hold_during_a_change_stops_neither_it_nor_its_restoring(
    host: Host, wanted: dict[str, str], files: dict[str, str], outcome: str
) -> None:
    holds = f'sub reload {{\n    open my $hold, ">", "{host.record}/hold" or die;'
    done = host.run(host.program(wanted, service=SERVICE.replace("sub reload {", holds)))
    assert done.stdout.endswith(f"outcome\t{outcome}\n")
    assert (host.record / "hold").exists()
    assert host.served() == host.runs() == files


def test_the_time_is_that_of_the_host() -> None:
    functions = packed("SmtpAuth::Hold").rpartition("exit ")[0]
    program = "BEGIN { *CORE::GLOBAL::gmtime = sub { CORE::gmtime(1795773602) } }" + functions
    words = ("perl", "-e", program + "print SmtpAuth::Hold::utc_now()")
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "2026-11-27T10:00:02Z"


# -- for people ---------------------------------------------------------------------------------------


@pytest.fixture
def tokyo() -> Iterator[None]:
    with time_zone("Asia/Tokyo"):
        yield


@pytest.mark.usefixtures("tokyo")
def test_a_hold_is_one_sentence_in_the_readers_zone() -> None:
    hold = Hold("ann@desk as root", "2026-11-27T10:00:00Z", "a new disk", "")
    assert hold_line(hold) == (
        "held since 2026-11-27 19:00:00 +09:00 by ann@desk as root, until somebody releases it: a new disk"
    )
    later = Hold("ann@desk as root", "2026-11-27T10:00:02Z", "a new disk", "2026-11-28T00:00:00Z")
    assert hold_line(later) == (
        "held since 2026-11-27 19:00:02 +09:00 by ann@desk as root, until 2026-11-28 09:00:00 +09:00: "
        "a new disk"
    )
    assert hold_line(later, hold) == (
        "held since 2026-11-27 19:00:00 +09:00 (the last one since 2026-11-27 19:00:02 +09:00) by "
        "ann@desk as root, until somebody releases it: a new disk"
    )
    assert hold_line(Hold("", "", "", "")).startswith(
        "held, but its hold, /var/lib/smtp-auth/hold, cannot be"
    )
