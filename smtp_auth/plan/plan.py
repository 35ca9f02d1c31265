"""The plan of a host, a value that is made from settings, a look and the steps."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from smtp_auth.facts.ledger import NOTHING, Ledger
from smtp_auth.facts.look import File, Look, ManagedFile, digest_of
from smtp_auth.plan import readiness, writers
from smtp_auth.plan.draft import Draft, Edit, Note
from smtp_auth.plan.giving_back import give_back
from smtp_auth.plan.ours import ledger_after, ledger_now, without_ours
from smtp_auth.plan.proof import NOTHING_TO_PROVE, Proof
from smtp_auth.plan.service import Service
from smtp_auth.plan.step import Part, Step, files_managed, files_of_services, services_of
from smtp_auth.settings import Settings


@dataclass(frozen=True)
class PlannedFile:
    """A file that changes.

    + file: as in the look; its `content` is `None` if it does not exist yet
    + service: the service that reads the file
    + content, mode: those after the change, the mode such as `0644`; `None` and empty if the file is deleted
    """

    file: File
    service: Service
    content: str | None
    mode: str

    @property
    def digest(self) -> str:
        """SHA-256 of the new content in hexadecimal; empty if the file is deleted."""
        return digest_of(self.content)


@dataclass(frozen=True)
class Reload:
    """A service that will be reloaded.

    + due: the reasons to reload it even if none of its files changes
    + changes: whether any of its files changes
    """

    service: Service
    due: tuple[str, ...]
    changes: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        """All reasons for the reload."""
        return (*self.due, *(["its configuration changes"] if self.changes else []))


@dataclass(frozen=True)
class Kind:
    """The kind of a change: a deploy, a removal, or an undo of certain changes.

    + undone: the IDs of the changes that are undone
    """

    name: str
    undone: tuple[str, ...] = ()


DEPLOY, REMOVAL = Kind("deploy"), Kind("removal")


def undo_of(changes: Iterable[str]) -> Kind:
    """The kind of a change that undoes others. + changes: their IDs"""
    return Kind("undo", tuple(changes))


@dataclass(frozen=True)
class Plan:
    """What will change on one host.

    + refusals: why the host cannot be changed, one sentence per reason; if there are any, everything else
      except the warnings is empty
    + warnings: what an administrator should know, one sentence each
    + edits, notes: those of the steps, in their order
    + files: the files that change, in the order in which they are replaced
    + order: the services, in the order in which their files are replaced
    + managed: every file that a change may write, with its service
    + reloads: in their order
    + unfinished: the services with files that an interrupted change has left behind
    + expected: what the host's own postconf must print afterwards, pairs of name and value; an option of a
      service is called `submissions/inet/NAME`
    + proof: what must work afterwards
    + stays: what a removal leaves, because its owner has edited it or needs it, one sentence each; the notes
      have them, too
    + kind: a deploy, an undo or a removal
    + ledger_before: what is ours on the host now; `ledger`: what will be ours afterwards
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
    stays: tuple[str, ...] = ()
    kind: Kind = DEPLOY
    ledger_before: Ledger = field(default=NOTHING, hash=False)
    ledger: Ledger = field(default=NOTHING, hash=False)

    @property
    def about(self) -> str:
        """The change in a few words: the names of its steps, or the changes that it undoes."""
        if self.kind.undone:
            return f"{self.kind.name} of {', '.join(self.kind.undone)}"
        steps = "; ".join(dict.fromkeys(edit.step for edit in self.edits))
        return steps if self.kind is DEPLOY else f"{self.kind.name}: {steps}"

    @property
    def is_empty(self) -> bool:
        """Whether nothing will change on the host, and no service is reloaded."""
        return not (self.files or self.reloads or self.unfinished)

    @property
    def services(self) -> tuple[Service, ...]:
        """The services with something to do, in the order in which their files are replaced."""
        parts = {*(reload.service for reload in self.reloads), *(file.service for file in self.files)}
        return tuple(service for service in self.order if service in parts or service in self.unfinished)

    def to_prove(self, look: Look) -> tuple[Service, ...]:
        """The services that a deploy proves although it changes nothing.

        All of them, if one was started or changed since it was last proved: they need one another.
        """
        if self.refusals or not self.is_empty or self.kind is not DEPLOY or self.proof.unprovable:
            return ()
        daemons = tuple(service for service in self.order if service.reload_order is not None)
        return () if all(service.key in look.proved for service in daemons) else daemons

    def edits_of(self, part: Part) -> tuple[Edit, ...]:
        """The edits of a step."""
        return tuple(edit for edit in self.edits if edit.step == part.name)

    def notes_of(self, part: Part) -> tuple[str, ...]:
        """The notes of a step."""
        return tuple(note.text for note in self.notes if note.step == part.name)


