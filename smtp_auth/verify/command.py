"""`smtp-auth verify`: runs the checks of tests/verify for hosts, and shows what they found."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass

from gevent.event import Event

from smtp_auth.fleet.chosen import Chosen
from smtp_auth.fleet.console import Line, show_beside, show_results, width_of
from smtp_auth.fleet.own_files import deploy_files
from smtp_auth.plan.step import Step
from smtp_auth.runs.interruption import is_interrupted, leave_if_interrupted
from smtp_auth.runs.status import Status
from smtp_auth.verify import fixtures
from smtp_auth.verify.checks import Checks
from smtp_auth.verify.fleet import targets
from smtp_auth.verify.looking import look_at
from smtp_auth.verify.outputs import Output
from smtp_auth.verify.password import mailbox_of
from smtp_auth.verify.report import counts_line, table
from smtp_auth.verify.running import Run, run
from smtp_auth.verify.target import Observer, Target


@dataclass(frozen=True)
class Wishes:
    """How to verify.

    + login: the user to log in as, if any
    + password: theirs, if it was in the environment
    + outputs: what is written beside the table
    + is_verbose: whether every check and every host is shown, and how long each took
    + for_pytest: options of pytest
    + heeds_interruptions: whether an interruption shows what is known so far
    + doing: what is shown as progress
    """

    login: str | None
    password: str
    outputs: Sequence[Output]
    is_verbose: bool
    for_pytest: Sequence[str]
    heeds_interruptions: bool = True
    doing: str = "looked at"


def verify(chosen: Chosen, steps: Sequence[Step], wishes: Wishes) -> int:
    """Run the checks for the hosts, and show what they found.

    + steps: those of the deploy, in their order

    Returns the exit status. Raises `Mistake` if there is no password, or pytest does not take its options.
    """
    checks, done = checked(chosen, steps, wishes)
    if done.shows_itself:
        why = "nothing was written, because an option behind -- lets pytest show something else"
        show_beside(Line(f"{output.target.option}: {why}", under=4) for output in wishes.outputs)
        return 0 if done.is_well and not wishes.outputs else Status.TROUBLE
    outcomes = checks.outcomes
    if not any(output.target.is_standard_output for output in wishes.outputs):
        lines = table(outcomes, width_of(sys.stdout), everything=wishes.is_verbose)
        show_results([*lines, counts_line(outcomes, len(chosen.hosts))])
    # A program would take what is known so far for all there is.
    outputs = [] if is_interrupted() else wishes.outputs
    names = [host.name for host in chosen.hosts]
    are_written = [output.write(outcomes, names) for output in outputs]
    leave_if_interrupted()
    return 0 if done.is_well and all(are_written) else Status.TROUBLE


def checked(chosen: Chosen, steps: Sequence[Step], wishes: Wishes) -> tuple[Checks, Run]:
    """Run the checks for the hosts, with progress on standard error.

    + steps: those of the deploy, in their order
    + wishes: of these, `outputs` are left to the caller

    Returns the checks with their outcomes, and what became of pytest. Raises as `verify`.
    """
    hosts = targets(chosen.hosts, steps, mailbox_of(wishes.login, wishes.password))
    stderr, stopped = sys.stderr, Event() if wishes.heeds_interruptions else None

    def look(looks: Mapping[Target, Sequence[Observer]]) -> Sequence[Target]:
        # What pytest itself writes there is kept from people.
        with redirect_stderr(stderr):
            return look_at(looks, chosen.at_once, wishes.doing, is_verbose=wishes.is_verbose, stopped=stopped)

    checks = Checks(hosts, steps, look, logs_in=wishes.login is not None)
    return checks, run(deploy_files() / "tests" / "verify", [checks, fixtures], wishes.for_pytest)
