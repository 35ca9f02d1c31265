"""The change as a transaction: killed, or made to fail, at each of its effects. The service is two files.

systemd's part is played here: a change that was killed is followed by `put-back`.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from smtp_auth.facts.decode import decode
from tests.unit.on_host.folder_host import (
    FAULTS,
    FIRST,
    ID,
    LEDGER,
    SECOND,
    SERVICE,
    TRIED,
    Host,
    said,
    there,
)

# A kill before each of both files is replaced: the record has given two files a second name, too.
FIRST_SWAP, SECOND_SWAP = "3 kill link", "4 kill link"

OLD = {FIRST: "old one\n", SECOND: "old two\n"}
NEW = {FIRST: "new one\n", SECOND: "new two\n"}
GONE = {FIRST: "new one\n", SECOND: None}
GONE_DIES = {FIRST: "new one, dies\n", SECOND: None}
DIES = {FIRST: "new one, dies\n", SECOND: "new two\n"}
EDITED = "edited, dies\n"
REFUSED = {FIRST: "new one\n", SECOND: "refused\n"}


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return _host(tmp_path / "host", OLD)


def _host(folder: Path, files: Mapping[str, str]) -> Host:
    made = Host(folder)
    for name, text in files.items():
        (made.etc / name).write_text(text)
        (folder / "runs" / name).write_text(text)
    return made


def _at_each_effect(folder: Path, files: Mapping[str, str], try_one: Callable[[int, Host], None]) -> None:
    """Try something on a new host per effect of a change, with the effect's number (from 1), to the last.

    Two at a time: nearly all of it is the work of other processes.

    + try_one: sets the host's `effects`
    """
    numbers = count(1)

    def some() -> int:
        for number in numbers:
            host = _host(folder / str(number), files)
            try_one(number, host)
            if host.effects < number:
                return number
            shutil.rmtree(host.folder)
        raise AssertionError("numbers do not end")

    with ThreadPoolExecutor(2) as pool:
        ended = [pool.submit(some) for _ in range(2)]
    assert min(one.result() for one in ended) > 20, "fewer would mean that some were not counted"


def _inodes(host: Host) -> dict[str, tuple[int, ...]]:
    return {
        path.name: (path.stat().st_ino, path.stat().st_mode, path.stat().st_uid, path.stat().st_mtime_ns)
        for path in host.etc.iterdir()
    }


def test_a_change_goes_live_whole_and_is_on_record(host: Host) -> None:
    (host.etc / FIRST).chmod(0o640)
    done = host.run(host.program(NEW))
    assert (done.returncode, _answer(done)) == (0, ["said\t", *PROVED, "outcome\tlive"])
    assert host.served() == host.runs() == NEW
    assert host.is_clean()
    assert (host.etc / FIRST).stat().st_mode & 0o777 == 0o640
    manifest = host.manifest()
    assert (manifest["outcome"], manifest["ssh_user"]) == ("live", "admin")
    before = host.record / "changes" / ID / f"before{host.etc}"
    assert (before / FIRST).read_text() == OLD[FIRST]
    assert (before / FIRST).stat().st_mode & 0o777 == 0o640
    assert host.record.stat().st_mode & 0o777 == 0o700
    assert (host.record / "last").read_text() == f"id\t{ID}\n{done.stdout}"


# The proof of the service, and the time that it took.
PROVED = ["proved\tit serves", "proof_seconds\tSECONDS"]


def _answer(done: subprocess.CompletedProcess[str]) -> list[str]:
    """All that a change has printed."""
    return re.sub(r"(?<=^proof_seconds\t)\d+\.\d\d$", "SECONDS", done.stdout, flags=re.MULTILINE).splitlines()


def test_what_was_proved_of_restored_files_is_said_and_nothing_of_the_new_ones(host: Host) -> None:
    done = host.run(host.program(DIES))
    assert _answer(done)[1:] == [*PROVED, "outcome\tput back"]
    assert (host.record / "last").read_text() == f"id\t{ID}\n{done.stdout}"


def test_where_nothing_is_proved_no_time_is_said(host: Host) -> None:
    done = host.run(host.program(REFUSED))
    assert [line.partition("\t")[0] for line in _answer(done)] == ["said", "outcome"]


def test_a_change_that_is_killed_after_its_end_still_says_what_was_proved(host: Host) -> None:
    host.run(host.program(NEW))
    again = _host(host.folder / "again", OLD)
    # When it deletes its program, which is the third effect from the end: put-back answers once more.
    done = again.run(again.program(NEW), f"{host.effects - 2} kill any")
    assert (done.returncode, _answer(done)) == (0, ["said\t", *PROVED, "outcome\tlive"])


def _proved(host: Host) -> list[str]:
    """In which state the record says that the service was proved."""
    path = host.record / "proved"
    return decode(path.read_text().splitlines())[TRIED.key] if path.exists() else []


def test_what_a_change_has_proved_is_on_record(host: Host) -> None:
    host.run(host.program(DIES))
    assert _proved(host) == []
    host.run(host.program(NEW))
    assert _proved(host) == ["new one\n|new two\n"]
    host.run(host.program(DIES, change="2026-11-22T11:00:00Z-0001"))
    assert _proved(host) == ["new one\n|new two\n"]


def _prove(host: Host) -> tuple[int, str, str, list[str]]:
    """The exit status, outcome and sentences of a proof without a change, and what was proved."""
    done = subprocess.run(
        ["perl", "-", "prove"], input=host.program({}), capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    found = decode(done.stdout.splitlines())
    assert ("proof_seconds" in found) == ("proved" in found)
    return done.returncode, found["outcome"][-1], found["said"][-1], found.get("proved", [])


def test_a_proof_without_a_change_changes_only_the_record(host: Host) -> None:
    before = _inodes(host)
    assert _prove(host) == (0, "live", "", ["it serves"])
    assert _proved(host) == ["old one\n|old two\n"]
    assert _inodes(host) == before
    assert {path.name for path in host.record.iterdir()} == {"proved"}
    assert host.record.stat().st_mode & 0o777 == 0o700


def test_a_proof_that_fails_is_no_proof(host: Host) -> None:
    (host.folder / "runs" / FIRST).write_text("dies")
    status, outcome, why, proved = _prove(host)
    assert (status, outcome, why.splitlines()[0], proved) == (1, "failed", "it dies", [])
    assert _proved(host) == []
    assert host.served() == OLD


def test_a_proof_that_cannot_be_kept_is_a_proof(host: Host) -> None:
    host.record.parent.mkdir(parents=True, exist_ok=True)
    host.record.write_text("no directory")
    assert _prove(host) == (0, "live", "", ["it serves"])


def test_nothing_is_proved_while_a_change_runs(host: Host) -> None:
    host.lock.touch(0o600)
    with _locked(host.lock):
        status, outcome, why, proved = _prove(host)
    assert (status, outcome, proved) == (1, "refused", [])
    assert why.startswith("another deploy is running on this host")
    assert _proved(host) == []


def test_a_change_ends_although_nobody_reads_its_answer(host: Host) -> None:
    """The controller may have disconnected, so that the output cannot be written."""
    folder = host.folder / "run" / "smtp-auth"
    folder.mkdir()
    (folder / "change.pl").write_text(host.program(NEW))
    reading, writing = os.pipe()
    os.close(reading)
    command = ["perl", str(folder / "change.pl"), "change"]
    subprocess.run(command, stdout=writing, stderr=subprocess.DEVNULL, check=False)
    os.close(writing)
    assert host.served() == host.runs() == NEW
    assert (host.record / "last").read_text().endswith("outcome\tlive\n")
    # It has deleted its own folder, too.
    assert host.is_clean()


def test_the_ledger_and_the_copies_that_it_names_are_on_record(host: Host) -> None:
    (host.etc / FIRST).chmod(0o640)
    host.run(host.program({FIRST: "second version\n"}))
    host.run(host.program(NEW, change="2026-11-22T11:00:00Z-0001"))
    copies = Path(f"{host.record}/baseline/{ID}{host.etc}")
    assert {path.name: path.read_text() for path in copies.iterdir()} == OLD
    assert (copies / FIRST).stat().st_mode & 0o777 == 0o640
    assert (host.record / "changes" / ID / "ledger.json").read_text() == LEDGER
    assert host.record.stat().st_mode & 0o077 == 0


def test_the_ledger_is_there_before_the_first_swap(host: Host) -> None:
    _lose_power(host, NEW, FIRST_SWAP)
    assert host.served() == OLD
    assert (host.record / "changes" / ID / "ledger.json").read_text() == LEDGER
    assert Path(f"{host.record}/baseline/{ID}{host.etc}/{FIRST}").read_text() == OLD[FIRST]


def test_a_reload_alone_leaves_no_folder(host: Host) -> None:
    (host.folder / "runs" / FIRST).write_text("outdated")
    done = host.run(host.program({}))
    assert done.returncode == 0
    assert host.runs() == OLD
    assert not (host.record / "changes").exists()
    assert (host.record / "last").read_text() == f"id\t{ID}\n{done.stdout}"


def test_a_configuration_that_does_not_serve_is_put_back(host: Host) -> None:
    before = _inodes(host)
    done = host.run(host.program(DIES))
    assert done.returncode == 1
    assert "does not work with this configuration:\nit dies" in said(done)
    assert "old configuration is restored and works" in said(done)
    assert host.files() == host.runs() == OLD
    assert _inodes(host) == before
    assert host.is_clean()
    manifest = host.manifest()
    assert manifest["outcome"] == "put back"
    assert "it dies" in str(manifest["said"])


def _with_mounts(host: Host, program: str, *places: Path) -> str:
    """A program on a host where something is mounted in these places."""
    escaped = [str(place).replace(" ", r"\040") for place in (Path("/"), *places)]
    mounts = host.folder / "mountinfo"
    mounts.write_text("".join(f"31 25 0:9 / {place} rw shared:1 - tmpfs tmpfs rw\n" for place in escaped))
    assert program.count("'/proc/self/mountinfo'") == 1
    return program.replace("'/proc/self/mountinfo'", f"'{mounts}'")


@pytest.mark.parametrize("wanted", [{SECOND: "new two\n"}, {SECOND: None}])
def test_a_file_that_is_a_mount_point_is_not_replaced(host: Host, wanted: Mapping[str, str | None]) -> None:
    before = _inodes(host)
    place = host.etc / SECOND
    done = host.run(_with_mounts(host, host.program(wanted), place))
    assert done.returncode == 1
    assert f"{place} is a mount point of its own" in said(done)
    assert f"or run umount '{place}' and delete the line in /etc/fstab" in said(done)
    assert "nothing was changed" in said(done)
    assert host.files() == host.runs() == OLD
    assert _inodes(host) == before


def test_what_is_mounted_elsewhere_is_no_obstacle(host: Host) -> None:
    program = host.program({FIRST: "new one\n"})
    done = host.run(_with_mounts(host, program, host.etc / SECOND, host.etc, host.folder / "runs"))
    assert (done.returncode, said(done)) == (0, "")


@pytest.mark.parametrize("wanted", [NEW, {}])
def test_a_path_that_the_daemon_replaces_is_no_mount_point(
    host: Host, wanted: Mapping[str, str | None]
) -> None:
    (host.folder / "link").symlink_to(host.folder / "run")
    replaces = f'sub replaces {{ return "{host.folder}/link/auth" }}\n'
    service = SERVICE.replace("sub before", f"{replaces}sub before")
    done = host.run(_with_mounts(host, host.program(wanted, service=service), host.folder / "run" / "auth"))
    assert done.returncode == 1
    assert f"{host.folder}/run/auth is a mount point of its own" in said(done)
    assert host.files() == host.runs() == OLD


def test_a_configuration_that_is_refused_touches_nothing(host: Host) -> None:
    before = _inodes(host)
    done = host.run(host.program(REFUSED))
    assert done.returncode == 1
    assert "The service refuses the new configuration: it will not; nothing was changed" in said(done)
    assert _inodes(host) == before
    assert host.is_clean()
    assert host.manifest()["outcome"] == "refused"


Wanted = Mapping[str, str | None]

FIRST_ALONE = {FIRST: "old one\n"}

# The files before a change that is cut off, and what it and the next change want.
CUT_OFF: dict[str, tuple[Wanted, Wanted, Wanted]] = {
    f"{one}, {other}, {then}": (before, change, wanted)
    for one, before in (("added", FIRST_ALONE), ("replaced", OLD))
    for other, change in (("written", NEW), ("taken away", GONE))
    for then, wanted in (("mended", NEW), ("does not serve", DIES))
}


@pytest.mark.every_case
@pytest.mark.parametrize("case", CUT_OFF)
def test_the_power_fails_at_any_effect(tmp_path: Path, case: str) -> None:
    """No process restores anything, and /run is empty afterwards: the next change has only the files."""
    files, change, then = CUT_OFF[case]
    before = there(files)

    def try_one(number: int, host: Host) -> None:
        _lose_power(host, change, f"{number} kill any")
        seen = host.served()
        assert not any(seen.get(name) not in (before.get(name), change.get(name)) for name in (FIRST, SECOND))
        was_live = (host.record / "changes" / ID / "manifest.json").exists() and (
            host.manifest()["outcome"] == "live"
        )
        done = host.run(host.program(then, change="2026-11-22T11:00:00Z-0001"))
        if then is DIES:
            assert done.returncode == 1, said(done)
            assert host.served() == (seen if was_live else before), f"{number}: {host.files()}"
        else:
            assert done.returncode == 0, said(done)
            assert host.served() == host.runs() == NEW
        assert host.files().keys() <= {FIRST, SECOND}

    _at_each_effect(tmp_path / "hosts", before, try_one)


# The files before a change that is cut off, and what it wants.
BOOTED: dict[str, tuple[Wanted, Wanted]] = {
    "one added": (FIRST_ALONE, NEW),
    "both replaced": (OLD, NEW),
    "does not serve": (OLD, DIES),
    "one taken away": (OLD, GONE),
}


@pytest.mark.every_case
@pytest.mark.parametrize("case", BOOTED)
def test_a_host_boots_after_the_power_has_failed_at_any_effect(tmp_path: Path, case: str) -> None:
    """Nobody deploys: the host restores everything by itself, before its services start."""
    files, wanted = BOOTED[case]
    before = there(files)

    def try_one(number: int, host: Host) -> None:
        inodes = _inodes(host)
        _lose_power(host, wanted, f"{number} kill any")
        host.boot()
        is_new = host.served() == there(wanted)
        if not is_new:
            assert host.served() == before, f"{number}: {host.files()}"
            assert {name: found for name, found in _inodes(host).items() if name in before} == inodes
        if (host.record / "changes" / ID).exists():
            assert host.manifest()["outcome"] == ("live" if is_new else "put back"), number
            assert host.files().keys() <= {FIRST, SECOND}, f"{number}: {host.files()}"
        else:
            assert not is_new
        assert host.is_at_rest(), number

    _at_each_effect(tmp_path / "hosts", before, try_one)


def test_a_copy_that_is_damaged_is_not_given_back(host: Host) -> None:
    _lose_power(host, NEW, f"{SECOND_SWAP}")
    (kept,) = host.etc.glob(f".{FIRST}.smtp-auth-old-*")
    kept.write_text("")
    host.boot()
    assert host.served() == OLD
    assert host.is_clean()


def test_if_every_copy_is_damaged_none_is_given_back(host: Host) -> None:
    _lose_power(host, NEW, SECOND_SWAP)
    (kept,) = host.etc.glob(f".{FIRST}.smtp-auth-old-*")
    copy = host.record / "changes" / ID / f"before{host.etc}" / FIRST
    for path in (kept, copy):
        path.write_text("")
    said_at_boot = host.boot()
    assert "is missing or damaged" in said_at_boot
    assert host.served()[FIRST] == NEW[FIRST]
    assert host.manifest()["outcome"] == "failed"
    assert "is missing or damaged" in (host.folder / "run" / "smtp-auth-not-restored").read_text()
    # It tries again at each boot.
    kept.write_text(OLD[FIRST])
    host.boot()
    assert host.served() == OLD
    assert host.is_at_rest()
    assert host.manifest()["outcome"] == "put back"


def test_a_change_that_waits_for_its_confirmation_is_left_alone_at_boot(host: Host) -> None:
    _lose_power(host, NEW, "2 kill unlink")
    manifest = host.record / "changes" / ID / "manifest.json"
    manifest.write_text(re.sub('"outcome": "[^"]*"', '"outcome": "unconfirmed"', manifest.read_text()))
    before = host.files()
    host.boot()
    assert host.files() == before
    assert host.manifest()["outcome"] == "unconfirmed"
    assert not host.is_at_rest()


def test_what_a_change_takes_over_is_restored_once(host: Host) -> None:
    """The power fails in a change, nothing boots, and it fails again in the next change."""
    _lose_power(host, NEW, SECOND_SWAP)
    later = "2026-11-22T11:00:00Z-0001"
    third = {FIRST: "third version\n", SECOND: "third version\n"}
    # It replaces the first file, and gives what is kept beside the second one another name.
    _lose_power(host, third, "5 kill rename", later)
    assert host.served()[FIRST] == third[FIRST]
    host.boot()
    assert host.served() == OLD
    assert host.is_clean()
    assert host.is_at_rest()


def test_a_unit_without_a_change_deletes_itself(host: Host) -> None:
    # Killed before it says that it begins.
    _lose_power(host, NEW, "2 kill symlink")
    assert not host.is_at_rest()
    host.boot()
    assert host.is_at_rest()


def test_what_was_proved_last_is_on_record_after_the_power_failed(host: Host) -> None:
    # Killed between the swaps of both files.
    _lose_power(host, NEW, SECOND_SWAP)
    assert host.served() == {FIRST: NEW[FIRST], SECOND: OLD[SECOND]}
    shutil.rmtree(host.record)
    later = "2026-11-22T11:00:00Z-0001"
    assert (
        host.run(host.program({FIRST: "third version\n", SECOND: NEW[SECOND]}, change=later)).returncode == 0
    )
    kept = Path(f"{host.record}/changes/{later}/before{host.etc}")
    assert {path.name: path.read_text() for path in kept.iterdir()} == OLD


def _lose_power(
    host: Host, wanted: Mapping[str, str | None], fault: str, change: str = ID, service: str = SERVICE
) -> None:
    folder, faults = host.folder / "run" / "smtp-auth", host.folder / "faults"
    folder.mkdir()
    (folder / "change.pl").write_text(host.program(wanted, change=change, service=service))
    (faults / "at").write_text(fault)
    (faults / "count").write_text("")
    environment = {"PATH": os.environ["PATH"], "FAULT_FOLDER": str(faults), "PERL5LIB": str(FAULTS)}
    subprocess.run(
        ["perl", "-MFault", str(folder / "change.pl"), "change"],
        capture_output=True,
        check=False,
        timeout=60,
        env=environment,
    )
    host.effects = len((faults / "count").read_text())
    shutil.rmtree(host.folder / "run")
    (host.folder / "run").mkdir()


DIES_IN_RELOAD = SERVICE.replace("sub reload {", "sub reload { kill KILL => $$;")
LATER = "2026-11-22T11:00:00Z-0001"
NEWER = {FIRST: "newer one\n", SECOND: "newer two\n"}


def _cut_in_reload(host: Host, wanted: Mapping[str, str | None], change: str = ID) -> str:
    """The power fails with all files replaced, before they are proved. Returns the change's program."""
    program = host.program(wanted, change=change, service=DIES_IN_RELOAD)
    _lose_power(host, wanted, "0 nothing any", change, service=DIES_IN_RELOAD)
    assert host.served() == wanted
    return program


