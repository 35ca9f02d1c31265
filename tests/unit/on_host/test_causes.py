"""What a host says instead of running a program becomes a sentence that says what to do."""

import pytest

from smtp_auth.on_host.causes import causes, not_begun, without_noise

# As the programs of Debian 12 and 13 say it.
CAUSES = {
    "sudo: sorry, you must have a tty to run sudo": "needs a terminal (requiretty)",
    "admin is not in the sudoers file.": "does not let the account run every command",
    "Sorry, user admin is not allowed to execute '/usr/bin/sh -c x' as root on mail.": "run every command",
    "Sorry, user admin may not run sudo on mail.": "does not let the account run every command",
    "sudo: a password is required": "asks for a password, and none is set: write",
    "sudo-rs: interactive authentication is required": "asks for a password, and none is set",
    "Sorry, try again.\nsudo: no password was provided": "correct _sudo_password",
    "sudo: 3 incorrect password attempts": "correct _sudo_password",
    "Code: sudo: no password was provided\nsudo: a password is required": "something else than one password",
    "Password: su: Authentication failure": "su on this host asks for a password, and this program sends",
    "doas: Authentication required": "doas on this host asks for a password, and this program sends",
    "su: Permission denied": "/etc/pam.d/su",
    "Password change required but no TTY available.": "has expired on this host",
    "Your account has expired; please contact your system administrator.": "has expired on this host",
    "This account is currently not available.": "is nologin: give it another one with usermod --shell",
    "No Perl script found in input": "reads the program that is sent on standard input",
    "bash: line 1: sh: command not found": "the program sh is not found",
    "sh: 1: perl: not found": "the program perl is not found",
    "env: Command not found.": "the program env is not found",
    "fish: Unknown command: sudo": "the program sudo is not found",
    "zsh:1: command not found: su": "the program su is not found",
}


@pytest.mark.parametrize("said", CAUSES)
def test_what_is_known_is_a_cause(said: str) -> None:
    assert CAUSES[said] in next(causes(f"Welcome.\n{said}\nGood bye."))
    assert CAUSES[said] in not_begun([], [said])
    assert CAUSES[said] in not_begun([said], [])


@pytest.mark.parametrize(
    "said",
    [
        "sudo: /etc/sudoers is world writable",
        "sudo: unknown user: nobody2",
        "su: user root2 does not exist or the user entry does not contain all the required fields",
        "doas: Operation not permitted",
    ],
)
def test_who_refuses_is_named(said: str) -> None:
    why = not_begun([], [said])
    assert why.startswith(f"{said.partition(':')[0]} on this host does not run the command")
    assert why.endswith(f"It said: {said}")


def test_what_is_not_known_is_quoted() -> None:
    assert not_begun(["Log in as admin"], ["bye"]).endswith("The host said: Log in as admin; bye")
    assert not_begun(["x" * 1000], []).endswith(f"said: {'x' * 300}")


def test_who_says_nothing_may_have_ended_the_session() -> None:
    assert "said nothing" in not_begun([""], ["[sudo] password for admin: "])


def test_what_every_login_says_is_no_reason() -> None:
    noise = (
        "bash: warning: setlocale: LC_ALL: cannot change locale (de_DE.UTF-8)",
        "sudo: unable to resolve host mail: Name or service not known",
        "stty: 'standard input': Inappropriate ioctl for device",
        "[sudo] password for admin: ",
        "Password: ",
        "perl: warning: Please check that your locale settings:",
        "\tLC_ALL = (unset),",
        '\tLANG = "de_DE.UTF-8"',
        "    are supported and installed on your system.",
        "",
    )
    assert without_noise((*noise, " a reason ")) == ["a reason"]
