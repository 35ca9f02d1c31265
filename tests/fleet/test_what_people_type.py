"""Answers and interruptions on booted hosts; what needs no host is in tests/unit/test_what_people_type.py."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import Run, deploy, side_by_side, succeed, tree, typed
from tests.fleet.faults import Faults
from tests.terminal import CTRL_C, Terminal

pytestmark = pytest.mark.lab


@contextmanager
def _held_up(lab: Lab) -> Iterator[tuple[Terminal, list[LabHost], list[LabHost]]]:
    """A deploy that changes two hosts at a time: the changes of two wait, and two others have not begun.

    Yields its terminal, and both pairs of hosts.
    """
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    with ExitStack() as stack:
        for host in hosts:
            faults = stack.enter_context(Faults(host))
            stack.enter_context(faults.in_ssh())
            faults.arm_effect(1, "pause", "rename")
        terminal = stack.enter_context(typed(hosts, "--parallel", "2"))
        terminal.wait_for("4 hosts would change.")
        terminal.type("y\n")
        begun: list[LabHost] = []
        while len(begun) < 2:
            begun = [host for host in hosts if Faults(host).is_paused()]
            terminal.read()
        yield terminal, begun, [host for host in hosts if host not in begun]


def test_ctrl_c_waits_for_the_changes_under_way_and_begins_no_other(lab: Lab) -> None:
    with _held_up(lab) as (terminal, begun, others):
        before = {host: tree(host) for host in others}
        terminal.type(CTRL_C)
        terminal.wait_for("waiting for 2 changes under way; no other begins")
        for host in begun:
            Faults(host).go_on()
        run = Run(terminal.status(), terminal.shown)
        assert {host: tree(host) for host in others} == before
    assert run.status == 130, run.output
    assert "4 hosts: 2 changed, 2 not begun" in run.report, run.output
    assert "2 hosts: 2 unchanged" in succeed(deploy(begun)).report


# What undo.py and remove.py ask, and which answer changes the host.
_QUESTIONS = {
    "undo.py": ("y or yes: ", "y\n"),
    "remove.py": ("Type the number of hosts where it closes, 1, to go on: ", "1\n"),
}


def _statuses(host: LabHost, name: str) -> list[int]:
    """Runs of undo.py or remove.py on a host, whose answer is no, and then one whose answer is yes."""
    question, yes = _QUESTIONS[name]
    found = [
        deploy([host], "--dry", program=name).status,
        # Nobody can be asked.
        deploy([host], "--parallel", "1", program=name).status,
    ]
    for answer in ("n\n", "\n", CTRL_C, yes):
        before = tree(host)
        with typed([host], program=name) as terminal:
            terminal.wait_for(question)
            # A question stands below its differences, and below what they mean.
            assert "--> Port 465 will close on 1 host" in terminal.shown, terminal.shown
            assert "-smtpd_sasl_auth_enable = yes" in terminal.shown, terminal.shown
            terminal.type(answer)
            found.append(terminal.status())
        assert (tree(host) == before) == (answer != yes), terminal.shown
    return found


def test_undo_and_removal_have_the_statuses_of_a_deploy(stock: list[LabHost]) -> None:
    for name in ("undo.py", "remove.py"):
        # Nothing is on record, so nobody is asked.
        assert "2 hosts: 2 unchanged" in succeed(deploy(stock, "--parallel", "2", program=name)).report
    succeed(deploy(stock))
    wrong = deploy(stock, "--data", "undo_to=yesterday", "-y", program="undo.py")
    assert (wrong.status, wrong.output.count("undo_to = 'yesterday': give the ID of a change")) == (1, 2)
    programs = dict(zip(stock, ("undo.py", "remove.py"), strict=True))
    found = side_by_side(lambda host: _statuses(host, programs[host]), stock)
    assert found == [[0, 2, 1, 1, 130, 0]] * 2


def test_a_second_ctrl_c_leaves_them_to_their_hosts(lab: Lab) -> None:
    with _held_up(lab) as (terminal, begun, _others):
        terminal.type(CTRL_C)
        terminal.wait_for("Interrupt again to quit")
        terminal.type(CTRL_C)
        # Its changes have not gone on yet.
        run = Run(terminal.status(), terminal.shown)
        for host in begun:
            Faults(host).go_on()
            Faults(host).wait_over()
    assert run.status == 130, run.output
    assert "4 hosts: 2 not begun, 2 not waited for" in run.report, run.output
    assert "2 hosts: 2 unchanged" in succeed(deploy(begun)).report
