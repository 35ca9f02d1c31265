"""The plan of a host as a value, made from settings, a look and the steps."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from smtp_auth.facts.ledger import NOTHING, Ledger
from smtp_auth.facts.look import File, Look, ManagedFile, digest_of
from smtp_auth.plan import readiness
from smtp_auth.plan.draft import Draft, Edit, Note
from smtp_auth.plan.giving_back import give_back
from smtp_auth.plan.ours import ledger_after, ledger_now, without_ours
from smtp_auth.plan.proof import NOTHING_TO_PROVE, Proof
from smtp_auth.plan.service import Service
from smtp_auth.plan.step import Part, Step, files_of_services, services_of
from smtp_auth.settings import Settings


@dataclass(frozen=True)
class PlannedFile:
    """A file that changes.

    + file: as the look found it; its `content` is `None` if it does not exist yet
    + service: whose file it is
    + content, mode: as they will be, the mode like `0644`; `None` and empty if the file goes
    """

    file: File
    service: Service
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

    service: Service
    due: tuple[str, ...]
    changes: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        """Every reason."""
        return (*self.due, *(["its configuration changes"] if self.changes else []))


@dataclass(frozen=True)
class Kind:
    """Which kind of change a plan is: a deploy, a removal, or an undo of certain changes.

    + undone: the IDs of the changes that it takes back
    """

    name: str
    undone: tuple[str, ...] = ()


DEPLOY, REMOVAL = Kind("deploy"), Kind("removal")


def undo_of(changes: Iterable[str]) -> Kind:
    """The kind that takes these changes back. + changes: their IDs"""
    return Kind("undo", tuple(changes))


@dataclass(frozen=True)
class Plan:
    """What will happen to one host.

    + refusals: why nothing can happen, one sentence per reason; then all else but the warnings is empty
    + edits, notes: of the steps, in their order
    + files: the files that change, in the order in which they go live
    + order: the services in the order in which their files go live
    + managed: every file that a change may touch, with its service
    + reloads: in the order in which they happen
    + unfinished: the services of which an earlier change was cut short
    + expected: what the host's own postconf must read afterwards, pairs of name and value; an option of a
      service is called `submissions/inet/NAME`
    + ledger: what will be ours on the host afterwards; `ledger_before`: what is
    """

    refusals: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()
    notes: tuple[Note, ...] = ()
    files: tuple[PlannedFile, ...] = ()
    order: tuple[Service, ...] = ()
    managed: tuple[tuple[Service, File], ...] = ()
    reloads: tuple[Reload, ...] = ()
    unfinished: tuple[Service, ...] = ()
    expected: tuple[tuple[str, str], ...] = ()
    proof: Proof = NOTHING_TO_PROVE
    kind: Kind = DEPLOY
    ledger_before: Ledger = field(default=NOTHING, hash=False)
    ledger: Ledger = field(default=NOTHING, hash=False)

    @property
    def about(self) -> str:
        """What it does in a few words: its steps, or what it takes back."""
        if self.kind.undone:
            return f"{self.kind.name} of {', '.join(self.kind.undone)}"
        steps = "; ".join(dict.fromkeys(edit.step for edit in self.edits))
        return steps if self.kind is DEPLOY else f"{self.kind.name}: {steps}"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do on the host."""
        return not (self.files or self.reloads or self.unfinished)

    @property
    def services(self) -> tuple[Service, ...]:
        """The services that take part, in the order in which their files go live."""
        parts = {*(reload.service for reload in self.reloads), *(file.service for file in self.files)}
        return tuple(service for service in self.order if service in parts or service in self.unfinished)

    def edits_of(self, part: Part) -> tuple[Edit, ...]:
        """What a step does."""
        return tuple(edit for edit in self.edits if edit.step == part.name)

    def notes_of(self, part: Part) -> tuple[str, ...]:
        """What a step says beside it."""
        return tuple(note.text for note in self.notes if note.step == part.name)


def plan_of(settings: Settings, look: Look, steps: Sequence[Step]) -> Plan:
    """What will happen to a host that looks like this.

    A host that cannot be deployed to gets a plan of refusals.
    """
    unreadable = tuple(readiness.unreadable(look))
    if unreadable:
        return Plan(refusals=unreadable)
    draft = _draft(settings, look, steps)
    warnings = tuple(warning for step in steps for warning in step.warnings(settings, draft.owners))
    refusals = [*readiness.stopped(look)]
    refusals += [reason for step in steps for reason in step.obstacles(settings, draft.owners)]
    if refusals:
        return Plan(refusals=tuple(refusals), warnings=warnings)
    return unless_in_the_way(_plan_of_deploy(draft, steps, warnings))


