"""The week after: the last run is taken back, past hosts that are held, edited, changed since, or off."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from subprocess import PIPE, Popen
from typing import Any

import pytest

from lab import LabHost
from tests.fleet.commands import command_line, smtp_auth
from tests.fleet.conftest import FLEET, Several
from tests.fleet.deploying import ROOT, deploy, side_by_side, tree
from tests.fleet.test_in_the_middle import DPKG, HELD, locked
from tests.fleet.test_undo import files, live
from tests.terminal import in_a_terminal

_OWNERS_LINE = "# the owner's own line\n"
_NEW = {"tls_minimum_version": "TLSv1.3"}


@dataclass(frozen=True)
class Fleet:
    """Hosts by what becomes of them.

    + plain: had a part in the last run, and nothing else is known of them; `edited`: somebody has edited them
      since; `held`: somebody holds them; `off`: they are switched off
    + newer: had a part in it, and have a later change on record
    + others: had no part in it
    """

    plain: Sequence[LabHost]
    edited: Sequence[LabHost]
    newer: Sequence[LabHost]
    held: Sequence[LabHost]
    off: Sequence[LabHost] = ()
    others: Sequence[LabHost] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def had_a_part(self) -> list[LabHost]:
        """The hosts of the last run, in the order in which they are changed."""
        return [*self.newer, *self.plain, *self.edited, *self.held, *self.off]

    @property
    def all(self) -> list[LabHost]:
        return [*self.had_a_part, *self.others]


@pytest.fixture
def fleet(several: Several) -> Fleet:
    """Of twelve, each kind with two hosts has both releases."""
    one = several.hosts
    if len(one) == len(FLEET):
        plain, edited, newer, held = one
        return Fleet([plain], [edited], [newer], [held], data=several.data)
    return Fleet(one[:3], one[3:4], one[4:6], one[6:7], one[7:8], one[8:], several.data)


def _done(fleet: Fleet, command: str, hosts: Sequence[LabHost], *options: str, **data: Any) -> str:
    done = smtp_auth(command, hosts, *options, data={**fleet.data, **data})
    assert done.status == 0, (done.output, done.progress)
    return done.output


def _last_run_with_another_in_its_middle(fleet: Fleet) -> None:
    """When the first hosts of a run are done, another run changes them; then the first one goes on."""
    with (
        command_line(
            "apply", fleet.had_a_part, "--yes", "--parallel", "1", data={**fleet.data, **_NEW}
        ) as words,
        locked(fleet.plain[0], DPKG),
        Popen(words, cwd=ROOT, stdout=PIPE, stderr=PIPE, text=True) as process,
    ):
        assert process.stderr
        waited_for = {host.name for host in fleet.newer}
        while waited_for:
            line = process.stderr.readline()
            assert line, "it has ended"
            waited_for.discard(line.partition(": changed")[0])
        _done(fleet, "apply", fleet.newer, "--yes")
        fleet.plain[0].run(f"rm {HELD}")
        output, progress = process.communicate(timeout=900)
        assert process.returncode == 0, (output, progress)


def _edit(host: LabHost) -> None:
    with (host.root / "etc/postfix/main.cf").open("a") as file:
        file.write(_OWNERS_LINE)


def test_the_last_run_is_taken_back_where_it_may_be(fleet: Fleet) -> None:
    _done(fleet, "apply", fleet.all, "--yes")
    before = dict(zip(fleet.all, side_by_side(files, fleet.all), strict=True))
    _last_run_with_another_in_its_middle(fleet)
    (of_the_run,) = {live(host)[-1] for host in (*fleet.plain, *fleet.edited, *fleet.held)}
    for host in fleet.edited:
        _edit(host)
    names = [host.name for host in fleet.held]
    _done(fleet, "hold", fleet.all, *names, "--reason", "Ms. Sato measures here")
    for host in fleet.off:
        host.power_off()
    on = [host for host in fleet.all if host not in fleet.off]
    changes = [*fleet.plain, *fleet.edited]
    others = [host for host in on if host not in changes]
    trees = side_by_side(tree, others)

    with (
        command_line("undo", fleet.all, data=fleet.data) as words,
        in_a_terminal(words, ROOT) as terminal,
    ):
        terminal.wait_for("Only 'yes' does: ")
        said = [line.rstrip() for line in terminal.lines()]
        assert max(map(len, said)) <= 80
        text = " ".join(" ".join(said).split())
        assert f"undo of the last run, {of_the_run} of " in text
        reached = len(fleet.had_a_part) - len(fleet.off)
        assert f"it will be undone on {len(changes)} of its {reached} hosts" in text
        assert f"left alone: {', '.join(host.name for host in fleet.newer)}" in text, text
        assert "Ms. Sato measures here" in text
        terminal.type("yes\n")
        assert terminal.status() == (1 if fleet.off else 0), terminal.shown
    for host in fleet.plain:
        assert files(host) == before[host]
    for host in fleet.edited:
        (host.root / "etc/postfix/main.cf").write_text(
            (host.root / "etc/postfix/main.cf").read_text().removesuffix(_OWNERS_LINE)
        )
        assert files(host) == before[host]
    assert side_by_side(tree, others) == trees

    # What "last" is now has changed, so pyinfra's undo.py says which one it is on each host.
    told = deploy([*fleet.plain, *fleet.newer], "--dry", data=fleet.data, program="undo.py").output
    assert "not the same on all hosts" in told
    assert all(live(host)[-1] in told for host in (*fleet.plain, *fleet.newer))
    # The undo of the undo.
    _done(fleet, "undo", fleet.plain, "--yes")
    assert b"mandatory_protocols = >=TLSv1.3" in (fleet.plain[0].root / "etc/postfix/main.cf").read_bytes()


def test_a_removal_gives_every_byte_back_and_keeps_the_hold(stock: list[LabHost]) -> None:
    fleet = Fleet([], [], [], [])
    before = side_by_side(files, stock)
    _done(fleet, "apply", stock, "--yes")
    held, other = stock
    _done(fleet, "hold", stock, held.name, "--reason", "a migration")
    with command_line("remove", stock) as words, in_a_terminal(words, ROOT) as terminal:
        terminal.wait_for("Type the number of hosts where it closes, 1, to go on: ")
        assert terminal.lines()[0] == "Port 465 will close on 1 host"
        terminal.type("1\n")
        assert terminal.status() == 0, terminal.shown
    assert files(other) == before[1]
    assert files(held) != before[0]
    _done(fleet, "remove", stock, "--yes", even_held=True)
    assert side_by_side(files, stock) == before
    assert "1 held" in _done(fleet, "plan", stock)
