"""The plan of a host as a value, made from settings, a look and the steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from smtp_auth.facts.look import File, Look, ManagedFile, Socket, digest_of
from smtp_auth.plan import readiness
from smtp_auth.plan.draft import Draft, Edit, Note
from smtp_auth.plan.step import Step, files_managed
from smtp_auth.settings import Settings

# The services that are reloaded, in this order: an smtpd that offers AUTH and finds no listener of
# Dovecot's dies, on port 25 too.
RELOADED = ("Dovecot", "Postfix")

# What people call a service, by its key.
_NAMES = {"postfix": "Postfix", "dovecot": "Dovecot", "certbot": "certbot's deploy hook"}

# Rounding of process start times; a reload that follows a change takes longer than this (seconds).
_CLOCK_TOLERANCE = 0.05


@dataclass(frozen=True)
class PlannedFile:
    """A file that changes.

    + file: as the look found it; its `content` is `None` if it does not exist yet
    + service: whose file it is
    + content, mode: as they will be, the mode like `0644`; `None` and empty if the file goes
    """

    file: File
    service: str
    content: str | None
    mode: str

    @property
    def digest(self) -> str:
        """SHA-256 of the new content in hexadecimal; empty if the file goes."""
        return digest_of(self.content)


@dataclass(frozen=True)
class Reload:
    """A service that will be reloaded.

    + due: the reasons that hold even if none of its files changes
    + changes: whether files of it change
    """

    service: str
    due: tuple[str, ...]
    changes: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason."""
        return (*self.due, *(["its configuration changes"] if self.changes else []))


@dataclass(frozen=True)
class Proof:
    """What must be there afterwards: see the attributes of `Draft` with these names.

    + submissions: whether port 465 is served, and `wrapped`, whether in TLS from the first byte
    + earlier: whether files come back as they were; Postfix may have complained of them then, too
    """

    submissions: bool = True
    wrapped: bool = True
    earlier: bool = False
    certificates: tuple[tuple[str, str], ...] = ()
    sni_tables: tuple[str, ...] = ()
    logins: bool = True
    login_only: bool = False
    proxied: bool = False
    unprovable: tuple[str, ...] = ()
    listener: Socket | None = None


