"""Why a host runs no program of ours, from what its login shell, sshd, sudo or su say about it.

Their messages are those of the C locale, in which sudo and su are called. Each sentence says what to do.
"""

import re
from collections.abc import Iterable, Iterator

_START_UP_FILE = "a start-up file of the login shell (~/.bashrc, ~/.cshrc, config.fish)"

# Lines that say nothing about why: a login shell, sudo, su or perl writes them, and continues.
_NOISE = re.compile(
    r"setlocale|unable to resolve host|Inappropriate ioctl for device|no job control"
    r"|(?:password for \S+|Password): ?$"
    r"|^perl: warning: |^\s*(?:LANG(?:UAGE)?|LC_\w+) = |^ *are supported and installed on your system"
)

_PROGRAMS = "(env|sh|sudo|su|doas|dzdo|perl)"

_BY_A_PROGRAM = re.compile(r"^(sudo|su|doas|dzdo)(?:-rs)?: ", re.MULTILINE)

_PASSWORD_REQUIRED = re.compile(r"sudo(?:-rs)?: .*(?:password|authentication) is required")

# As dash, bash, zsh, fish and csh say it.
_NOT_FOUND = re.compile(
    rf"(?:^|: ){_PROGRAMS}: (?:(?:command )?not found|Command not found|No such file)"
    rf"|(?:Unknown command:?|command not found:) '?{_PROGRAMS}\b",
    re.MULTILINE,
)


# How many characters of a line are read, and how many lines at the start and at the end: these programs write
# a few short ones.
_LONGEST, _MOST = 1_000, 100


def without_noise(lines: Iterable[str]) -> list[str]:
    """The lines on standard error that may say why a command failed, of many lines the first and the last."""
    every = [*lines]
    read = every if len(every) <= 2 * _MOST else [*every[:_MOST], *every[-_MOST:]]
    cut = (line[:_LONGEST] for line in read)
    return [line.strip() for line in cut if line.strip() and not _NOISE.search(line)]


def causes(said: str) -> Iterator[str]:
    """The known causes, a sentence each; the first fits best.

    + said: what the host printed on standard output and standard error
    """
    yield from _of_sudo(said)
    yield from _of_su(said)
    yield from _of_the_account(said)
    yield from _of_programs(said)


def needs_password(said: str) -> bool:
    """Whether sudo would have asked for a password, and was not allowed to. + said: as for `causes`"""
    return bool(_PASSWORD_REQUIRED.search(said))


def not_begun(printed: Iterable[str], complaints: Iterable[str]) -> str:
    """Why a command did not begin.

    + printed, complaints: what the host printed instead, on standard output and on standard error
    """
    said = [*without_noise(printed), *without_noise(complaints)]
    known = next(causes("\n".join(said)), None)
    if known is not None:
        return known
    words = "; ".join(said)[-300:]
    refused = _BY_A_PROGRAM.search("\n".join(said))
    if refused:
        return (
            f"{refused[1]} on this host does not run the command: correct what it says, or set ssh_user to "
            f"'root'. It said: {words}"
        )
    if said:
        return (
            "the host did not run the command; sshd may have a forced command for this account, or its login "
            f"shell is none: let it run commands, or set ssh_user to another one. The host said: {words}"
        )
    return (
        f"the host ended the session before the command began, and said nothing; {_START_UP_FILE} may end "
        "it: 'ssh HOST echo works' shows whether it does"
    )


def _of_sudo(said: str) -> Iterator[str]:
    if "must have a tty" in said:
        yield (
            "sudo on this host needs a terminal (requiretty), and this program has none: write "
            "'Defaults:ACCOUNT !requiretty' with visudo there, or set ssh_user to 'root'"
        )
    if re.search(r"not in the sudoers file|not allowed to (?:execute|run)|may not run sudo", said):
        yield (
            "sudo on this host does not let the account run every command as root: allow it with visudo "
            "there, or set ssh_user to 'root'"
        )
    if re.search(r"incorrect (?:password|authentication) attempt|Sorry, try again", said):
        yield "sudo on this host does not accept the password: correct _sudo_password"
    if "no password was provided" in said:
        yield (
            "sudo on this host asks for something else than one password: write "
            "'ACCOUNT ALL=(ALL) NOPASSWD: ALL' with visudo there, or set ssh_user to 'root'"
        )
    elif needs_password(said):
        yield (
            "sudo on this host asks for a password, and none is set: write "
            "'ACCOUNT ALL=(ALL) NOPASSWD: ALL' with visudo there, or set _sudo_password"
        )


def _of_su(said: str) -> Iterator[str]:
    if re.search(r"su: (?:Authentication failure|incorrect password|Authentication token)", said):
        yield (
            "su on this host asks for a password, and this program sends none to it: use _sudo for this "
            "host, or set ssh_user to 'root'"
        )
    if re.search(r"doas: (?:Authorization|Authentication) (?:required|failed)", said):
        yield (
            "doas on this host asks for a password, and this program sends none to it: write 'permit nopass "
            "ACCOUNT' in /etc/doas.conf there, or set ssh_user to 'root'"
        )
    if re.search(r"su: (?:Permission denied|must be run from a terminal)", said):
        yield (
            "su on this host does not let the account become another one: allow it in /etc/pam.d/su there, "
            "or set ssh_user to 'root'"
        )


def _of_the_account(said: str) -> Iterator[str]:
    if re.search(r"[Pp]assword change required|(?:password|account) has expired", said):
        yield (
            "the account or its password has expired on this host: log in once with ssh to change the "
            "password, or extend the account with chage there"
        )
    if "account is currently not available" in said:
        yield (
            "the account's login shell on this host is nologin: give it another one with usermod --shell, or "
            "set ssh_user to another account"
        )


def _of_programs(said: str) -> Iterator[str]:
    if "No Perl script found in input" in said:
        yield (
            f"{_START_UP_FILE} on this host reads the program that is sent on standard input: let it read "
            "only if the shell is interactive"
        )
    missing = _NOT_FOUND.search(said)
    if missing:
        program = missing[1] or missing[2]
        yield (
            f"the program {program} is not found on this host: install the package that contains it, or "
            f"correct the PATH, which {_START_UP_FILE} may set"
        )
