"""Dovecot's listener in Postfix's spool, planned on looks at real hosts."""

from dataclasses import replace

import pytest

from operations.dovecot_auth_listener import STEP
from smtp_auth.facts.look import Look, Socket
from smtp_auth.plan.plan import Reload
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.dovecot.listener import DROPIN as FILE
from smtp_auth.services.dovecot.listener import WANTED
from tests.unit.scenarios import RELEASES, Part, stock, wanted, with_file

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
    part = Part(stock(version), wanted(), STEP)
    assert part.shown == [
        "/etc/dovecot/conf.d/99-postfix-smtp-auth.conf",
        *(f"+{line}" for line in DROPIN.splitlines()),
        "+mode 0644",
        "+reload Dovecot: its configuration changes",
    ]


@pytest.mark.parametrize("version", RELEASES)
def test_a_listener_that_is_as_wanted_is_left_alone(version: str) -> None:
    part = Part(served(stock(version)), wanted(), STEP)
    assert (part.plan.is_empty, part.shown) == (True, [])


@pytest.mark.parametrize(
    "found",
    [
        None,
        Socket("0666", "postfix", "postfix"),
        Socket("0600", "", ""),
        Socket("0600", "root", "postfix"),
        Socket("0660", "postfix", "mail"),
        Socket("0660", "root", "postfix"),
        Socket("0622", "postfix", "postfix"),
    ],
)
def test_any_other_listener_is_tightened(found: Socket | None) -> None:
    look = replace(stock("3.7.11"), listener=found)
    assert Part(look, wanted(), STEP).content(FILE) == DROPIN


ALONE = [
    Socket("0600", "postfix", ""),
    Socket("0600", "postfix", "mail"),
    Socket("0640", "postfix", "mail"),
    Socket("0620", "postfix", "postfix"),
    Socket("0660", "postfix", "postfix"),
]


@pytest.mark.parametrize("found", ALONE)
def test_an_owners_listener_for_postfix_alone_is_served(found: Socket) -> None:
    on_disk = replace(found, group=found.group or "root")
    part = Part(replace(stock("3.7.11"), listener=found, socket=on_disk), wanted(), STEP)
    assert (part.plan.is_empty, part.plan.proof.listener) == (True, found)
    # It may overrule our own.
    look = with_file(replace(stock("3.7.11"), listener=found), FILE, content=DROPIN, mode="0644")
    assert obstacles(look) == []
    part = Part(replace(look, socket=None), wanted(), STEP)
    assert part.shown == ["+reload Dovecot: its socket differs from its configuration"]


@pytest.mark.parametrize("mode", ["0620", "0660"])
def test_a_group_with_other_members_is_not_postfix_alone(mode: str) -> None:
    found = Socket(mode, "postfix", "postfix")
    look = replace(stock("3.7.11"), listener=found, socket=found, listener_others=("carol",))
    assert Part(look, wanted(), STEP).content(FILE) == DROPIN


def test_the_drop_in_uses_the_owners_name_of_the_socket() -> None:
    name = "../../var/spool/postfix/private/auth"
    look = replace(stock("3.7.11"), listener=Socket("0666", "", ""), listener_names=(name,))
    assert Part(look, wanted(), STEP).content(FILE) == DROPIN.replace("/var/spool/postfix/private/auth", name)


def test_the_socket_is_in_the_hosts_own_spool() -> None:
    look = stock("3.10.5")
    look = replace(look, parameters={**look.parameters, "queue_directory": "/srv/spool"})
    assert "unix_listener /srv/spool/private/auth {" in Part(look, wanted(), STEP).content(FILE)


def obstacles(look: Look) -> list[str]:
    return list(STEP.obstacles(wanted(), look))


def test_a_drop_in_that_something_overrules_is_no_success() -> None:
    look = with_file(
        replace(stock("3.7.11"), listener=Socket("0666", "", "")), FILE, content=DROPIN, mode="0644"
    )
    assert Part(look, wanted(), STEP).plan.edits == ()
    [said] = obstacles(look)
    assert said.startswith(f"a setting that Dovecot reads after {look.files[FILE.key].path} overrules it")
    assert said.endswith("delete that setting")
    [said] = obstacles(replace(look, listener_places=("/etc/dovecot/local.conf:3", "/x:4")))
    assert said.endswith("delete that setting (/etc/dovecot/local.conf:3, /x:4)")
    assert obstacles(replace(look, listener=WANTED)) == []
    assert obstacles(stock("3.7.11")) == []


@pytest.mark.parametrize(
    "socket", [None, Socket("0666", "postfix", "postfix"), Socket("0600", "root", "root")]
)
def test_a_reload_is_due_where_the_socket_is_another_one(socket: Socket | None) -> None:
    look = replace(served(stock("3.7.11")), socket=socket)
    part = Part(look, wanted(), STEP)
    assert part.shown == ["+reload Dovecot: its socket differs from its configuration"]


def test_what_an_earlier_change_left_is_a_reason() -> None:
    look = replace(served(stock("3.7.11")), leftovers=("/etc/dovecot/conf.d/.x.smtp-auth-new~",))
    plan = Part(look, wanted(), STEP).plan
    assert plan.reloads == (Reload(DOVECOT, ("an earlier change was interrupted",), changes=False),)
    look = replace(look, leftovers=("/etc/postfix/.main.cf.smtp-auth-new~",))
    assert DOVECOT not in [reload.service for reload in Part(look, wanted(), STEP).plan.reloads]


def test_two_listeners_for_one_socket_are_refused() -> None:
    names = ("/var/spool/postfix/private/auth", "/var/spool/postfix//private/auth")
    look = replace(
        served(stock("3.7.11")), listener_names=names, listener_places=("/etc/dovecot/local.conf:2",)
    )
    assert obstacles(look) == [
        "Dovecot's configuration has several listeners for the socket /var/spool/postfix/private/auth "
        f"({', '.join(names)}), and Dovecot does not start with them: delete all but one "
        "(/etc/dovecot/local.conf:2)"
    ]
