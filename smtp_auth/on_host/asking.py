"""Asks a host for a look, for its record, and for what its own programs say about a plan.

The functions take a channel and values, and return values. They change nothing on the host.
"""

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from smtp_auth.facts.hold import Hold, hold_line
from smtp_auth.facts.look import Look, ManagedFile
from smtp_auth.facts.look import parse as parse_look
from smtp_auth.facts.record import PastChange, Record
from smtp_auth.facts.record import parse as parse_record
from smtp_auth.facts.rehearsal import Rehearsed
from smtp_auth.facts.rehearsal import parse as parse_rehearsal
from smtp_auth.on_host.causes import causes, without_noise
from smtp_auth.on_host.channel import Answer, Channel, Limits, NoAnswer, NotAllowed
from smtp_auth.on_host.instructions import RECORD
from smtp_auth.on_host.packing import PERL
from smtp_auth.on_host.programs import history_program, look_program, rehearsal_program
from smtp_auth.past.removal import plan_of_removal
from smtp_auth.past.undo import plan_of_undo, why_left_alone
from smtp_auth.plan.plan import Plan, plan_of
from smtp_auth.plan.step import Step, files_managed, parameters_asked
from smtp_auth.services.dovecot.listener import AUTH_LISTENER
from smtp_auth.settings import Settings, SettingsOnRecordError

Found = TypeVar("Found")

LIMITS = Limits()

# How many characters of an error are quoted.
_QUOTED = 300

_NOT_REHEARSED = Rehearsed()

# The rehearsal runs in a mount namespace of its own (unshare(1)), with an overlay over each directory that
# gets a file, so it needs no lock and leaves nothing behind. If unshare is not permitted, it fails before it
# reads standard input, and the second command reads the program from there.
_REHEARSE = "unshare --mount --propagation private perl -x - rehearse private || perl -x - rehearse"


class _OfRecordError(Exception):
    """A host's record is the reason why there is no plan. `str()` of it is the sentence.

    + record: the host's
    + hold: the hold that keeps the host from being changed: then nothing else is said of it
    """

    def __init__(self, reason: str, record: Record, *, even_held: bool) -> None:
        super().__init__(reason)
        self.record, self.hold = record, None if even_held else record.hold


class NothingOnRecord(_OfRecordError):
    """There is nothing to undo or to remove, so the host stays as it is."""


class NotOnRecord(_OfRecordError):
    """What an undo or a removal needs is not on record: the host is refused."""


@dataclass(frozen=True)
class Asked:
    """What is known of a host before it is changed.

    + settings, look: those from which the plan was made
    + plan: with refusals and no edits if the host is refused
    + rehearsed: what the host's own programs say about the plan; empty if they were not asked
    + even_held: whether a hold of the host is overridden
    """

    settings: Settings
    look: Look
    plan: Plan
    rehearsed: Rehearsed = _NOT_REHEARSED
    even_held: bool = False

    @property
    def hold(self) -> Hold | None:
        """The hold that keeps this host from being changed: then nothing else is said of its plan."""
        return None if self.even_held else self.look.hold

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why the host cannot be changed, one sentence per reason."""
        return (*self.plan.refusals, *self.rehearsed.refused)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an administrator should know before the change, one sentence each."""
        return (*self.plan.warnings, *self.rehearsed.warnings)

    @property
    def hold_warning(self) -> str:
        """A further warning, in any language: that of the hold that is overridden; empty if there is none."""
        hold = self.look.hold if self.even_held else None
        return f"{hold_line(hold)}; even_held = True overrides this" if hold else ""


def ask(
    channel: Channel,
    settings: Settings,
    steps: Sequence[Step],
    *,
    even_held: bool = False,
    rehearsing: bool = True,
    limits: Limits = LIMITS,
) -> Asked:
    """Look at a host, make the plan of a deploy, and rehearse it.

    + channel: that to the host
    + settings: those of the host
    + steps: those of the deploy, in their order
    + even_held: whether a hold is overridden. A host that is held otherwise is not rehearsed
    + rehearsing: whether the host's own programs are asked about the plan, if it is not empty
    + limits: those of each answer

    Raises `NoAnswer` if the host does not answer.
    """
    look = look_at(channel, settings, steps, limits=limits)
    found = Asked(settings, look, plan_of(settings, look, steps), even_held=even_held)
    return _rehearsed(channel, found, rehearsing, limits)


