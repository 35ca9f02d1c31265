"""The exit statuses of pyinfra's runs and of `smtp-auth`. It imports nothing that takes time."""

from enum import IntEnum


class Status(IntEnum):
    """The exit statuses, except that of success."""

    TROUBLE = 1
    # argparse, click and pytest use the same for a wrong command line.
    MISTAKE = 2
    # Only of `smtp-auth plan --check`: nothing is wrong, and something would change.
    PENDING = 3
    # With which a shell reports a program that Ctrl-C has stopped.
    INTERRUPTED = 130


def how_ended(status: int) -> str:
    """How a process has ended, for people. + status: as in `subprocess`: that of a signal is negative"""
    return f"status {status}" if status >= 0 else f"signal {-status}"
