"""Dovecot's listener in Postfix's spool, planned on looks at real hosts."""

from dataclasses import replace

import pytest

from facts.mail_host import File, Look, Socket
from operations import dovecot_auth_listener
from operations.dovecot_auth_listener import WANTED, desired_dropin, overruled, pending
from operations.readiness import obstacles
from tests.unit.scenarios import RELEASES, Plan, stock, wanted

DROPIN = """\
# Postfix asks Dovecot who may send, through this socket in its spool. Managed: changes are lost.
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0600
    user = postfix
    group = postfix
  }
}
"""


def served(look: Look) -> Look:
    """The host with the listener as wanted, in Dovecot's configuration and on the disk."""
    return replace(look, listener=WANTED, socket=WANTED)


@pytest.mark.parametrize("version", RELEASES)
def test_a_stock_host_gets_the_drop_in(version: str) -> None:
    step = Plan(stock(version), wanted()).do(dovecot_auth_listener.listener)
    assert step.shown == [
        "/etc/dovecot/conf.d/99-postfix-smtp-auth.conf",
        *(f"+{line}" for line in DROPIN.splitlines()),
        "+reload Dovecot: its configuration changes",
    ]
    assert len(step.scripts) == 1


@pytest.mark.parametrize("version", RELEASES)
def test_a_listener_that_is_as_wanted_is_left_alone(version: str) -> None:
    step = Plan(served(stock(version)), wanted()).do(dovecot_auth_listener.listener)
    assert (step.noop, step.shown, step.commands) == (
        "Dovecot listens in Postfix's spool for Postfix alone",
        [],
        [],
    )


@pytest.mark.parametrize(
    "found",
    [
        None,
        Socket("0666", "postfix", "postfix"),
        Socket("0600", "", ""),
        Socket("0600", "root", "postfix"),
        Socket("0660", "postfix", "postfix"),
    ],
)
def test_any_other_listener_is_tightened(found: Socket | None) -> None:
    look = replace(stock("3.7.11"), listener=found)
    assert desired_dropin(look) == DROPIN


def test_the_socket_is_in_the_hosts_own_spool() -> None:
    look = stock("3.10.5")
    look = replace(look, parameters={**look.parameters, "queue_directory": "/srv/spool"})
    assert "unix_listener /srv/spool/private/auth {" in (desired_dropin(look) or "")


def test_a_drop_in_that_something_overrules_is_no_success() -> None:
    look = stock("3.7.11")
    look = replace(look, listener=Socket("0666", "", ""), dropin=File(look.dropin.path, DROPIN))
    assert desired_dropin(look) is None
    assert overruled(look)
    [said] = obstacles(wanted(), look)
    assert said.startswith(f"something that Dovecot reads after {look.dropin.path} overrules it")
    assert not overruled(replace(look, listener=WANTED))
    assert not overruled(stock("3.7.11"))


@pytest.mark.parametrize(
    "socket", [None, Socket("0666", "postfix", "postfix"), Socket("0600", "root", "root")]
)
def test_a_reload_is_due_where_the_socket_is_another_one(socket: Socket | None) -> None:
    look = replace(served(stock("3.7.11")), socket=socket)
    step = Plan(look, wanted()).do(dovecot_auth_listener.listener)
    assert step.shown == ["+reload Dovecot: its socket is not yet what its configuration says"]
    assert len(step.scripts) == 1


def test_what_an_earlier_change_left_is_a_reason() -> None:
    look = replace(served(stock("3.7.11")), leftovers=("/etc/dovecot/conf.d/.x.smtp-auth-new~",))
    assert pending(look) == ["an earlier change was cut short"]
    assert pending(replace(look, leftovers=("/etc/postfix/.main.cf.smtp-auth-new~",))) == []