def plan_of(settings: Settings, look: Look, steps: Sequence[Step]) -> Plan:
    """The plan of a deploy. If the host cannot be deployed to, the plan has refusals and no edits.

    + settings: those of the host
    + look: the host as it is
    + steps: those of the deploy, in their order
    """
    unreadable = tuple(readiness.unreadable(look))
    if unreadable:
        return Plan(refusals=unreadable)
    draft = _draft(settings, look, steps)
    managed = files_managed(steps)
    warnings = tuple(warning for step in steps for warning in step.warnings(settings, draft.owners))
    warnings += tuple(writers.warnings(look, managed))
    refusals = [*readiness.stopped(look), *writers.unprotected(look, managed)]
    refusals += [reason for service in services_of(steps) for reason in service.obstacles(look)]
    refusals += [reason for step in steps for reason in step.obstacles(settings, draft.owners)]
    if refusals:
        return Plan(refusals=tuple(refusals), warnings=warnings)
    return unless_in_the_way(_plan_of_deploy(draft, steps, warnings))


def unless_in_the_way(plan: Plan) -> Plan:
    """The plan; if something on the host prevents this particular plan, a plan with refusals instead."""
    in_the_way = tuple(_in_the_way(plan))
    return Plan(refusals=in_the_way, warnings=plan.warnings) if in_the_way else plan


def _in_the_way(plan: Plan) -> Iterator[str]:
    """What prevents this particular plan. Only what would change matters."""
    for planned in plan.files:
        if planned.file.odd:
            yield readiness.in_the_way(planned.file)
    reloaded = {reload.service.key for reload in plan.reloads}
    yield from (reason for key, reason in plan.proof.unprovable if key in reloaded)


def plan_ignoring_obstacles(settings: Settings, look: Look, steps: Sequence[Step]) -> Plan:
    """The plan of a deploy, without any check whether the host can be deployed to.

    It shows how the host differs from what the steps want. The arguments are those of `plan_of`.
    """
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
    ledger = ledger_after(draft, steps) if draft.edits else draft.ledger
    return plan_of_draft(draft, steps, DEPLOY, ledger, warnings)


def _give_back_what_nobody_asks_for(draft: Draft, steps: Sequence[Step]) -> None:
    """Restore the earlier values of definitions that earlier data asked for and the present data does not."""
    unclaimed = {
        key: [name for name in draft.ledger.ours(key) if (key, name) not in draft.claimed]
        for key in draft.ledger.definitions
    }
    if not any(unclaimed.values()):
        return
    kept: dict[tuple[str, str], str] = {}
    for service in services_of(steps):
        kept |= service.referred(draft.look, draft.ledger)
    for key, names in unclaimed.items():
        for name in names:
            if (key, name) in kept:
                draft.note(kept[key, name])
        unclaimed[key] = [name for name in names if (key, name) not in kept]
    give_back(draft, steps, unclaimed, "nothing asks for it any more, so the earlier state is restored")
    order = [step.name for step in steps]
    # The first step with an edit carries out the whole plan.
    draft.edits.sort(key=lambda edit: order.index(edit.step))


def plan_of_draft(
    draft: Draft, steps: Sequence[Step], kind: Kind, ledger: Ledger, warnings: tuple[str, ...] = ()
) -> Plan:
    """The plan that gives a host the files of a draft.

    + steps: those of the deploy, in their order
    + kind: the kind of the change
    + ledger: what will be ours afterwards
    + warnings: those of the plan
    """
    look, services, of_services = draft.look, services_of(steps), files_of_services(steps)
    if draft.backwards:
        services, of_services = services[::-1], of_services[::-1]
    for service in services:
        service.follow(draft)
    files = tuple(_changed(draft, of_services))
    unfinished = tuple(dict.fromkeys(service for service, file in of_services if _has_leftovers(look, file)))
    changed = {one.file.path for one in files}
    return Plan(
        warnings=warnings,
        edits=tuple(draft.edits),
        notes=tuple(draft.notes),
        files=files,
        order=services,
        managed=tuple(
            (service, found)
            for service, file in of_services
            for found in (look.files[file.key],)
            if not found.odd and (found.path in changed or not _is_somebody_elses(look, file))
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


def _has_leftovers(look: Look, managed: ManagedFile) -> bool:
    if _is_somebody_elses(look, managed):
        return False
    directory = look.files[managed.key].real_path.rpartition("/")[0]
    return any(leftover.rpartition("/")[0] == directory for leftover in look.leftovers)


def _is_somebody_elses(look: Look, managed: ManagedFile) -> bool:
    """Whether nothing is written there, because the account that owns the directory could replace it.

    That account makes and edits what it likes there, at any moment: it is neither left over nor compared.
    """
    return managed.only_with_root and bool(look.files[managed.key].owners)


def _reloads(
    draft: Draft, services: Iterable[Service], files: Sequence[PlannedFile], unfinished: Sequence[Service]
) -> Iterator[Reload]:
    look = draft.look
    for service in (service for service in services if service.reload_order is not None):
        due = [*draft.due.get(service.key, ())]
        if service in unfinished:
            why = f", and could not be restored when the host booted: {look.not_restored}"
            due.append(f"an earlier change was interrupted{why if look.not_restored else ''}")
        changes = any(file.service == service for file in files)
        if due or changes:
            yield Reload(service, tuple(due), changes)