@pytest.mark.parametrize("first_is_live", [True, False])
def test_the_program_of_an_older_change_does_nothing_at_boot(host: Host, first_is_live: bool) -> None:
    """After a power cut, a file that was deleted may be there again."""
    if first_is_live:
        program = host.program(NEW)
        host.run(program)
    else:
        program = _cut_in_reload(host, NEW)
    before = host.served() if first_is_live else OLD
    _cut_in_reload(host, NEWER, LATER)
    (host.record / "changes" / ID / "change.pl").write_text(program)
    host.boot()
    assert host.served() == before
    assert host.is_clean()
    assert host.is_at_rest()


def test_a_change_that_has_begun_restores_what_an_interrupted_one_has_left(host: Host) -> None:
    _cut_in_reload(host, NEW)
    done = host.run(host.program(NEWER, change=LATER), "3 fail symlink")
    assert host.served() == host.runs() == OLD
    assert "is restored and works" in said(done)
    assert host.manifest(LATER)["outcome"] == "put back"
    assert host.is_at_rest()


def test_a_change_that_is_killed_before_its_first_swap_does_so_too(host: Host) -> None:
    _cut_in_reload(host, NEW)
    host.run(host.program(NEWER, change=LATER), "3 kill symlink")
    assert host.served() == host.runs() == OLD
    assert host.manifest(LATER)["outcome"] == "put back"
    assert host.is_at_rest()