def ask_to_undo(
    channel: Channel,
    steps: Sequence[Step],
    undo_to: str | None = None,
    *,
    only_last: bool = False,
    even_held: bool = False,
    rehearsing: bool = True,
    limits: Limits = LIMITS,
) -> Asked:
    """Read a host's record, look at the host, make the plan of an undo, and rehearse it.

    The settings are those of the change that is undone, because the present data may not be valid any more.

    + channel, steps, even_held, rehearsing, limits: as for `ask`
    + undo_to: the ID of the first change to undo, with all later ones; `None`: only the last live change
    + only_last: whether a host is left alone that has a live change of another run after this one

    Raises `NoAnswer` if the host does not answer, `NothingOnRecord` or `NotOnRecord` if the record has no
    such change.
    """
    record = read_record(channel, files=undo_to or "last", baseline=True, limits=limits)
    if record.has_gap:
        raise NotOnRecord(
            f"run {undo_to} is older than the last twenty live changes, which are all that the record of "
            "this host keeps: go back to a later one, or remove everything",
            record,
            even_held=even_held,
        )
    if undo_to is None:
        changes = record.live[-1:]
    else:
        changes = tuple(change for change in record.live if change.before or change.after)
    if not changes and not record.in_doubt:
        missing = f"no live change of run {undo_to}" if undo_to else "no change"
        raise NothingOnRecord(
            f"the record of this host has {missing} that could be undone", record, even_held=even_held
        )
    if undo_to and only_last and not record.in_doubt and (why := why_left_alone(record, undo_to)):
        raise NothingOnRecord(why, record, even_held=even_held)
    settings = _settings_of(record, *changes[-1:], even_held=even_held)
    look = look_at(channel, settings, steps, limits=limits)
    plan = plan_of_undo(changes, settings, look, steps, record.baseline)
    found = Asked(settings, look, plan, even_held=even_held)
    return _rehearsed(channel, found, rehearsing, limits)


def ask_to_remove(
    channel: Channel,
    steps: Sequence[Step],
    *,
    even_held: bool = False,
    rehearsing: bool = True,
    limits: Limits = LIMITS,
) -> Asked:
    """Read a host's record, look at the host, make the plan of a removal, and rehearse it.

    The settings are those of the last live change.

    + channel, steps, even_held, rehearsing, limits: as for `ask`

    Raises `NoAnswer` if the host does not answer, `NothingOnRecord` if the record has no live change.
    """
    record = read_record(channel, baseline=True, limits=limits)
    if not record.live and not record.in_doubt:
        raise NothingOnRecord(
            "the record of this host has no change that could be removed", record, even_held=even_held
        )
    settings = _settings_of(record, *record.live[-1:], even_held=even_held)
    look = look_at(channel, settings, steps, limits=limits)
    plan = plan_of_removal(record, settings, look, steps)
    found = Asked(settings, look, plan, even_held=even_held)
    return _rehearsed(channel, found, rehearsing, limits)


def _settings_of(record: Record, *last: PastChange, even_held: bool) -> Settings:
    """The settings of the last change. Raises `NotOnRecord` if it is not known which one is the last."""
    if record.in_doubt:
        raise NotOnRecord(
            f"the manifest of change {', '.join(record.in_doubt)} cannot be read, so it is unknown which "
            "change of this host is the last: restore /var/lib/smtp-auth/changes from a backup, or move the "
            "folder of that change away, which then counts as never made",
            record,
            even_held=even_held,
        )
    try:
        return last[0].settings
    except SettingsOnRecordError as key:
        raise NotOnRecord(
            f"the setting {key} of change {last[0].id} on record is of another type than this version knows: "
            "use the version of this program that made the change, or restore /var/lib/smtp-auth/changes "
            "from a backup",
            record,
            even_held=even_held,
        ) from None


