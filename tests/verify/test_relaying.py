"""A client without a login cannot relay or smuggle mail, and cannot find out which users exist."""

import pytest

from smtp_auth.verify.conversation import Reply


def test_port_465_relays_nothing_without_login(relaying_465: dict[str, Reply]) -> None:
    accepted = _accepted(relaying_465)
    assert not accepted, (
        f"port 465 relays without a login: {accepted}; $mua_relay_restrictions and the -o options of the "
        "service must end with reject (deploy again)"
    )


def test_port_25_relays_nothing(relaying_25: dict[str, Reply]) -> None:
    accepted = _accepted(relaying_25)
    assert not accepted, (
        f"port 25 relays for this machine: {accepted}; this is an open relay, unless this machine is allowed "
        "to relay: check mynetworks, smtpd_relay_restrictions and smtpd_recipient_restrictions"
    )


def test_port_465_reveals_no_user(users_465: tuple[str, str]) -> None:
    known, unknown = users_465
    assert known == unknown, (
        f"clients without a login can find out which users exist: VRFY answers {known} for an existing user "
        f"and {unknown} for another one. Set disable_vrfy_command = yes, and the service's "
        "smtpd_recipient_restrictions to permit_sasl_authenticated,reject"
    )


def test_port_25_refuses_early_pipelining_as_its_release_does(
    release_defaults: dict[str, str], pipelining_25: str
) -> None:
    if release_defaults.get("smtpd_forbid_unauth_pipelining", "no") == "no":
        pytest.skip("by default, this release of Postfix accepts early pipelining")
    assert pipelining_25, (
        "port 25 accepts commands that a client sends before the answer to EHLO: "
        "set smtpd_forbid_unauth_pipelining = yes"
    )


def test_port_25_refuses_bare_newlines_as_its_release_does(
    release_defaults: dict[str, str], forbids_bare_newlines: bool, bare_newline_25: str
) -> None:
    standard = release_defaults.get("smtpd_forbid_bare_newline", "no")
    advice = f"set smtpd_forbid_bare_newline = {standard} (SMTP smuggling, CVE-2023-51764)"
    assert standard == "no" or forbids_bare_newlines, f"port 25 accepts bare newlines: {advice}"
    # A reply means that the bare newlines ended the message, even if it is refused because of its many hops.
    ends = bare_newline_25.startswith("2") or "hops" in bare_newline_25
    assert not ends, f"port 25 takes bare newlines as the end of a message ({bare_newline_25}): {advice}"


def _accepted(replies: dict[str, Reply]) -> str:
    return "; ".join(f"{way}: {reply}" for way, reply in replies.items() if reply.accepted)