def test_what_a_reload_alone_has_proved_is_not_restored_at_boot(host: Host) -> None:
    _cut_in_reload(host, NEW)
    host.run(host.program({}, change=LATER))
    assert host.runs() == NEW
    assert host.is_clean()
    assert host.is_at_rest()
    assert host.boot() == ""
    assert host.served() == NEW


def test_an_outcome_that_could_not_be_written_is_written_at_boot(host: Host) -> None:
    before = "sub prove_old { my ($self) = @_;"
    full = "no warnings; *SmtpAuth::Record::replace = sub { die qq{the disk is full\\n} };"
    service = SERVICE.replace(before, f"{before} {full}")
    assert service != SERVICE
    host.run(host.program(DIES, service=service))
    assert host.served() == host.runs() == OLD
    assert host.manifest()["outcome"] == "unfinished"
    host.boot()
    assert host.manifest()["outcome"] == "put back"
    assert host.is_at_rest()


def test_an_interrupted_change_stays_on_record_until_it_is_restored(host: Host) -> None:
    _cut_in_reload(host, NEW)
    for number in range(21):
        host.run(host.program(REFUSED, change=f"2026-11-22T12:{number:02}:00Z-0001"))
    assert host.served() == NEW
    host.boot()
    assert host.served() == OLD
    assert host.is_at_rest()


