"""Trials on a folder that stands for a host: the real Perl of a change, with a service that is two files."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smtp_auth.facts.decode import decode
from tests.faults.calls import KILL, Call, calls_in
from tests.faults.matrix import NOT_HIT, Case, Seen, Trial
from tests.faults.tracing import LOG, prepare, recording, was_hit
from tests.unit.on_host.folder_host import FIRST, ID, SECOND, Host, there

Wanted = Mapping[str, str | None]

OLD = {FIRST: "old one\n", SECOND: "old two\n"}
NEW = {FIRST: "new one\n", SECOND: "new two\n"}
NEWER = {FIRST: "newer one\n", SECOND: "newer two\n"}
DIES = {FIRST: "newer one, dies\n", SECOND: "newer two\n"}


@dataclass(frozen=True)
class Start:
    """What a host is at first.

    + files, mode: its files, and the mode of the first one
    + is_deployed: whether a change has written `NEW` since
    """

    files: Wanted
    mode: int = 0o644
    is_deployed: bool = False


STARTS = {
    "stock": Start(OLD),
    # By hand: not everybody may read it, and one is missing.
    "adopted": Start({FIRST: "old one\n"}, 0o640),
    "deployed": Start(OLD, is_deployed=True),
}

CHANGES: dict[Case, Wanted] = {
    Case("stock", "deploy"): NEW,
    Case("stock", "dies"): DIES,
    Case("adopted", "deploy"): NEW,
    Case("adopted", "dies"): DIES,
    Case("deployed", "deploy"): NEWER,
    Case("deployed", "dies"): DIES,
    Case("deployed", "undo"): OLD,
    Case("deployed", "removal"): {FIRST: OLD[FIRST], SECOND: None},
}

_EARLIER, _LATER = "2026-11-22T09:00:00Z-0001", "2026-11-22T11:00:00Z-0001"
# systemd runs it after a kill, and once more if it has not finished.
_PUT_BACKS = 2
# What the service does itself.
_CHILDREN_OF_THE_SERVICE = ("grep", "sh")
# Stands for a bench's own folder.
_HERE = "HERE"

File = tuple[str, int, int]


class FolderBench:
    """A place for trials, with a fresh host for each.

    It is always in the same folder: the record has full paths, and files are read in pieces, so paths of
    another length would be other calls.
    """

    where = "harness"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._at = folder / "host"
        self._faults = folder / "fault"
        # What was wrong after a change that followed, by the digest of what it found.
        self._nexts: dict[str, list[str]] = {}

    def cases(self) -> Sequence[Case]:
        return [*CHANGES]

    def calls(self, case: Case) -> list[Call]:
        host = self._fresh(case.start)
        self._clear()
        self._start(host, host.program(CHANGES[case]))
        self._run(host, "change", recording(str(self._faults)))
        trace = (self._faults / LOG).read_text()
        return [
            replace(call, path=call.path.replace(str(self._folder), _HERE))
            for call in calls_in(trace, self._is_ours)
            if call.process.split()[0] not in _CHILDREN_OF_THE_SERVICE
        ]

    def _is_ours(self, path: str) -> bool:
        others = (self._at / "runs", self._at / "scratch", self._at / "faults")
        # A rehearsal's folder of copies has its process ID in its name.
        is_copy = "smtp-auth-copies" in path
        return _is_in(path, self._at) and not is_copy and not any(_is_in(path, other) for other in others)

    def try_one(self, trial: Trial) -> Seen:
        wanted = CHANGES[trial.case]
        host = self._fresh(trial.case.start)
        before, old = _files(host), host.served()
        self._clear()
        call = replace(trial.call, path=trial.call.path.replace(_HERE, str(self._folder)))
        before_it = prepare(self._faults, str(self._faults), call, trial.fault)
        self._start(host, host.program(wanted))
        answers = [self._run(host, "change", before_it)]
        if not was_hit(self._faults, call, trial.fault):
            return Seen(NOT_HIT, ("the fault did not happen",))
        for _ in range(_PUT_BACKS):
            if _program(host).exists():
                answers.append(self._run(host, "put-back", []))
        shutil.rmtree(_program(host).parent, ignore_errors=True)
        answer = next((one for one in reversed(answers) if "\noutcome\t" in one), "")
        return self._judged(host, wanted, before, old, answer, trial.fault)

    def _judged(
        self,
        host: Host,
        wanted: Wanted,
        before: Mapping[str, File],
        old: Mapping[str, str],
        answer: str,
        fault: str,
    ) -> Seen:
        found = decode(answer.splitlines())
        outcome, said = found.get("outcome", ["nothing"])[-1], found.get("said", [""])[-1]
        on_record = _on_record(host)
        served, new = host.served(), {**old, **wanted}
        broken = []
        if served not in (old, there(new)):
            broken.append(f"the files are of both versions: {host.files()}")
        if served == old and served != there(new) and _files(host) != before:
            broken.append("the old files are not the very files")
        if served == there(new) and _modes(host) != {
            name: before.get(name, ("", 0o644, 0))[1] for name in served
        }:
            broken.append(f"the modes of the new files: {_modes(host)}")
        if host.runs() != served:
            broken.append("the service runs something else than the files")
        if outcome == "nothing":
            broken.append("no outcome was printed")
        elif (outcome == "live") != (served == there(new)):
            broken.append(f"the outcome is {outcome!r}, the files are not")
        if outcome in ("refused", "put back") and served != old:
            broken.append(f"said of other files: {said!r}")
        if "nothing was changed" in said and _files(host) != before:
            broken.append("it said that nothing was changed")
        if on_record is None:
            if served != old:
                broken.append("the change is not on record")
        elif on_record != outcome:
            broken.append(f"the record says {on_record!r}, the answer {outcome!r}")
        if outcome == "live" and not _is_kept(host, old):
            broken.append("the record does not have the files from before")
        if not _is_clean(host):
            if fault == KILL:
                broken.append(f"left behind: {sorted(host.files())}, {_of_recovery(host)}")
            # What could not be deleted stays until the next change.
            outcome += ", left"
        broken.extend(self._next(host, {**new, FIRST: "newest\n"}))
        return Seen(outcome, tuple(line.replace(str(self._folder), _HERE) for line in broken))

    def _next(self, host: Host, wanted: Wanted) -> list[str]:
        """What is wrong after a change without a fault that follows: tried once for each state."""
        found = _digest(host.folder)
        if found not in self._nexts:
            self._nexts[found] = self._after_next(host, wanted)
        return self._nexts[found]

    def _after_next(self, host: Host, wanted: Wanted) -> list[str]:
        self._start(host, host.program(wanted, change=_LATER))
        self._run(host, "change", [])
        shutil.rmtree(_program(host).parent, ignore_errors=True)
        if host.served() == host.runs() == there(wanted) and _is_clean(host):
            return []
        return [f"a change that follows does not go live: {host.files()}, {_of_recovery(host)}"]

    def _fresh(self, start: str) -> Host:
        kept = self._folder / start
        shutil.rmtree(self._at, ignore_errors=True)
        if not kept.exists():
            host = Host(self._at)
            its = STARTS[start]
            for name, text in there(its.files).items():
                (host.etc / name).write_text(text)
                (host.etc / name).chmod(its.mode if name == FIRST else 0o644)
                (self._at / "runs" / name).write_text(text)
            if its.is_deployed:
                assert host.run(host.program(NEW, change=_EARLIER)).returncode == 0
            self._at.rename(kept)
        made = object.__new__(Host)
        made.folder, made.effects = self._at, 0
        # With second names of files.
        subprocess.run(["cp", "-a", kept, self._at], check=True)
        return made

    def _clear(self) -> None:
        shutil.rmtree(self._faults, ignore_errors=True)
        self._faults.mkdir(parents=True)

    def _start(self, host: Host, program: str) -> None:
        _program(host).parent.mkdir()
        _program(host).write_text(program)

    def _run(self, host: Host, what: str, before_it: Sequence[str]) -> str:
        path = os.environ["PATH"]
        if (self._faults / "bin").exists() and what == "change":
            path = f"{self._faults}/bin:{path}"
        done = subprocess.run(
            [*before_it, "perl", str(_program(host)), what],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            check=False,
            timeout=60,
            # The order of Perl's hashes is the order of some calls.
            env={"PATH": path, "PERL_HASH_SEED": "0"},
        )
        return "\n" + done.stdout


def _program(host: Host) -> Path:
    return host.folder / "run" / "smtp-auth" / "change.pl"


def _digest(folder: Path) -> str:
    """A digest of all that is in a folder, without when a change began."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_mode}\n".encode())
        if path.is_file():
            digest.update(re.sub(rb'"began": "[^"]*"', b"", path.read_bytes()) + b"\n")
    return digest.hexdigest()