def look_at(
    channel: Channel,
    settings: Settings,
    steps: Sequence[Step],
    further_parameters: Iterable[str] = (),
    *,
    limits: Limits = LIMITS,
) -> Look:
    """Look at a host. Private keys do not leave the host; only their public halves do.

    + channel: that to the host
    + settings: those of the host
    + steps: those whose files and parameters the look contains
    + further_parameters: Postfix parameters in addition to those of the steps
    + limits: those of the answer

    Raises `NoAnswer` if the host does not answer.
    """
    command = look_command(
        settings, RECORD, (*parameters_asked(steps, settings), *further_parameters), files_managed(steps)
    )
    answer = channel(command, look_program(), limits)
    look = read_answer(answer, parse_look, "look at this host")
    if look is None:
        raise _incomplete(answer, "look at this host")
    return look


def read_record(
    channel: Channel, files: str = "", *, baseline: bool = False, limits: Limits = LIMITS
) -> Record:
    """Read a host's record of changes.

    + channel: that to the host
    + files: the ID of a run: with the files and ledgers of its live change and those after it; `last`: with
      those of the last live change; empty: without files
    + baseline: whether to read the copies of files as they were before us, too
    + limits: those of the answer

    Raises `NoAnswer` if the host does not answer.
    """
    answer = channel(record_command(RECORD, files, baseline=baseline), history_program(), limits)
    return read_answer(answer, parse_record, "record of this host")


def rehearse(
    channel: Channel, plan: Plan, settings: Settings, look: Look, *, limits: Limits = LIMITS
) -> Rehearsed:
    """Ask the host's own programs about the new files of a plan, at their real paths.

    + channel: that to the host
    + settings, look: those from which the plan was made
    + limits: those of the answer

    Raises `NoAnswer` if the host does not answer.
    """
    answer = channel(_REHEARSE, rehearsal_program(plan, settings, look), limits)
    return read_answer(answer, parse_rehearsal, "rehearsal on this host")


def look_command(
    settings: Settings, record: str, parameters: Iterable[str], files: Iterable[ManagedFile]
) -> str:
    """The command of a look. `SmtpAuth::Look` and the services' packages describe its words.

    + settings: those of the host
    + record: the directory of the record of changes
    + parameters: the Postfix parameters whose effective values the look contains
    + files: the files that the steps may write
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
    return shlex.join((*PERL, *words))


def record_command(record: str, files: str = "", *, baseline: bool = False) -> str:
    """The command that reads the record. `SmtpAuth::History` describes its words.

    + record: the directory of the record of changes
    + files, baseline: as for `read_record`
    """
    words = (f"record={record}", f"files={files}", f"baseline={'1' if baseline else ''}")
    return shlex.join((*PERL, *words))


def _rehearsed(channel: Channel, found: Asked, rehearsing: bool, limits: Limits) -> Asked:
    """The same, with what the host's own programs say about the plan, if asked and if it may be made."""
    plan, settings, look = found.plan, found.settings, found.look
    if plan.refusals or plan.is_empty or found.hold or not rehearsing:
        return found
    return replace(found, rehearsed=rehearse(channel, plan, settings, look, limits=limits))


def read_answer(answer: Answer, parse: Callable[[Iterable[str]], Found], what: str) -> Found:
    """Parse an answer. Raises `NoAnswer` if it is incomplete or cannot be parsed."""
    if not any(line.startswith("complete\t") for line in answer.lines):
        raise _incomplete(answer, what)
    try:
        return parse(answer.lines)
    except Exception as error:
        # Any output of a host may fail only that host.
        # It may quote all of the output.
        raise NoAnswer(f"the {what} cannot be read: {repr(error)[:_QUOTED]}") from None


def _incomplete(answer: Answer, what: str) -> NoAnswer:
    # The first line: what follows may be about a second try.
    known = next(causes("\n".join(without_noise(answer.complaints)[:1])), None)
    return NotAllowed(known) if known else NoAnswer(f"the {what} is incomplete: {answer.complaint}")