@pytest.mark.parametrize("how", ["put back", "boot"])
def test_an_edit_after_a_kill_stays_and_is_named(host: Host, how: str) -> None:
    edit = f'open my $file, ">>", q{{{host.etc / FIRST}}}; print {{$file}} "an edit\\n"; close $file;'
    service = DIES_IN_RELOAD.replace("kill KILL", f"{edit} kill KILL", 1)
    if how == "boot":
        _lose_power(host, NEW, "0 nothing any", service=service)
        told = host.boot()
    else:
        # Only the change itself is killed.
        service = service.replace("sub reload {", 'sub reload { if ($ARGV[0] eq "change") {', 1)
        service = service.replace("kill KILL => $$;", "kill KILL => $$ }", 1)
        told = said(host.run(host.program(NEW, service=service)))
    assert host.served() == {FIRST: NEW[FIRST] + "an edit\n", SECOND: OLD[SECOND]}
    assert f"is restored, except {host.etc / FIRST}, which somebody has edited meanwhile" in told
    assert host.manifest()["outcome"] == "put back"


def test_what_somebody_writes_into_the_earlier_version_is_not_lost(host: Host) -> None:
    """Through a handle from before the change."""
    write = (
        f"my ($kept) = SmtpAuth::Beside::kept(q{{{host.etc / FIRST}}});"
        'if (defined $kept) { open my $file, ">>", $kept; print {$file} "an edit\\n"; close $file }'
    )
    host.run(host.program(DIES, service=SERVICE.replace("sub reload {", f"sub reload {{ {write}", 1)))
    assert host.served() == host.runs() == OLD
    aside = host.record / "aside" / f"{ID}{host.etc}" / FIRST
    assert aside.read_text() == OLD[FIRST] + "an edit\n"