def _is_clean(host: Host) -> bool:
    return host.is_clean() and not _of_recovery(host)


def _of_recovery(host: Host) -> list[str]:
    """What finishes a change when a host boots: a unit, a link and programs."""
    units = [path for path in (host.folder / "units").rglob("*") if not path.is_dir() or path.is_symlink()]
    return sorted(path.name for path in (*units, *host.record.glob("changes/*/change.pl")))


def _is_in(path: str, folder: Path) -> bool:
    return Path(path).is_relative_to(folder)


def _files(host: Host) -> dict[str, File]:
    """Content, mode and inode of the service's files."""
    paths = [host.etc / name for name in host.served()]
    return {path.name: (path.read_text(), path.stat().st_mode & 0o7777, path.stat().st_ino) for path in paths}


def _modes(host: Host) -> dict[str, int]:
    return {name: mode for name, (_, mode, _) in _files(host).items()}


def _on_record(host: Host) -> str | None:
    """The outcome on record; `None` if the change is not there."""
    try:
        return str(host.manifest()["outcome"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        return f"not readable: {error}"


def _is_kept(host: Host, old: Mapping[str, str]) -> bool:
    folder = Path(f"{host.record}/changes/{ID}/before{host.etc}")
    kept = {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}
    return all(old.get(name) == text for name, text in kept.items()) and kept.keys() == old.keys()
