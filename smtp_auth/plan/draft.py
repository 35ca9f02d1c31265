"""The draft of a host's files. The steps edit it, one after another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from smtp_auth.facts.ledger import NOTHING, Ledger
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile, digest_of
from smtp_auth.plan.difference import changed_lines, rewritten
from smtp_auth.plan.proof import Proof
from smtp_auth.postfix.main_cf import comment_out, defined_parameters, set_parameter
from smtp_auth.postfix.master_cf import services, set_options
from smtp_auth.postfix.parameters import same_value
from smtp_auth.settings import Settings


@dataclass(frozen=True)
class Edit:
    """One edit of one file by one step.

    + lines: the lines that are deleted and added, `-old` and `+new`, with their line ends
    + mode: the file's permissions before (empty for a new file) and after (empty if the file is deleted),
      such as `0644`; `None` if they stay
    + parameters: the Postfix parameters that are set or deleted; an option of a service is called
      `submissions/inet/NAME`
    + reason: the reason for the edit, if the step's name does not say it
    + private: whether nobody is shown the lines
    + withheld: the indices of lines that nobody is shown: an owner's, which are only written again, in a file
      that not everybody may read
    """

    step: str
    path: str
    lines: tuple[str, ...]
    mode: tuple[str, str] | None = None
    parameters: tuple[str, ...] = ()
    reason: str = ""
    private: bool = False
    withheld: frozenset[int] = frozenset()

    @property
    def lines_shown(self) -> tuple[str, ...]:
        """The lines that may be shown to people and programs."""
        shown = (line for index, line in enumerate(self.lines) if index not in self.withheld)
        return () if self.private else tuple(shown)


@dataclass(frozen=True)
class Note:
    """A sentence about the host that a step adds to its edits."""

    step: str
    text: str


class Draft:
    """A host's files as they will be after the change. At first they are as in the look.

    + settings, look: what the host shall become, and what it is now
    + owners: the look without what we have written on the host
    + ledger: what is ours in the look
    + claimed: the definitions that a step asks for, even if the host has them already: pairs of a file's key
      and a definition's name
    + sources: the definitions that a step takes over from elsewhere, such as another service, to that
    + discreet: whether lines of files that not everybody may read are private, because they may contain
      secrets of the owner
    + edits, notes: those of the steps so far
    + expected: what the host's own postconf must print afterwards, name to value; an option of a service is
      called `submissions/inet/NAME`
    + due: a service's key to the reasons why it must be reloaded even if none of its files changes
    + proof: what must work afterwards
    + backwards: whether the services change in the reverse order of a deploy
    """

    def __init__(
        self,
        settings: Settings,
        look: Look,
        *,
        owners: Look | None = None,
        ledger: Ledger = NOTHING,
        discreet: bool = False,
    ) -> None:
        self.settings = settings
        self.look = look
        self.owners = owners or look
        self.ledger = ledger
        self.claimed: set[tuple[str, str]] = set()
        self.disowned: set[tuple[str, str]] = set()
        self.sources: dict[tuple[str, str], str] = {}
        self._discreet = discreet
        self.edits: list[Edit] = []
        self.notes: list[Note] = []
        self.expected: dict[str, str] = {}
        self.due: dict[str, list[str]] = {}
        self.proof = Proof()
        self.backwards = False
        self._step = ""
        self._contents = {key: file.content for key, file in look.files.items()}
        self._modes = {key: file.mode for key, file in look.files.items()}

    def begin(self, step: str) -> None:
        """Assign the edits and notes from now on to this step."""
        self._step = step

    def content(self, file: ManagedFile) -> str | None:
        """A file's content after the change; `None` if there will be no file."""
        return self._contents[file.key]

    def mode(self, file: ManagedFile) -> str:
        """A file's permissions after the change, such as `0644`; empty if there will be no file."""
        return self._modes[file.key]

    def digest(self, file: ManagedFile) -> str:
        """SHA-256 of a file's content after the change, in hexadecimal; empty if there will be no file."""
        return digest_of(self.content(file))

    @property
    def main_cf(self) -> str:
        """The content of main.cf after the change."""
        return self.content(MAIN_CF) or ""

    @property
    def master_cf(self) -> str:
        """The content of master.cf after the change."""
        return self.content(MASTER_CF) or ""

    def write(
        self,
        file: ManagedFile,
        content: str,
        *,
        mode: str = "",
        parameters: tuple[str, ...] = (),
        reason: str = "",
    ) -> None:
        """Set a file's content and permissions. Adds no edit if the file has both already.

        + mode: the permissions; empty: those of the file stay, and a new file gets 0644
        + parameters, reason: see `Edit`
        """
        before, mode_before = self.content(file), self.mode(file)
        mode = mode or mode_before or "0644"
        if content == before and mode == mode_before:
            return
        self._contents[file.key], self._modes[file.key] = content, mode
        lines = changed_lines(before or "", content)
        modes = (mode_before, mode) if mode != mode_before else None
        path = self.look.files[file.key].path
        private = self._is_private(mode_before, mode)
        withheld = frozenset() if are_for_everybody((mode_before, mode)) else rewritten(lines)
        self.edits.append(Edit(self._step, path, lines, modes, parameters, reason, private, withheld))

    def remove(self, file: ManagedFile) -> None:
        """Delete a file, if it exists."""
        before, mode = self.content(file), self.mode(file)
        if before is None:
            return
        self._contents[file.key], self._modes[file.key] = None, ""
        path = self.look.files[file.key].path
        lines, private = changed_lines(before, ""), self._is_private(mode)
        self.edits.append(Edit(self._step, path, lines, (mode, ""), private=private))

    def _is_private(self, *modes: str) -> bool:
        return self._discreet and not are_for_everybody(modes)

    def claim(self, file: ManagedFile, *names: str) -> None:
        """Ask for definitions in a file.

        A definition of ours that no step asks for gets its earlier value.
        """
        self.claimed |= {(file.key, name) for name in names}

    def disown(self, file: ManagedFile, name: str) -> None:
        """Declare that a definition, as it is in the draft, is its owner's."""
        self.disowned.add((file.key, name))

    def take_over(self, file: ManagedFile, name: str, source: str) -> None:
        """Say from where a definition is taken over, such as the service `submission/inet`."""
        self.sources[file.key, name] = source

    def set_parameters(self, wanted: Mapping[str, str | None], reason: str = "") -> None:
        """Set parameters of main.cf whose effective values differ from the wanted ones.

        + wanted: name to value; `None` comments the parameter out
        + reason: see `Edit`
        """
        defined = defined_parameters(self.main_cf)
        for name, value in wanted.items():
            is_given_back = self._has_without_us(name, value)
            if not is_given_back:
                self.claim(MAIN_CF, name)
            if value is None:
                self.write(MAIN_CF, comment_out(self.main_cf, name), parameters=(name,), reason=reason)
                continue
            present = self.look.parameters.get(name, defined.get(name))
            if not is_given_back and not same_value(present, value):
                content = set_parameter(self.main_cf, name, value)
                self.write(MAIN_CF, content, parameters=(name,), reason=reason)
                present = value
            if name in self.look.parameters and not is_given_back:
                self.expected[name] = present or ""

    def _has_without_us(self, name: str, value: str | None) -> bool:
        """Whether a parameter of ours has this value without us, too: then its earlier lines are restored."""
        if value is None or name not in self.ledger.ours(MAIN_CF.key):
            return False
        defined = self.owners.defined
        return same_value(self.owners.parameters.get(name, defined.get(name)), value)

    def set_options(
        self, wanted: Mapping[str, Mapping[str, str | None]], reason: str = "", *, content: str = ""
    ) -> None:
        """Set options of services in master.cf that differ from the wanted ones.

        + wanted: a service's name for postconf(1), such as `smtp/inet`, to its options: name to value; `None`
          deletes an option
        + reason: see `Edit`
        + content: master.cf with a new service that gets options; empty: the draft's
        """
        for label, options in wanted.items():
            self.claim(MASTER_CF, label, *(f"{label}/{option}" for option in options))
        before = {service.label: service.effective_options for service in services(self.master_cf)}
        content = set_options(content or self.master_cf, wanted)
        changed = tuple(
            f"{label}/{name}"
            for label, options in wanted.items()
            for name, value in options.items()
            if not same_value(before.get(label, {}).get(name), value)
        )
        self.write(MASTER_CF, content, parameters=changed, reason=reason)
        for service in services(content):
            # smtpd understands `-oname=value`, but postconf misreads it.
            joined = {option.name for option in service.options if option.joined}
            present = service.effective_options
            for name, value in wanted.get(service.label, {}).items():
                if value is not None and name not in joined:
                    self.expected[f"{service.label}/{name}"] = present.get(name, value)

    def note(self, text: str) -> None:
        """Add a sentence about the host to the preview."""
        self.notes.append(Note(self._step, text))

    def note_beside(self, parameter: str, text: str) -> None:
        """Add a sentence to the edits of the step that edits this parameter."""
        steps = [edit.step for edit in self.edits if parameter in edit.parameters]
        self.notes.append(Note((steps or [self._step])[0], text))

    def reload(self, key: str, reason: str) -> None:
        """Reload a service even if none of its files changes.

        + key: its `Service.key`
        + reason: for people
        """
        self.due.setdefault(key, []).append(reason)


def is_for_everybody(mode: str) -> bool:
    """Whether everybody may read a file with these permissions, such as `0644`."""
    return bool(int(mode or "0", 8) & 0o004)


def are_for_everybody(modes: Iterable[str | None]) -> bool:
    """Whether everybody may read a file with each of these permissions; empty ones are ignored."""
    return all(is_for_everybody(mode) for mode in modes if mode)