def test_what_is_kept_may_be_gone(host: Host) -> None:
    _cut_in_reload(host, GONE | {SECOND: NEW[SECOND]})
    for kept in host.etc.glob(".*old-*"):
        kept.unlink()
    host.boot()
    assert host.served() == OLD
    assert host.is_at_rest()


def test_a_refused_change_whose_program_stays_is_on_record_once(host: Host) -> None:
    host.run(host.program(REFUSED), "1 kill rmdir")
    assert [path.name for path in (host.record / "changes").iterdir()] == [ID]


def test_a_program_that_arrives_incomplete_does_nothing(host: Host) -> None:
    program = host.program(NEW)
    for length in range(0, len(program) - len("complete\t1\n"), 997):
        run = host.folder / "cut.pl"
        run.write_text(program[:length])
        subprocess.run(["perl", str(run), "change"], capture_output=True, check=False, timeout=60)
        assert host.files() == OLD
    assert not host.record.exists()


def test_an_edit_since_the_plan_is_left_as_it_is(host: Host) -> None:
    program = host.program(NEW)
    (host.etc / SECOND).write_text(EDITED)
    done = host.run(program)
    assert done.returncode == 1
    assert f"{host.etc / SECOND} was changed since the plan" in said(done)
    assert host.files() == {**OLD, SECOND: EDITED}
    assert host.is_clean()


