"""What a user who logs in gets (--mailbox)."""

from collections.abc import Callable

import pytest

from smtp_auth.facts.look import Look
from smtp_auth.verify.mailbox import Delivery, Sent
from smtp_auth.verify.target import Unseen


def test_login_succeeds_with_each_offered_mechanism(logins: dict[str, str]) -> None:
    assert logins, "this check knows none of the offered mechanisms (only PLAIN, LOGIN and CRAM-MD5)"
    refused = {mechanism: reply for mechanism, reply in logins.items() if not reply.startswith("235 ")}
    assert not refused, f"the login is refused: {refused}; check the password; Dovecot's log shows the reason"


def test_a_message_is_accepted(sent: Sent) -> None:
    assert sent.reply.accepted, f"the message to the mailbox itself is refused: {sent.reply}"


def test_the_message_arrives(delivery: Delivery, record_property: Callable[[str, object], None]) -> None:
    record_property("delivery", delivery.seconds)
    assert delivery.headers, (
        f"the message was accepted, but is not in the mailbox after {delivery.seconds:.0f} s"
        f"{f' ({delivery.problem})' if delivery.problem else ''}: mailq and the host's log show where it is"
    )


def test_the_message_does_not_show_the_clients_address(look: Look, sent: Sent, delivery: Delivery) -> None:
    if "smtpd_hide_client_session" not in look.parameters:
        pytest.skip(
            f"Postfix {look.postfix_version} cannot hide the address (smtpd_hide_client_session needs 3.10)"
        )
    if not delivery.headers:
        raise Unseen("the message did not arrive", "the message arrives")
    assert sent.client not in delivery.headers, (
        f"the Received header shows {sent.client}: -o smtpd_hide_client_session=yes is missing in "
        f"master.cf:\n{delivery.headers}"
    )