@dataclass(frozen=True)
class Plan:
    """What will happen to one host.

    + refusals: why nothing can happen, one sentence per reason; then all else but the warnings is empty
    + edits, notes: of the steps, in their order
    + files: the files that change, in the order in which they go live
    + managed: every file that a change may touch, with its service
    + reloads: in the order in which they happen
    + unfinished: the services of which an earlier change was cut short
    + expected: what the host's own postconf must read afterwards, pairs of name and value; an option of a
      service is called `submissions/inet/NAME`
    + backwards: whether what the deploy brings last goes first: Postfix before the listener that it asks
    + undone: the IDs of the changes that it takes back
    + removes: whether it takes back all that a deploy has ever written
    """

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()
    files: tuple[PlannedFile, ...] = ()
    managed: tuple[tuple[str, File], ...] = ()
    reloads: tuple[Reload, ...] = ()
    unfinished: tuple[str, ...] = ()
    expected: tuple[tuple[str, str], ...] = ()
    proof: Proof = Proof()
    backwards: bool = False
    undone: tuple[str, ...] = ()
    removes: bool = False

    @property
    def about(self) -> str:
        """What it does in a few words: its steps, or what it takes back."""
        if self.undone:
            return f"undo of {', '.join(self.undone)}"
        steps = "; ".join(dict.fromkeys(edit.step for edit in self.edits))
        return f"removal: {steps}" if self.removes else steps

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do on the host."""
        return not (self.files or self.reloads or self.unfinished)

    @property
    def services(self) -> tuple[str, ...]:
        """The services that take part, in the order in which their files go live."""
        reloaded = [reload.service for reload in self.reloads]
        touched = [*(file.service for file in self.files), *self.unfinished]
        others = [service for service in touched if service not in reloaded]
        return tuple(dict.fromkeys([*reloaded, *others] if self.backwards else [*others, *reloaded]))

    def edits_of(self, step: Step) -> tuple[Edit, ...]:
        """What a step does."""
        return tuple(edit for edit in self.edits if edit.step == step.name)

    def notes_of(self, step: Step) -> tuple[str, ...]:
        """What a step says beside it."""
        return tuple(note.text for note in self.notes if note.step == step.name)


def plan_of(settings: Settings, look: Look, steps: Sequence[Step]) -> Plan:
    """What will happen to a host that looks like this.

    A host that cannot be deployed to gets a plan of refusals.
    """
    unreadable = tuple(readiness.unreadable(look))
    if unreadable:
        return Plan(refusals=unreadable)
    warnings = tuple(warning for step in steps for warning in step.warnings(settings, look))
    refusals = [*readiness.stopped(look)]
    refusals += [reason for step in steps for reason in step.obstacles(settings, look)]
    if refusals:
        return Plan(refusals=tuple(refusals), warnings=warnings)
    return unless_in_the_way(plan_regardless(settings, look, steps, warnings))


def unless_in_the_way(plan: Plan) -> Plan:
    """A plan; one of refusals if something stands in the way of this very one."""
    in_the_way = tuple(_in_the_way(plan))
    return Plan(refusals=in_the_way, warnings=plan.warnings) if in_the_way else plan


def _in_the_way(plan: Plan) -> Iterator[str]:
    """What stands in the way of this very plan; a host with nothing to do is left as it is."""
    for planned in plan.files:
        if planned.file.odd:
            yield readiness.in_the_way(planned.file)
    if any(reload.service == "Postfix" for reload in plan.reloads):
        yield from plan.proof.unprovable


def plan_regardless(
    settings: Settings, look: Look, steps: Sequence[Step], warnings: tuple[str, ...] = ()
) -> Plan:
    """How the host differs from what the steps want, whether or not it can be deployed to."""
    draft = Draft(settings, look)
    for file in (look.main_cf, look.master_cf):
        if outdated(look, file.changed):
            draft.reload("Postfix", f"{file.path} is newer than what runs")
    for step in steps:
        draft.begin(step.name)
        step.edit(draft)
    proof = Proof(
        certificates=tuple(draft.certificates.items()),
        sni_tables=draft.sni_tables,
        logins=draft.logins,
        login_only=draft.login_only,
        proxied=draft.proxied,
        unprovable=tuple(draft.unprovable),
        listener=draft.listener,
    )
    return plan_of_draft(draft, files_managed(steps), proof, warnings)


def plan_of_draft(
    draft: Draft,
    managed: Sequence[ManagedFile],
    proof: Proof,
    warnings: tuple[str, ...] = (),
    *,
    backwards: bool = False,
) -> Plan:
    """The plan that makes a host's files what they are in the draft.

    + managed: every file that a change may touch, in the order in which a deploy writes them
    """
    look = draft.look
    managed = managed[::-1] if backwards else managed
    files = tuple(_changed(draft, managed))
    unfinished = tuple(dict.fromkeys(_NAMES[file.service] for file in managed if _has_leftovers(look, file)))
    return Plan(
        warnings=warnings,
        edits=tuple(draft.edits),
        notes=tuple(draft.notes),
        files=files,
        managed=tuple(
            (_NAMES[file.service], look.files[file.key]) for file in managed if not look.files[file.key].odd
        ),
        reloads=tuple(_reloads(draft, files, unfinished))[:: -1 if backwards else 1],
        unfinished=unfinished,
        expected=tuple(draft.expected.items()),
        proof=proof,
        backwards=backwards,
    )


def outdated(look: Look, changed: float) -> bool:
    """Whether Postfix runs, and was last reloaded before this time (seconds since 1970)."""
    return look.postfix_reloaded is not None and changed > look.postfix_reloaded + _CLOCK_TOLERANCE


def _changed(draft: Draft, managed: Sequence[ManagedFile]) -> Iterator[PlannedFile]:
    for key in managed:
        file, content, mode = draft.look.files[key.key], draft.content(key), draft.mode(key)
        if (content, mode) != (file.content, file.mode):
            yield PlannedFile(file, _NAMES[key.service], content, mode)


def _has_leftovers(look: Look, file: ManagedFile) -> bool:
    directory = look.files[file.key].real_path.rpartition("/")[0]
    return any(leftover.rpartition("/")[0] == directory for leftover in look.leftovers)


def _reloads(draft: Draft, files: Sequence[PlannedFile], unfinished: Sequence[str]) -> Iterator[Reload]:
    for service in RELOADED:
        due = [*draft.due.get(service, ())]
        if service in unfinished:
            due.append("an earlier change was cut short")
        changes = any(file.service == service for file in files)
        if due or changes:
            yield Reload(service, tuple(due), changes)