@pytest.mark.parametrize("edited", [FIRST, SECOND])
@pytest.mark.parametrize(
    "how",
    ["printf 'edited, dies\\n' >\"$FILE\"", 'printf \'edited, dies\\n\' >"$FILE.x"; mv "$FILE.x" "$FILE"'],
)
@pytest.mark.parametrize("during", ["before", "reload"])
def test_an_edit_during_the_change_is_never_lost(host: Host, edited: str, how: str, during: str) -> None:
    edit = f"FILE={str(host.etc / edited)!r}; {how}".replace("{", "\\{").replace("}", "\\}")
    sooner = f"sub {during} {{ system q{{{edit}}}; goto &_{during} }}\nsub _{during} {{"
    service = SERVICE.replace(f"sub {during} {{", sooner, 1)
    wanted = NEW if during == "before" else DIES
    done = host.run(host.program(wanted, service=service))
    other = SECOND if edited == FIRST else FIRST
    assert host.served()[edited] == EDITED
    assert host.served()[other] == OLD[other]
    assert not [name for name in host.files() if "smtp-auth" in name]
    if during == "before":
        assert f"{host.etc / edited} was changed since the plan" in said(done)
        assert done.returncode == 1


def test_a_link_in_place_of_the_file_is_not_written_through(host: Host) -> None:
    program = host.program(NEW)
    elsewhere = host.folder / "elsewhere"
    (host.etc / FIRST).rename(elsewhere)
    (host.etc / FIRST).symlink_to(elsewhere)
    done = host.run(program)
    assert "was changed since the plan" in said(done)
    assert elsewhere.read_text() == OLD[FIRST]
    assert (host.etc / FIRST).is_symlink()


