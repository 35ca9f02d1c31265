"""To ask a host: what it looks like, what is on its record, and what its own programs say of a plan.

The functions take a channel and values, and give values. They change nothing on the host.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from smtp_auth.facts.look import Look, ManagedFile
from smtp_auth.facts.look import parse as parse_look
from smtp_auth.facts.record import Record
from smtp_auth.facts.record import parse as parse_record
from smtp_auth.facts.rehearsal import Rehearsed
from smtp_auth.facts.rehearsal import parse as parse_rehearsal
from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer
from smtp_auth.on_host.instructions import RECORD
from smtp_auth.on_host.programs import history_program, look_program, rehearsal_program
from smtp_auth.past.removal import plan_of_removal
from smtp_auth.past.undo import plan_of_undo
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.step import Step, files_managed, parameters_asked
from smtp_auth.services.dovecot.listener import AUTH_LISTENER
from smtp_auth.settings import Settings

Found = TypeVar("Found")

LIMITS = Limits()

_NOT_REHEARSED = Rehearsed()

# The rehearsal runs in a mount namespace of its own (unshare(1)), with an overlay over each directory that
# gets a file: it takes no lock and leaves nothing. Without the right to unshare, the second program reads
# standard input: the first has not touched it.
_REHEARSE = "unshare --mount --propagation private perl - rehearse private 2>/dev/null || perl - rehearse"


class NothingOnRecord(Exception):
    """There is nothing to undo or to remove, and the host stays as it is. `str()` of it says so."""


class NotOnRecord(Exception):
    """What is to be undone is no longer on record: the host is refused. `str()` of it says why."""


@dataclass(frozen=True)
class Asked:
    """All that is known of a host before anything happens to it.

    + plan: one of refusals if the host is refused
    + rehearsed: what the host's own programs say of the plan; empty if they were not asked
    """

    settings: Settings
    look: Look
    plan: Plan
    rehearsed: Rehearsed = _NOT_REHEARSED

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why nothing can happen to the host, one sentence per reason."""
        return (*self.plan.refusals, *self.rehearsed.refused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an administrator should know beforehand, one sentence per thing."""
        return (*self.plan.warnings, *self.rehearsed.warnings)


def ask(
    channel: Channel,
    settings: Settings,
    steps: Sequence[Step],
    *,
    rehearsing: bool = True,
    limits: Limits = LIMITS,
) -> Asked:
    """Look at a host, make the plan of a deploy, and rehearse it.

    + steps: those of the deploy, in their order
    + rehearsing: whether the host's own programs are asked about a plan with anything to do
    + limits: of each answer

    Raises `NoAnswer` if the host does not answer.
    """
    look = look_at(channel, settings, steps, limits=limits)
    return _asked(channel, settings, look, plan_of(settings, look, steps), rehearsing, limits)


def ask_to_undo(
    channel: Channel,
    steps: Sequence[Step],
    undo_to: str | None = None,
    *,
    rehearsing: bool = True,
    limits: Limits = LIMITS,
) -> Asked:
    """Read a host's record, look at the host, make the plan of an undo, and rehearse it.

    The settings are those of the change that is undone: the present data may no longer be valid.

    + steps, rehearsing, limits: as for `ask`
    + undo_to: the ID of the first of the changes that are undone; `None`: the last live one alone

    Raises `NoAnswer` if the host does not answer, `NothingOnRecord` or `NotOnRecord` if the record has no
    such change.
    """
    record = read_record(channel, files=undo_to or "last", baseline=True, limits=limits)
    if record.has_gap:
        raise NotOnRecord(
            f"undo_to = {undo_to}: the record of this host, which keeps twenty changes, does not go back "
            "that far: give a later ID, or take all back with remove.py"
        )
    if undo_to is None:
        changes = record.live[-1:]
    else:
        changes = tuple(change for change in record.live if change.before or change.after)
    if not changes:
        raise NothingOnRecord("nothing is on record that could be undone")
    settings = changes[-1].settings
    look = look_at(channel, settings, steps, limits=limits)
    plan = plan_of_undo(changes, settings, look, steps, record.baseline)
    return _asked(channel, settings, look, plan, rehearsing, limits)


def ask_to_remove(
    channel: Channel, steps: Sequence[Step], *, rehearsing: bool = True, limits: Limits = LIMITS
) -> Asked:
    """Read a host's record, look at the host, make the plan of a removal, and rehearse it.

    The settings are those of the last live change.

    + steps, rehearsing, limits: as for `ask`

    Raises `NoAnswer` if the host does not answer, `NothingOnRecord` if no change is on record.
    """
    record = read_record(channel, baseline=True, limits=limits)
    if not record.live:
        raise NothingOnRecord("nothing of this deploy is on record")
    settings = record.live[-1].settings
    look = look_at(channel, settings, steps, limits=limits)
    plan = plan_of_removal(record, settings, look, steps)
    return _asked(channel, settings, look, plan, rehearsing, limits)


def look_at(
    channel: Channel,
    settings: Settings,
    steps: Sequence[Step],
    further_parameters: Iterable[str] = (),
    *,
    limits: Limits = LIMITS,
) -> Look:
    """Look at a host. Of a private key only its public half leaves the host.

    + steps: whose files and parameters are looked at
    + further_parameters: of Postfix, beside those of the steps

    Raises `NoAnswer` if the host does not answer.
    """
    command = look_command(
        settings, RECORD, (*parameters_asked(steps, settings), *further_parameters), files_managed(steps)
    )
    answer = channel(command, look_program(), limits)
    look = _read(answer, parse_look, "look at this host")
    if look is None:
        raise _incomplete(answer, "look at this host")
    return look


def read_record(
    channel: Channel, files: str = "", *, baseline: bool = False, limits: Limits = LIMITS
) -> Record:
    """Read a host's record of changes.

    + files: with the files and ledgers of the live changes from this ID on; `last`: of the last live one;
      empty: without
    + baseline: whether with the files as they were before us

    Raises `NoAnswer` if the host does not answer.
    """
    answer = channel(record_command(RECORD, files, baseline=baseline), history_program(), limits)
    return _read(answer, parse_record, "record of this host")


def rehearse(
    channel: Channel, plan: Plan, settings: Settings, look: Look, *, limits: Limits = LIMITS
) -> Rehearsed:
    """Ask the host's own programs about the new files of a plan, at their real paths.

    + settings, look: those of which the plan was made

    Raises `NoAnswer` if the host does not answer.
    """
    answer = channel(_REHEARSE, rehearsal_program(plan, settings, look), limits)
    return _read(answer, parse_rehearsal, "rehearsal on this host")


def look_command(
    settings: Settings, record: str, parameters: Iterable[str], files: Iterable[ManagedFile]
) -> str:
    """The command of a look; `SmtpAuth::Look` and the services' packages say what its words mean.

    + record: the directory of the record of changes
    + parameters: the Postfix parameters whose effective values are wanted
    + files: the files that any step may write
    """
    words = [
        f"live={settings.letsencrypt_live}",
        f"hostname={settings.mail_hostname}",
        f"record={record}",
        f"listener={AUTH_LISTENER}",
    ]
    words += [f"file={file.key}={file.service}={file.name}" for file in files]
    words += [f"certificate={domain}={settings.lineage(domain)}" for domain in settings.domains]
    words += [f"parameter={name}" for name in parameters]
    return shlex.join(("perl", "-", *words))


def record_command(record: str, files: str = "", *, baseline: bool = False) -> str:
    """The command that reads the record; `SmtpAuth::History` says what its words mean.

    + record: the directory of the record of changes
    + files, baseline: as for `read_record`
    """
    words = (f"record={record}", f"files={files}", f"baseline={'1' if baseline else ''}")
    return shlex.join(("perl", "-", *words))


def _asked(
    channel: Channel, settings: Settings, look: Look, plan: Plan, rehearsing: bool, limits: Limits
) -> Asked:
    if plan.refusals or plan.is_empty or not rehearsing:
        return Asked(settings, look, plan)
    return Asked(settings, look, plan, rehearse(channel, plan, settings, look, limits=limits))


def _read(answer: Answer, parse: Callable[[Iterable[str]], Found], what: str) -> Found:
    """An answer as a value. A complete one has a line that says so."""
    if not any(line.startswith("complete\t") for line in answer.lines):
        raise _incomplete(answer, what)
    try:
        return parse(answer.lines)
    except Exception as error:
        # Whatever a host printed, the error is that host's.
        raise NoAnswer(f"the {what} cannot be read: {error!r}") from None


def _incomplete(answer: Answer, what: str) -> NoAnswer:
    return NoAnswer(f"the {what} is incomplete: {answer.complaint}")
