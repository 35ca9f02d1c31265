"""The mailbox to log in to: its password is in the environment, or is asked for."""

import getpass
import os
from pathlib import Path

from smtp_auth.runs.mistakes import Mistake
from smtp_auth.verify.secret import hide
from smtp_auth.verify.target import Mailbox

_VARIABLE = "VERIFY_PASSWORD"


def taken_from_environment() -> str:
    """The password in the environment, in which nothing else finds it from now on; empty if there is none."""
    return os.environ.pop(_VARIABLE, "")


def mailbox_of(login: str | None, given: str) -> Mailbox | None:
    """The mailbox of a login, if there is one. No report shows its password from now on.

    + given: the password, if it was in the environment; otherwise it is asked for

    Raises `Mistake` if the login is empty, or there is no password.
    """
    if login is None:
        return None
    if not login:
        # A script's variable is empty, perhaps: without a login, all of it would seem to work.
        raise Mistake("--mailbox: the login is empty")
    try:
        password = given or _asked(login)
        hide(password)
    except UnicodeError:
        raise Mistake(f"the password of {login} is not UTF-8") from None
    return Mailbox(login, password)


def _asked(login: str) -> str:
    try:
        # getpass would read standard input, and show what is typed, if there is none.
        Path("/dev/tty").open("r+b", buffering=0).close()
    except OSError:
        raise Mistake(
            f"nobody can be asked for the password of {login}: there is no terminal. Set {_VARIABLE}"
        ) from None
    try:
        return getpass.getpass(f"Password of {login}: ")
    except EOFError:
        raise Mistake(f"no password of {login} was given") from None