def unless_in_the_way(plan: Plan) -> Plan:
    """A plan; one of refusals if something stands in the way of this very one."""
    in_the_way = tuple(_in_the_way(plan))
    return Plan(refusals=in_the_way, warnings=plan.warnings) if in_the_way else plan


def _in_the_way(plan: Plan) -> Iterator[str]:
    """What stands in the way of this very plan; a host with nothing to do is left as it is."""
    for planned in plan.files:
        if planned.file.odd:
            yield readiness.in_the_way(planned.file)
    reloaded = {reload.service.key for reload in plan.reloads}
    yield from (reason for key, reason in plan.proof.unprovable if key in reloaded)


def plan_ignoring_obstacles(settings: Settings, look: Look, steps: Sequence[Step]) -> Plan:
    """How the host differs from what the steps want, whether or not it can be deployed to."""
    return _plan_of_deploy(_draft(settings, look, steps), steps)


def _draft(settings: Settings, look: Look, steps: Sequence[Step]) -> Draft:
    ledger = ledger_now(look, steps)
    return Draft(settings, look, owners=without_ours(look, ledger, steps), ledger=ledger)


def _plan_of_deploy(draft: Draft, steps: Sequence[Step], warnings: tuple[str, ...] = ()) -> Plan:
    for service in services_of(steps):
        service.due(draft)
    for step in steps:
        draft.begin(step.name)
        step.edit(draft)
    _give_back_what_nobody_asks_for(draft, steps)
    return plan_of_draft(draft, steps, DEPLOY, ledger_after(draft, steps), warnings)


def _give_back_what_nobody_asks_for(draft: Draft, steps: Sequence[Step]) -> None:
    """Give back what earlier data had asked for, and what the present data does not."""
    unclaimed = {
        key: [name for name in draft.ledger.ours(key) if (key, name) not in draft.claimed]
        for key in draft.ledger.definitions
    }
    give_back(draft, steps, unclaimed, "the data no longer asks for it: what was there before is restored")
    order = [step.name for step in steps]
    # The first step with an edit carries out the whole plan.
    draft.edits.sort(key=lambda edit: order.index(edit.step))


def plan_of_draft(
    draft: Draft, steps: Sequence[Step], kind: Kind, ledger: Ledger, warnings: tuple[str, ...] = ()
) -> Plan:
    """The plan that makes a host's files what they are in the draft.

    + steps: those of the deploy, in its order
    + ledger: what will be ours afterwards
    """
    look, services, of_services = draft.look, services_of(steps), files_of_services(steps)
    if draft.backwards:
        services, of_services = services[::-1], of_services[::-1]
    files = tuple(_changed(draft, of_services))
    unfinished = tuple(dict.fromkeys(service for service, file in of_services if _has_leftovers(look, file)))
    return Plan(
        warnings=warnings,
        edits=tuple(draft.edits),
        notes=tuple(draft.notes),
        files=files,
        order=services,
        managed=tuple(
            (service, look.files[file.key]) for service, file in of_services if not look.files[file.key].odd
        ),
        reloads=tuple(_reloads(draft, services, files, unfinished)),
        unfinished=unfinished,
        expected=tuple(draft.expected.items()),
        proof=draft.proof,
        kind=kind,
        ledger_before=draft.ledger,
        ledger=ledger,
    )


def _changed(draft: Draft, managed: Iterable[tuple[Service, ManagedFile]]) -> Iterator[PlannedFile]:
    for service, key in managed:
        file, content, mode = draft.look.files[key.key], draft.content(key), draft.mode(key)
        if (content, mode) != (file.content, file.mode):
            yield PlannedFile(file, service, content, mode)


def _has_leftovers(look: Look, file: ManagedFile) -> bool:
    directory = look.files[file.key].real_path.rpartition("/")[0]
    return any(leftover.rpartition("/")[0] == directory for leftover in look.leftovers)


def _reloads(
    draft: Draft, services: Iterable[Service], files: Sequence[PlannedFile], unfinished: Sequence[Service]
) -> Iterator[Reload]:
    for service in (service for service in services if service.reload_order is not None):
        due = [*draft.due.get(service.key, ())]
        if service in unfinished:
            due.append("an earlier change was cut short")
        changes = any(file.service == service for file in files)
        if due or changes:
            yield Reload(service, tuple(due), changes)
