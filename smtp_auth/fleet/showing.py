"""Where people read what a command shows, if a program reads its results, too."""

import os
import stat
import sys
from collections.abc import Iterable

from smtp_auth.fleet.console import Line, show_beside, show_results
from smtp_auth.fleet.written import Target


def show_to_people(lines: Iterable[Line], target: Target | None, *, to_be_answered: bool = False) -> None:
    """Show lines: on standard error if standard output gets JSON.

    + target: where the JSON is written, if it is wanted
    + to_be_answered: whether who is asked must have seen them, even if the results are written to a file
    """
    shown = [*lines]
    has_json = target is not None and target.is_standard_output
    if has_json or (to_be_answered and stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode)):
        show_beside(shown)
    if not has_json:
        show_results(shown)
