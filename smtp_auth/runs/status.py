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