def test_a_change_does_not_wait_for_the_journal(host: Host, tmp_path: Path) -> None:
    """Any account may write to its socket, and so fill it."""
    path = str(tmp_path / "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(path)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as somebody, suppress(BlockingIOError):
            somebody.setblocking(False)
            while somebody.sendto(b"full", path):
                pass
        program = host.program(NEW)
        assert "'/dev/log'" in program
        assert host.run(program.replace("'/dev/log'", f"'{path}'")).returncode == 0


def test_a_pipe_in_place_of_the_file_holds_up_nobody(host: Host) -> None:
    program = host.program(NEW)
    (host.etc / FIRST).unlink()
    os.mkfifo(host.etc / FIRST)
    done = host.run(program)
    assert said(done) == f"cannot read {host.etc / FIRST}: it is no file; nothing was changed"
    (host.etc / FIRST).unlink()
    assert host.files() == {SECOND: OLD[SECOND]}


def test_a_link_that_is_planted_while_a_file_is_written_leads_root_nowhere(host: Host) -> None:
    victim = host.folder / "victim"
    victim.write_text("untouched\n")
    before = victim.stat()
    # Before the new version gets its times.
    (host.folder / "faults/action").write_text(f'ln -sfT "{victim}" "{host.etc}/.{FIRST}.smtp-auth-new~"')
    host.run(host.program(NEW), "1 run utime")
    assert (victim.read_text(), victim.stat().st_mtime_ns) == ("untouched\n", before.st_mtime_ns)


OF_SOMEBODY_ELSE = 12345


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("is_link", [False, True], ids=["a file", "a link"])
def test_what_somebody_else_has_planted_beside_a_file_is_no_earlier_version(
    host: Host, *, is_link: bool
) -> None:
    """Under the name that the earlier version has, when the present one was never proved."""
    digest = hashlib.sha256(OLD[SECOND].encode()).hexdigest()
    planted = host.etc / f".{SECOND}.smtp-auth-old-{digest}~"
    if is_link:
        secret = host.folder / "secret"
        secret.write_text("secret\n")
        planted.symlink_to(secret)
    else:
        planted.write_text("planted\n")
    os.chown(planted, OF_SOMEBODY_ELSE, OF_SOMEBODY_ELSE, follow_symlinks=False)
    done = host.run(host.program(DIES))
    assert "The old configuration is restored and works." in said(done)
    assert host.served() == host.runs() == OLD
    assert not [path for path in host.record.rglob("*") if path.is_file() and "secret" in path.read_text()]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Another process holds the lock on a file or directory."""
    with subprocess.Popen(
        ["sh", "-c", f'exec 9<"{path}"; flock 9; echo locked; read -r _'],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        yield
        holder.kill()


def test_one_change_at_a_time_holds_the_lock(host: Host) -> None:
    program = host.program(NEW)
    host.lock.touch(0o600)
    with _locked(host.lock):
        # What the holder of the lock has made so far belongs to it.
        others = {f".{FIRST}.smtp-auth-new~": "coming\n", f".{SECOND}.smtp-auth-old-{'0' * 64}~": "kept\n"}
        for name, text in others.items():
            (host.etc / name).write_text(text)
        done = host.run(program)
        assert host.files() == {**OLD, **others}
        for name in others:
            (host.etc / name).unlink()
    assert done.returncode == 1
    assert "another deploy is running on this host" in said(done)
    assert host.files() == OLD
    assert host.run(program).returncode == 0
    assert host.is_clean()


def test_what_anybody_may_lock_holds_up_neither_a_change_nor_the_put_back(host: Host) -> None:
    with ExitStack() as stack:
        for path in (host.etc, host.etc / FIRST, host.etc / SECOND):
            stack.enter_context(_locked(path))
        assert host.run(host.program(NEW)).returncode == 0
        _lose_power(host, OLD, SECOND_SWAP)
        host.boot()
        assert host.served() == NEW
        assert host.run(host.program(DIES, change="2026-11-22T11:00:00Z-0001")).returncode == 1
        assert host.served() == host.runs() == NEW


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o666], ids=oct)
def test_a_lock_that_others_can_open_is_none(host: Host, mode: int) -> None:
    host.lock.touch()
    host.lock.chmod(mode)
    done = host.run(host.program(NEW))
    assert f"{host.lock} is no file of root's that nobody else can open" in said(done)
    assert (host.files(), host.is_clean()) == (OLD, True)


def test_a_link_in_place_of_the_lock_is_not_followed(host: Host) -> None:
    host.lock.symlink_to(host.folder / "elsewhere")
    assert f"cannot open {host.lock}" in said(host.run(host.program(NEW)))
    assert (host.files(), host.is_clean()) == (OLD, True)
    assert not (host.folder / "elsewhere").exists()


# A file that a change has swapped in before it died, and that was edited since: its earlier version.
LEFT = f".{SECOND}.smtp-auth-old-{'0' * 64}~"


@pytest.mark.parametrize("wanted", [NEW, {}], ids=["a change", "a reload alone"])
def test_what_a_change_that_died_had_replaced_is_kept_on_record(
    host: Host, wanted: Mapping[str, str]
) -> None:
    (host.etc / LEFT).write_text("older two\n")
    assert host.run(host.program(wanted)).returncode == 0
    assert host.is_clean()
    assert (host.record / "aside" / f"{ID}{host.etc}" / SECOND).read_text() == "older two\n"


def test_what_is_on_record_already_is_not_kept_again(host: Host) -> None:
    _lose_power(host, NEW, SECOND_SWAP)
    (host.etc / FIRST).write_text("edited\n")
    later = "2026-11-22T11:00:00Z-0001"
    assert host.run(host.program({FIRST: "third version\n"}, change=later)).returncode == 0
    assert host.is_clean()
    assert not (host.record / "aside").exists()
    before = host.record / "changes" / ID / f"before{host.etc}"
    assert (before / FIRST).read_text() == OLD[FIRST]


def test_what_cannot_be_kept_on_record_stays_where_it_is(host: Host) -> None:
    (host.etc / LEFT).write_text("older two\n")
    host.record.mkdir(parents=True)
    (host.record / "aside").write_text("a file is in the way")
    done = host.run(host.program(NEW))
    assert done.returncode == 1
    assert said(done).endswith("; nothing was changed")
    assert host.files() == {**OLD, LEFT: "older two\n"}


def test_the_last_twenty_changes_that_went_live_stay(host: Host) -> None:
    for number in range(23):
        wanted = {FIRST: f"version {number}\n"}
        assert host.run(host.program(wanted, change=f"2026-11-22T10:15:{number:02}Z-0000")).returncode == 0
        host.run(host.program(REFUSED, change=f"2026-11-22T10:15:{number:02}Z-ffff"))
    there = sorted(path.name for path in (host.record / "changes").iterdir())
    assert there == sorted(
        f"2026-11-22T10:15:{number:02}Z-{end}" for number in range(3, 23) for end in ("0000", "ffff")
    )
    assert (host.record / "pruned").read_text().split()[1::2] == [
        f"2026-11-22T10:15:{number:02}Z-0000" for number in range(3)
    ]
    # What the ledger of the last change names is kept, however old.
    oldest = host.record / "baseline" / "2026-11-22T10:15:00Z-0000"
    assert Path(f"{oldest}{host.etc}/{FIRST}").read_text() == OLD[FIRST]


ASKED = SERVICE.replace("sub unserved { return }", "sub unserved { return 465 }")


def test_what_does_not_serve_before_is_on_record(host: Host) -> None:
    host.run(host.program(NEW, service=ASKED))
    assert host.manifest()["unserved"] == "465"
    host.run(host.program(DIES, service=ASKED, change="2026-11-22T10:16:00Z-3f2a"))
    assert (host.manifest("2026-11-22T10:16:00Z-3f2a")["outcome"]) == "put back"
    assert host.manifest("2026-11-22T10:16:00Z-3f2a")["unserved"] == "465"


@pytest.mark.parametrize(("edited", "unserved"), [("new one\n", ""), ("edited\n", "465")])
def test_nobody_is_asked_whether_it_serves_what_the_last_change_has_proved(
    host: Host, edited: str, unserved: str
) -> None:
    host.run(host.program(NEW))
    manifest = host.record / "changes" / ID / "manifest.json"
    manifest.write_text(manifest.read_text().replace("{", '{\n"submissions_proved": "yes",', 1))
    (host.etc / FIRST).write_text(edited)
    other = "2026-11-22T10:16:00Z-3f2a"
    host.run(host.program({FIRST: "newer\n", SECOND: "newer\n"}, service=ASKED, change=other))
    assert host.manifest(other)["unserved"] == unserved


def test_what_stays_is_newest_by_the_hosts_own_numbers_whatever_a_clock_says(host: Host) -> None:
    for number in range(20):
        folder = host.record / "changes" / f"2099-01-01T00:00:{number:02}Z-0000"
        folder.mkdir(parents=True)
        fields = {"outcome": "live", "began": "2099-01-01T00:00:00Z", "number": str(70 - number)}
        lines = ",\n".join(f'"{key}": "{value}"' for key, value in fields.items())
        (folder / "manifest.json").write_text(f"{{\n{lines}\n}}")
    assert host.run(host.program(NEW)).returncode == 0
    there = {path.name for path in (host.record / "changes").iterdir()}
    assert ID in there
    assert len(there) == 20
    assert host.manifest()["number"] == "71"
    assert (host.record / "pruned").read_text() == "51 2099-01-01T00:00:19Z-0000\n"


def test_a_second_attempt_of_a_run_overwrites_nothing(host: Host) -> None:
    host.run(host.program(NEW))
    first = host.manifest()
    (host.etc / FIRST).write_text("edited\n")
    host.run(host.program(DIES))
    host.run(host.program(OLD))
    host.run(host.program(REFUSED))
    assert host.manifest() == first
    found = [host.manifest(f"{ID}.{attempt}") for attempt in (2, 3, 4)]
    assert [one["outcome"] for one in found] == ["put back", "live", "refused"]
    assert [one["number"] for one in found] == ["2", "3", "4"]
    copies = {path.name: (path / str(host.etc)[1:] / FIRST) for path in (host.record / "baseline").iterdir()}
    assert {name: copy.read_text() for name, copy in copies.items()} == {
        ID: OLD[FIRST],
        f"{ID}.2": "edited\n",
        f"{ID}.3": "edited\n",
    }


def test_what_was_said_is_on_record_whatever_its_bytes(host: Host) -> None:
    service = SERVICE.replace('"it dies\\n"', '"it \\"dies\\" \\x1b[31m \\xe9\\n"')
    host.run(host.program(DIES, service=service))
    assert 'it "dies" \x1b[31m \xe9' in str(host.manifest()["said"])
