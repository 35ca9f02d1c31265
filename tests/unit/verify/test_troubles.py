"""Which lines of a log are troubles: those of Postfix, and not what clients make it say."""

import pytest

from smtp_auth.verify.inside import is_trouble

IN_A_FILE = (
    "Nov 26 14:08:58 mail1 postfix/smtpd[77]: ",
    "2026-11-26T14:08:58+00:00 mail1 postfix/smtpd[77]: ",
)


@pytest.mark.parametrize("before", ["", *IN_A_FILE])
@pytest.mark.parametrize(
    "message",
    [
        "fatal: no SASL authentication mechanisms",
        "panic: myfree: corrupt or unallocated memory block",
        "warning: /usr/lib/postfix/sbin/smtpd: bad command startup -- throttling",
        "warning: master_spawn: fork: Cannot allocate memory -- throttling",
    ],
)
def test_a_message_of_postfix_is_one(before: str, message: str) -> None:
    assert is_trouble(before + message)


@pytest.mark.parametrize("before", ["", *IN_A_FILE])
@pytest.mark.parametrize(
    "message",
    [
        "improper command pipelining after EHLO from x[192.0.2.1]: panic: x",
        "NOQUEUE: reject: RCPT from x[192.0.2.1]: 554; from=<fatal: x> to=<x>",
        "warning: non-SMTP command from x[192.0.2.1]: /smtpd: bad command startup -- throttling",
        "warning: non-SMTP command from x[192.0.2.1]: master_spawn: fork: x -- throttling",
    ],
)
def test_what_a_client_says_is_none(before: str, message: str) -> None:
    assert not is_trouble(before + message)


@pytest.mark.parametrize("before", IN_A_FILE)
@pytest.mark.parametrize(
    "program", ["postfix/sendmail", "postfix/postdrop", "postmap", "postfix/postfix-script"]
)
def test_what_somebody_did_with_a_command_is_none(before: str, program: str) -> None:
    message = "fatal: root(0): No recipient addresses found in message header"
    assert not is_trouble(before.replace("postfix/smtpd", program) + message)
    # What a client says does not hide what a server has said.
    assert is_trouble(f"{before}fatal: mail1 {program}[77]: {message}")
