"""Trials on a booted host of the lab, where systemd runs the change, and restores after a kill.

An error is the change's own matter: systemd takes part only if the change is killed. So all kills are tried
here, and the errors where a host is a folder (`tests.faults.folder`).
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lab.host import LabHost
from lab.lab import Lab
from smtp_auth.facts.decode import decode
from smtp_auth.on_host.instructions import RECORD
from tests.faults.calls import Call, calls_in
from tests.faults.matrix import NOT_HIT, Case, Seen, Trial
from tests.faults.tracing import LOG, prepare, recording, was_hit
from tests.fleet import by_hand
from tests.fleet.deploying import deploy, side_by_side, succeed
from tests.fleet.faults import Faults
from tests.fleet.test_faults import FURTHER, HOOK, PENDING, Bench, Start

_OURS = ("/etc/postfix", "/etc/dovecot", "/etc/letsencrypt", "/etc/systemd", RECORD)
_OUR_CHILDREN = ("change", "cp", "rm", "sha256sum")

_OTHER_OPTIONS = {key: PENDING[key] for key in ("mua_helo_restrictions", "submissions_options")}

CASES = {
    Case("stock", "deploy"): Start(deployed=False),
    Case("adopted", "deploy"): Start(deployed=True, data=_OTHER_OPTIONS),
    Case("deployed", "deploy"): Start(deployed=True, data=PENDING),
    Case("deployed", "undo"): Start(deployed=True, program="undo.py", serves=False),
    Case("deployed", "removal"): Start(deployed=True, program="remove.py", serves=False),
}

_SECONDS_UNTIL_OVER = 60


@dataclass
class _Prepared:
    """A case on one host.

    + bench: compares the host
    + id: of the change
    + words: those in paths that are others on each host: own to general
    """

    bench: Bench
    id: str
    words: dict[str, str]


@dataclass
class BootedBench:
    """A host of the lab.

    + tried: the cases
    + is_on: the start that the host is at, with another record perhaps
    """

    host: LabHost
    ca: Path
    faults: Faults
    tried: Sequence[Case]
    is_on: str = ""
    prepared: dict[Case, _Prepared] = field(default_factory=dict)

    @property
    def where(self) -> str:
        return self.host.release

    def cases(self) -> Sequence[Case]:
        return self.tried

    def prepare(self) -> None:
        """Make the starts, and record the program of each case."""
        for start in dict.fromkeys(case.start for case in self.tried):
            self.host.reset()
            _MAKE[start](self.host)
            self.host.run(f"mkdir -p {RECORD} && cp -a {RECORD} {_kept(start)}")
            self.host.save(_name(start))
            for case in (case for case in self.tried if case.start == start):
                bench = Bench(self.host, self.ca, self.faults, CASES[case])
                bench.before = bench.files()
                bench.inodes_before, bench.due_before = bench.inodes(), bench.due()
                with self.faults.recording():
                    succeed(deploy([self.host], data=bench.start.data, program=bench.start.program))
                bench.after = bench.files()
                bench.program = self.faults.recorded()
                match = re.search(r"^id\t(.*)$", bench.program, re.MULTILINE)
                assert match
                self.prepared[case] = _Prepared(bench, match[1], self._own_words(bench, match[1]))
                self.host.restore(_name(start))

    def calls(self, case: Case) -> list[Call]:
        its = self.prepared[case]
        self._restore(case)
        with self.faults.traced(lambda _, inside: recording(inside)) as folder:
            self.faults.run(its.bench.program)
            self.faults.wait_over(_SECONDS_UNTIL_OVER)
            trace = (folder / LOG).read_text()
        self._after(its.bench)
        return [
            replace(call, path=_replaced(call.path, its.words), errors=())
            for call in calls_in(trace, _is_ours)
            if call.process.split()[0] in _OUR_CHILDREN
        ]

    def try_one(self, trial: Trial) -> Seen:
        its = self.prepared[trial.case]
        bench = its.bench
        self._restore(trial.case)
        own = {general: word for word, general in its.words.items()}
        call = replace(trial.call, path=_replaced(trial.call.path, own))
        with self.faults.traced(partial(prepare, call=call, fault=trial.fault)) as folder:
            answer = self.faults.run(bench.program).stdout
            self.faults.wait_over(_SECONDS_UNTIL_OVER)
            hit = was_hit(folder, call, trial.fault)
        if not hit:
            self._after(bench)
            return Seen(NOT_HIT, ("the fault did not happen",))
        seen = self._judged(its, answer)
        self._after(bench)
        return seen

    def _judged(self, its: _Prepared, answer: str) -> Seen:
        bench = its.bench
        found = decode(answer.splitlines())
        outcome, said = found.get("outcome", ["nothing"])[-1], found.get("said", [""])[-1]
        now = bench.files()
        broken = []
        if now not in (bench.before, bench.after):
            broken.append(f"the files are of both versions: {bench.left()}")
        if now == bench.before and bench.inodes() != bench.inodes_before:
            broken.append("the old files are not the very files")
        if not (due := bench.due()) <= bench.due_before:
            broken.append(f"the services run something else than the files: {sorted(due)}")
        if (outcome == "live") != (now == bench.after):
            broken.append(f"the outcome is {outcome!r}, the files are not")
        if "nothing was changed" in said and now != bench.before:
            broken.append("it said that nothing was changed")
        if (on_record := self._on_record(its.id)) not in (outcome, None):
            broken.append(f"the record says {on_record!r}, the answer {outcome!r}")
        if left := bench.leftovers():
            broken.append(f"left behind: {left}")
        try:
            bench.serves()
        except (AssertionError, OSError) as error:
            broken.append(f"it does not serve: {error}")
        return Seen(outcome, tuple(broken))

    def _on_record(self, change: str) -> str | None:
        path = self.host.root / RECORD.lstrip("/") / "changes" / change / "manifest.json"
        try:
            return str(json.loads(path.read_text())["outcome"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError) as error:
            return f"not readable: {error}"

    def _after(self, bench: Bench) -> None:
        """Forget the start if the host is not at it any more."""
        is_same = bench.files() == bench.before and bench.inodes() == bench.inodes_before
        if not (is_same and not bench.leftovers() and bench.due() <= bench.due_before):
            self.is_on = ""

    def _restore(self, case: Case) -> None:
        """Put the host back to a start; if it is there already, only the record."""
        if self.is_on != case.start:
            self.host.restore(_name(case.start))
            self.is_on = case.start
            bench = self.prepared[case].bench
            for other in (its.bench for at, its in self.prepared.items() if at.start == case.start):
                other.inodes_before, other.due_before = bench.inodes(), bench.due()
        self.host.run(f"rm -rf {RECORD} && cp -a {_kept(case.start)} {RECORD}")

    def _own_words(self, bench: Bench, change: str) -> dict[str, str]:
        """The IDs of this change and of those before it, digests of the new files, and the domain."""
        before = sorted(path.name for path in (self.host.root / RECORD.lstrip("/") / "changes").glob("*"))
        digests = {
            hashlib.sha256(file[0]).hexdigest(): f"SHA({Path(path).name})"
            for path, file in bench.after.items()
            if file is not None
        }
        earlier = {name: f"EARLIER({number})" for number, name in enumerate(before) if name != change}
        return {change: "ID", **earlier, **digests, self.host.domain: "DOMAIN"}


@contextmanager
def booted(lab: Lab, names: Sequence[str], cases: Sequence[Case]) -> Iterator[list[BootedBench]]:
    """Hosts of the lab, ready for trials of these cases; afterwards they are as they were made."""
    with ExitStack() as stack:
        benches = []
        for host in (lab.hosts[name] for name in names):
            stack.callback(_put_away, host)
            benches.append(BootedBench(host, lab.ca, stack.enter_context(Faults(host)), cases))
        side_by_side(BootedBench.prepare, benches)
        yield benches


def _put_away(host: LabHost) -> None:
    host.reset()
    for name in set(map(_name, _MAKE)) & set(host.saved()):
        host.forget(name)


def _stock(host: LabHost) -> None:
    pass


def _adopt(host: LabHost) -> None:
    by_hand.follow_the_guide(host)
    # One file is to be added.
    (host.root / HOOK).unlink()


def _deploy(host: LabHost) -> None:
    host.issue_certificate([host.name], FURTHER)
    succeed(deploy([host]))


_MAKE: dict[str, Callable[[LabHost], None]] = {"stock": _stock, "adopted": _adopt, "deployed": _deploy}


def _name(start: str) -> str:
    return f"fault-{start}"


def _kept(start: str) -> str:
    """Where the record of a start is kept on the host; restoring a state does not change it."""
    return f"/var/cache/faults/record-{start}"


def _replaced(path: str, words: Mapping[str, str]) -> str:
    for word, other in words.items():
        path = path.replace(word, other)
    return path


def _is_ours(path: str) -> bool:
    return path.startswith("/run/smtp-auth") or any(Path(path).is_relative_to(folder) for folder in _OURS)
