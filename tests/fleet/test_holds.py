"""A host that is held is passed over, by both front ends; a hold ends by the host's own clock."""

import pytest

from lab.host import LabHost
from tests.fleet.commands import command_line, smtp_auth
from tests.fleet.deploying import ROOT, deploy, succeed, typed
from tests.terminal import in_a_terminal

pytestmark = pytest.mark.lab

HOLD = "/var/lib/smtp-auth/hold"
WHY = "a new disk: 100% $HOME"
PORT_465 = "postconf -M | grep -c ^submissions"


def _hold(hosts: list[LabHost], *options: str) -> None:
    done = smtp_auth("hold", hosts, "*", "--reason", WHY, *options)
    assert done.status == 0, done.output + done.progress


def _has_service(host: LabHost) -> bool:
    return host.run(PORT_465, check=False).stdout != "0\n"


def test_a_held_host_is_passed_over_until_it_is_released(stock: list[LabHost]) -> None:
    held, other = stock
    _hold([held])
    # Plan, apply, and pyinfra: the other one has its turn.
    done = smtp_auth("plan", stock)
    assert done.status == 0, done.output + done.progress
    assert "2 hosts: 1 pending, 1 held" in done.output
    assert WHY in done.output
    assert " as root, until somebody releases it: " in " ".join(done.output.split())
    preview = succeed(deploy(stock, "--dry", "--diff"))
    assert any(WHY in line for line in preview.lines_of(held))
    assert "2 hosts: 1 would change, 1 held" in preview.report
    done = smtp_auth("apply", stock, "--yes")
    assert done.status == 0, done.output + done.progress
    assert done.output.rstrip().endswith("2 hosts: 1 changed, 1 held")
    succeed(deploy([held]))
    assert [_has_service(host) for host in stock] == [False, True]
    assert smtp_auth("plan", stock, "--check").status == 0
    # By the host's clock, the end is past.
    held.run(f"sed -i 's/%00$/%002020-01-01T00:00:00Z/' {HOLD}")
    assert smtp_auth("plan", stock, "--check").status == 3
    _hold([held])
    # Somebody overrides it, with a warning; undo and removal heed it, and a removal keeps it.
    done = smtp_auth("apply", [held], "--yes", "--data", "even_held=True")
    assert done.status == 0, done.output + done.progress
    assert "even_held = True overrides this" in done.output
    assert _has_service(held)
    for command in ("undo", "remove"):
        done = smtp_auth(command, [held], "--yes")
        assert done.status == 0, done.output + done.progress
        assert "\n1 host: 1 held\n" in done.output
    for program in ("undo.py", "remove.py"):
        assert "1 host: 1 held" in succeed(deploy([held], program=program)).report
    assert _has_service(held)
    assert smtp_auth("remove", [held], "--yes", "--data", "even_held=True").status == 0
    assert not _has_service(held)
    assert "1 host: 1 held" in smtp_auth("plan", [held]).output
    done = smtp_auth("release", stock, "*")
    assert done.status == 0, done.output + done.progress
    assert f"{held.name}: released; before, it was held since " in done.output
    assert f"{other.name}: not held" in done.output
    assert "1 host: 1 pending" in smtp_auth("plan", [held]).output


def test_a_hold_that_comes_after_the_question_is_heeded(stock: list[LabHost]) -> None:
    _, held = stock
    # pyinfra does not look again: the change itself finds the hold.
    with typed(stock) as terminal:
        terminal.wait_for("y or yes: ")
        _hold([held])
        terminal.type("y\n")
        assert terminal.status() == 1
    assert f"{held.name}  refused: this host is held since " in terminal.shown, terminal.shown
    assert "1 changed, 1 refused" in terminal.shown, terminal.shown
    assert [_has_service(host) for host in stock] == [True, False]
    # Another question, of smtp-auth, which looks again at each host's turn.
    smtp_auth("release", stock, "*")
    with (
        command_line("apply", stock) as words,
        in_a_terminal(words, ROOT) as terminal,
    ):
        terminal.wait_for("Only 'yes' does: ")
        _hold([held])
        terminal.type("yes\n")
        assert terminal.status() == 0
    assert f"{held.name}: held since " in terminal.shown, terminal.shown
    assert not _has_service(held)
