"""What a user who logs in gets (--mailbox)."""

from typing import Any

import pytest

from tests.verify.conftest import See
from tests.verify.inside import look
from tests.verify.mailbox import logins, received, sent


def test_login_succeeds_with_each_offered_mechanism(see: See) -> None:
    found: dict[str, Any] = see(logins)
    assert found, "none of the offered mechanisms can be tried here (only PLAIN, LOGIN and CRAM-MD5 can)"
    refused = {mechanism: reply for mechanism, reply in found.items() if not reply.startswith("235 ")}
    assert not refused, f"the login is refused: {refused}: is the password right? Dovecot's log says why"


def test_a_message_is_accepted(see: See) -> None:
    reply = see(sent).reply
    assert reply.accepted, f"the message to the mailbox itself is refused: {reply}"


def test_the_message_does_not_show_the_clients_address(see: See) -> None:
    if "smtpd_hide_client_session" not in see(look).parameters:
        pytest.skip(f"Postfix {see(look).postfix_version} cannot hide it (smtpd_hide_client_session, 3.10)")
    headers, client = see(received), see(sent).client
    assert client not in headers, (
        f"Received shows {client}: -o smtpd_hide_client_session=yes is missing in master.cf:\n{headers}"
    )
