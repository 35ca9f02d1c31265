"""A client that has not logged in can relay nothing, learn nothing, and smuggle nothing."""

import pytest

from tests.verify.conftest import See
from tests.verify.conversation import Reply
from tests.verify.inside import forbids_bare_newlines, release_defaults
from tests.verify.outside import bare_newline_25, pipelining_25, relaying_25, relaying_465, users_465


def test_port_465_relays_nothing_without_login(see: See) -> None:
    accepted = _accepted(see(relaying_465))
    assert not accepted, (
        f"port 465 relays without a login: {accepted}; $mua_relay_restrictions and the -o options of the "
        "service must end in reject (deploy again)"
    )


def test_port_25_relays_nothing(see: See) -> None:
    accepted = _accepted(see(relaying_25))
    assert not accepted, (
        f"port 25 relays for this machine: {accepted}; that is an open relay, unless this machine may relay: "
        "look at mynetworks, smtpd_relay_restrictions and smtpd_recipient_restrictions"
    )


def test_port_465_gives_no_user_away(see: See) -> None:
    known, unknown = see(users_465)
    assert known == unknown, (
        f"VRFY answers for a user ({known}) in another way than for nobody ({unknown}): set "
        "disable_vrfy_command = yes, and smtpd_recipient_restrictions of the service to "
        "permit_sasl_authenticated,reject"
    )


def test_port_25_refuses_hasty_pipelining_as_its_release_does(see: See) -> None:
    if see(release_defaults).get("smtpd_forbid_unauth_pipelining", "no") == "no":
        pytest.skip("by default, this release of Postfix accepts it")
    answer = see(pipelining_25)
    assert answer, "commands are taken before EHLO is answered: set smtpd_forbid_unauth_pipelining = yes"


def test_port_25_refuses_bare_newlines_as_its_release_does(see: See) -> None:
    standard = see(release_defaults).get("smtpd_forbid_bare_newline", "no")
    advice = f"set smtpd_forbid_bare_newline = {standard} (SMTP smuggling, CVE-2023-51764)"
    assert standard == "no" or see(forbids_bare_newlines), f"bare newlines end a message: {advice}"
    answer = see(bare_newline_25)
    assert not answer.startswith("2"), f"a message that ends in bare newlines is taken ({answer}): {advice}"


def _accepted(replies: dict[str, Reply]) -> str:
    return "; ".join(f"{way}: {reply}" for way, reply in replies.items() if reply.accepted)
