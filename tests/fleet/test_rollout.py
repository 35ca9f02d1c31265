"""A rollout over booted hosts: it stops where it has to, goes on where it was, and gives everything back."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab import Lab, LabHost
from lab.command import wait_until
from tests.fleet.by_hand import EDIT
from tests.fleet.commands import Done, command_line, smtp_auth
from tests.fleet.conftest import FLEET, ORDERS, Several
from tests.fleet.deploying import LEFTOVERS, ROOT, TAKE_PORT_465, data_of, shim, side_by_side, tree
from tests.fleet.faults import UNIT, Faults
from tests.fleet.test_in_the_middle import DPKG, HELD, locked
from tests.fleet.test_undo import files, live
from tests.processes import wait_for
from tests.terminal import CTRL_C, Terminal, in_a_terminal
from tests.unit.scenarios import PATHS

pytestmark = pytest.mark.lab

# The deploy's own proof does not look for it: only the verification does.
RENEWS_NO_MORE = "systemctl disable --quiet --now certbot.timer"
RENEWS = "systemctl enable --quiet --now certbot.timer"
_OF_RENEWAL = "something renews the certificates"

# How long an answer may take, in seconds, where that is waited for.
SECONDS = 12


def _do(
    hosts: Sequence[LabHost], data: Mapping[str, Any], command: str, *options: str | Path, status: int
) -> Done:
    """Run a command, which must end with this exit status."""
    done = smtp_auth(command, hosts, *map(str, options), data=data)
    assert done.status == status, (done.output, done.progress)
    return done


@dataclass(frozen=True)
class Fleet:
    """Hosts by their states before a rollout.

    + canary: is changed first
    + stock: have never been deployed to; `edited`: somebody has edited what a deploy wrote; `converged`: are
      as wanted; `held`: somebody holds them
    """

    canary: LabHost
    stock: Sequence[LabHost]
    edited: Sequence[LabHost]
    held: Sequence[LabHost]
    converged: Sequence[LabHost]
    data: Mapping[str, Any]

    @property
    def working(self) -> list[LabHost]:
        """The hosts that a rollout changes."""
        return [self.canary, *self.stock, *self.edited]

    @property
    def others(self) -> list[LabHost]:
        """Those that it leaves alone."""
        return [*self.held, *self.converged]

    @property
    def all(self) -> list[LabHost]:
        # The canary is not the first one of the inventory.
        return [*self.others, *self.stock, self.canary, *self.edited]

    def do(self, command: str, *options: str | Path, status: int = 0) -> Done:
        """Run a command, which must end with this exit status."""
        return _do(self.all, self.data, command, *options, status=status)

    def prepare(self) -> None:
        """Bring the hosts into their states."""
        deployed = [host.name for host in (*self.edited, *self.converged)]
        self.do("apply", "--yes", *(word for name in deployed for word in ("--limit", name)))
        side_by_side(lambda host: host.run(EDIT), self.edited)
        self.do("hold", *(host.name for host in self.held), "--reason", "a migration")


@pytest.fixture
def fleet(several: Several) -> Fleet:
    """Of twelve, each kind with two hosts has both releases."""
    one = several.hosts
    if len(one) == len(FLEET):
        stock, canary, edited, held = one
        return Fleet(canary, [stock], [edited], [held], [], several.data)
    return Fleet(one[0], one[1:6], one[6:8], one[8:10], one[10:], several.data)


def _report(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def _of_each(file: Path, *keys: str) -> dict[str, tuple[Any, ...]]:
    """These values of each host, by its name."""
    return {name: tuple(one[key] for key in keys) for name, one in _report(file)["hosts"].items()}


def test_a_canary_that_does_not_verify_stops_it(fleet: Fleet, tmp_path: Path) -> None:
    fleet.prepare()
    canary = fleet.canary
    canary.run(RENEWS_NO_MORE)
    before, others_before = side_by_side(files, fleet.working), side_by_side(tree, fleet.others)
    plan, left, out = (tmp_path / name for name in ("plan.json", "left.json", "out.json"))
    fleet.do("plan", "--out", plan, "--first", canary.name, "--waves", "1,50%,100%")
    untouched = [host for host in fleet.working if host is not canary]
    trees = side_by_side(tree, untouched)

    done = fleet.do("rollout", "--plan", plan, "--yes", "--remaining", left, "--json", out, status=1)
    run = _report(plan)["run"]
    assert _of_each(out, "state", "verified", "failed_checks") == {
        canary.name: ("converged", False, [_OF_RENEWAL]),
        **{host.name: ("pending", None, []) for host in untouched},
        **{host.name: ("held", None, []) for host in fleet.held},
        **{host.name: ("converged", None, []) for host in fleet.converged},
    }
    assert f"\n{canary.name}: changed, does not verify: " in f"\n{done.output}", done.output
    assert "\nstopped: " in done.output
    assert f"smtp-auth rollout --resume {left}" in done.output
    assert live(canary) == [run]
    assert side_by_side(tree, untouched) == trees

    # Once it is mended, the rest has its turn, in the same run; the canary is not changed a second time.
    canary.run(RENEWS)
    fleet.do("rollout", "--resume", left, "--yes", "--remaining", left, "--json", out)
    assert _report(out)["run"] == run
    told = _of_each(out, "state", "verified")
    assert {told[host.name] for host in fleet.working} == {("converged", True)}
    assert live(canary) == [run]
    assert {live(host)[-1] for host in fleet.working} == {run}
    trees = side_by_side(tree, fleet.all)
    fleet.do("rollout", "--resume", left, "--yes")
    assert side_by_side(tree, fleet.all) == trees

    # All of it is one run on the record.
    fleet.do("undo", "--to", run, "--yes")
    assert side_by_side(files, fleet.working) == before
    # And a rollout that stops in its last wave may take it back by itself.
    waves = {name: one["wave"] for name, one in _report(plan)["hosts"].items()}
    last = max(fleet.working, key=lambda host: waves[host.name])
    last.run(RENEWS_NO_MORE)
    fleet.do(
        *("rollout", "--first", canary.name, "--waves", "1,100%", "--yes", "--undo-all", "--json", out),
        status=1,
    )
    assert side_by_side(files, fleet.working) == before
    told = _of_each(out, "undone", "verified")
    assert {told.pop(host.name) for host in fleet.working if host is not last} == {(True, True)}
    assert told[last.name] == (True, False)
    assert side_by_side(tree, fleet.others) == others_before


@pytest.mark.parametrize(
    ("takes_back", "indices"),
    [((), ()), (("--undo-wave",), (2,)), (("--undo-all",), (0, 2))],
    ids=["nothing is taken back", "the wave is taken back", "all is taken back"],
)
def test_it_stops_at_the_second_failure_if_one_is_accepted(
    lab: Lab, tmp_path: Path, takes_back: Sequence[str], indices: Sequence[int]
) -> None:
    """In wave 3. + indices: of the hosts that are given back"""
    first, second, third, fourth = hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    before = side_by_side(files, hosts)
    plan, left, out = (tmp_path / name for name in ("plan.json", "left.json", "out.json"))

    do = partial(_do, hosts, data_of(lab))
    # The last two would be all hosts of their domain.
    shown = do("plan", "--out", plan, "--waves", "1,2,100%", "--max-failures", "1", status=0).output
    assert [one["wave"] for one in _report(plan)["hosts"].values()] == [1, 2, 3, 4]
    assert f"\nwave 3, 1 host: {third.name}\nwave 4, 1 host: {fourth.name}\n" in shown
    second.run("postconf -e smtpd_tls_auth_only=yes && systemctl reload postfix")
    third.run(RENEWS_NO_MORE)
    refused = tree(second)

    rollout = ("--yes", "--remaining", left, "--json", out)
    do("rollout", "--plan", plan, *takes_back, *rollout, status=1)
    run, given_back = _report(plan)["run"], [hosts[index] for index in indices]
    state = {host: ("pending", True) if host in given_back else ("converged", None) for host in hosts}
    assert _of_each(out, "verified", "state", "undone") == {
        first.name: (True, *state[first]),
        second.name: (None, "refused", None),
        third.name: (False, *state[third]),
        fourth.name: (None, "pending", None),
    }
    assert tree(second) == refused
    assert [files(host) == of for host, of in zip(hosts, before, strict=True)] == [
        first in given_back,
        False,
        third in given_back,
        True,
    ]
    assert [live(host)[0] for host in (first, third)] == [run, run]
    assert live(fourth) == []

    # One failure is accepted: the rest has its turn, although the second one is still another.
    third.run(RENEWS)
    do("rollout", "--resume", left, *rollout, status=1)
    assert _of_each(out, "state", "verified", "undone") == {
        first.name: ("converged", True, None),
        second.name: ("refused", None, None),
        third.name: ("converged", True, None),
        fourth.name: ("converged", True, None),
    }
    assert live(fourth) == [run]
    for host in (first, third):
        # After an undo, the host numbers its second attempt.
        again = [False, True] if host in given_back else []
        assert [one == run for one in live(host)] == [True, *again]
        assert (host.root / f"var/lib/smtp-auth/changes/{run}.2").is_dir() is bool(again)
    assert tree(second) == refused


# -- attempts of one run -------------------------------------------------------------------------------


def test_what_another_attempt_has_changed_is_taken_back(lab: Lab, tmp_path: Path) -> None:
    """This one stops before it asks that host."""
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    before = side_by_side(files, hosts)
    plan, out = (tmp_path / name for name in ("plan.json", "out.json"))

    do = partial(_do, hosts, data_of(lab))
    first, second = hosts[0], hosts[2]
    canaries = ("--first", first.name, "--first", second.name)
    do("plan", "--out", plan, "--waves", "2,100%", *canaries, status=0)
    do("rollout", "--plan", plan, "--wave", "1", "--shard", "2/2", "--yes", status=0)
    run = _report(plan)["run"]
    assert [live(host) for host in hosts] == [[], [], [run], []]
    first.run(TAKE_PORT_465)
    trees = side_by_side(tree, [hosts[1], hosts[3]])
    options = ("--undo-all", "--parallel", "1", "--yes", "--json", out)
    try:
        do("rollout", "--plan", plan, *options, status=1)
    finally:
        first.run("systemctl stop taken")
    assert side_by_side(files, hosts) == before
    assert _of_each(out, "outcome", "undone") == {
        first.name: ("refused", None),
        second.name: ("not begun", True),
        hosts[1].name: ("not begun", None),
        hosts[3].name: ("not begun", None),
    }
    # The next wave has not begun.
    assert side_by_side(tree, [hosts[1], hosts[3]]) == trees


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_change_whose_connection_is_lost_is_taken_back(
    lab: Lab, stock: list[LabHost], tmp_path: Path, order: slice
) -> None:
    first, second = stock[order]
    before, second_before = files(first), tree(second)
    out = tmp_path / "out.json"
    options = ("--first", first.name, "--waves", "1,100%", "--undo-all", "--yes", "--json", str(out))
    faults = Faults(first)
    with (
        command_line("rollout", stock, *options, data={**data_of(lab), "host_seconds": SECONDS}) as words,
        _locked(first) as is_changing,
        in_a_terminal(words, ROOT) as terminal,
    ):
        terminal.wait_for("2 hosts: 2 pending")
        wait_for(lambda: terminal.read() and is_changing(), f"the change of {first.name}")
        faults.cut_connection()
        # The rollout connects once more, to wait for the change.
        following = _following(first, set())
        faults.cut_connection()
        terminal.wait_for("the connection was lost twice")
        (waiting,) = _following(first, following) - following
        # It is silent for longer than a host may be that is at no change.
        wait_until(
            lambda: int(first.run(f"ps -o etimes= -p {waiting}").stdout) > SECONDS + 1,
            "the wait for the change goes on",
        )
        first.run(f"rm {HELD}")
        assert terminal.status() == 1, terminal.shown
    assert files(first) == before, terminal.shown
    assert tree(second) == second_before
    told = _of_each(out, "outcome", "undone", "reasons")
    assert told[first.name][:2] == ("not reached", True), told
    assert told[second.name][:2] == ("not begun", None)


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS)
def test_a_host_that_hangs_in_its_verification_is_taken_back(
    lab: Lab, stock: list[LabHost], tmp_path: Path, order: slice
) -> None:
    """It is given up there, and answers again afterwards."""
    first, _ = stock[order]
    # Only once: the first program that is started over SSH after the change.
    is_its_turn = f'[ -e {HELD} ] && [ -e {PATHS["dropin"]} ] && [ "$SSH_CONNECTION" ]'
    script = f'{is_its_turn} && rm {HELD} && exec sleep 120\nexec /usr/bin/perl "$@"'
    first.run(f"touch {HELD}\n{shim('perl', script)}")
    before, out = files(first), tmp_path / "out.json"
    options = ("--first", first.name, "--waves", "1,100%", "--undo-all", "--yes", "--json", str(out))
    done = smtp_auth("rollout", stock, *options, data={**data_of(lab), "host_seconds": SECONDS})
    assert _of_each(out, "outcome", "verified", "undone")[first.name] == ("changed", False, True), done.output
    assert (
        f"\n{first.name}: taken back: the host gave no complete answer within {SECONDS} seconds"
        in done.output
    )
    assert files(first) == before


def _following(host: LabHost, known: set[str]) -> set[str]:
    """Wait until somebody waits for the change of a host: processes there. + known: those that did before"""

    def found() -> set[str]:
        return {*host.run("pgrep -f '^perl.* follow '", check=False).stdout.split()}

    wait_for(lambda: bool(found() - known), f"somebody who waits for the change of {host.name}")
    return found()


# -- interruptions -------------------------------------------------------------------------------------


@contextmanager
def _held_up(host: LabHost, name: str, path: str) -> Iterator[Callable[[], bool]]:
    """A program of the host waits before it begins. Yields whether it does so at this moment."""
    script = f'while [ -e {HELD} ]; do : >{HELD}.reached; sleep 0.1; done\nexec {path} "$@"'
    host.run(f"touch {HELD}\n{shim(name, script)}")
    try:
        yield lambda: host.run(f"test -e {HELD}.reached", check=False).returncode == 0
    finally:
        host.run(f"rm -f {HELD} {HELD}.reached")


@contextmanager
def _locked(host: LabHost) -> Iterator[Callable[[], bool]]:
    with locked(host, DPKG):
        yield lambda: host.run(f"systemctl is-active {UNIT}", check=False).returncode == 0


@dataclass(frozen=True)
class Phase:
    """Where a rollout is interrupted. The first wave has one host, and the second one has the other.

    + holds_up: holds the first host up there; yields whether it is
    + after: what is shown there; if the first host is held up, too, then from that moment on
    + options: of the rollout
    + has_plan: whether it carries out a plan that exists
    + is_changed, is_verified: whether the first host is afterwards, and was before
    + changes: how many changes each host has on record in the end
    + is_saved: whether the file of --remaining was written before
    """

    holds_up: Callable[[LabHost], AbstractContextManager[Callable[[], bool]]] = lambda _: nullcontext(
        lambda: True
    )
    after: str = ""
    options: tuple[str, ...] = ("--yes",)
    has_plan: bool = True
    is_changed: bool = False
    is_verified: bool | None = None
    changes: int = 1
    is_saved: bool = True


PHASES = {
    "planning": Phase(
        lambda host: _held_up(host, "postconf", "/usr/sbin/postconf"), has_plan=False, is_saved=False
    ),
    "asking": Phase(after="Only 'yes' does: ", options=(), is_saved=False),
    "changing": Phase(_locked, is_changed=True),
    # Only the verification asks it.
    "verifying": Phase(lambda host: _held_up(host, "ss", "/usr/bin/ss"), is_changed=True),
    "between waves": Phase(
        after="Go on with it?", options=("--yes", "--pause"), is_changed=True, is_verified=True
    ),
    # The second host does not verify.
    "taking back": Phase(
        _locked,
        after="wave 2 of 2: verified",
        options=("--yes", "--undo-all"),
        is_verified=True,
        changes=3,
    ),
}


CASES = {
    f"{way}, {name}": (phase, how)
    for way, how in {"Ctrl-C": signal.SIGINT, "kill -9": signal.SIGKILL}.items()
    for name, phase in PHASES.items()
}


@pytest.mark.parametrize(("phase", "how"), CASES.values(), ids=CASES)
def test_an_interruption_leaves_every_host_whole(
    lab: Lab, stock: list[LabHost], tmp_path: Path, phase: Phase, how: signal.Signals
) -> None:
    first, second = stock
    data = data_of(lab)
    before = side_by_side(files, stock)
    plan, left, out = (tmp_path / name for name in ("plan.json", "left.json", "out.json"))
    if phase.has_plan:
        done = smtp_auth("plan", stock, "--out", str(plan), "--waves", "1,100%", data=data)
        assert done.status == 0, (done.output, done.progress)
    which = ("--plan", str(plan)) if phase.has_plan else ()
    options = (*which, "--remaining", str(left), "--json", str(out))
    second.run(RENEWS_NO_MORE)
    with ExitStack() as stack:
        words = stack.enter_context(command_line("rollout", stock, *options, *phase.options, data=data))
        if not phase.after:
            is_held_up = stack.enter_context(phase.holds_up(first))
        terminal = stack.enter_context(in_a_terminal(words, ROOT))
        if phase.after:
            terminal.wait_for(phase.after)
            is_held_up = stack.enter_context(phase.holds_up(first))
        wait_for(lambda: terminal.read() and is_held_up(), f"the phase on {first.name}")
        if "--undo-all" in phase.options:
            # Else it is not known whether the other host is asked before the interruption.
            wait_for(lambda: len(live(second)) == 2, f"the undo on {second.name}")
        _interrupt(terminal, how, first if phase.holds_up is _locked else None)

    side_by_side(lambda host: Faults(host).wait_over(), stock)
    for host, files_before, is_changed in zip(stock, before, (phase.is_changed, False), strict=True):
        assert (files(host) != files_before) is is_changed, terminal.shown
        assert host.run(LEFTOVERS).stdout == ""
    after = files(first)
    if how is signal.SIGINT and live(first):
        # What is known so far was written.
        assert _of_each(out, "outcome", "verified")[first.name] == ("changed", phase.is_verified)

    # Whatever there is leads to the end, in the same run; no host is changed twice.
    second.run(RENEWS)
    assert left.exists() or not phase.is_saved
    again = ("--resume", str(left)) if left.exists() else which
    done = smtp_auth("rollout", stock, *again, "--yes", "--json", str(out), data=data)
    assert done.status == 0, (done.output, done.progress)
    run = _report(out)["run"]
    if phase.has_plan:
        assert run == _report(plan)["run"]
    for host in stock:
        assert len(live(host)) == phase.changes
        assert live(host)[-1] == run
    assert set(_of_each(out, "state", "verified").values()) == {("converged", True)}
    assert not phase.is_changed or files(first) == after


def _interrupt(terminal: Terminal, how: signal.Signals, changing: LabHost | None) -> None:
    """Interrupt the rollout, and wait for its end. + changing: is changing, until it is let go"""
    if how is signal.SIGKILL:
        os.kill(terminal.process.pid, how)
        assert terminal.status() == -how
        return
    terminal.type(CTRL_C)
    if changing:
        terminal.wait_for("under way; no other begins")
        changing.run(f"rm {HELD}")
    assert terminal.status() == 130, terminal.shown
    assert terminal.is_as_before()
