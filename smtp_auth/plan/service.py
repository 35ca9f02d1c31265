"""What a plan has to know of a service. Everything else about it is in its folder of `services/`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from smtp_auth.facts.ledger import Definition, Ledger
from smtp_auth.facts.look import Look, ManagedFile
from smtp_auth.plan.draft import Draft


class Definitions:
    """Reads and restores the definitions in a service's files. This class finds none; subclasses do.

    A definition is a parameter, an option, a service of master.cf, or a block of lines. It may have parts,
    whose names begin with its own name and a slash: `submissions/inet/syslog_name` is a part of
    `submissions/inet`. It is ours only if all parts that we have written are ours.
    """

    def covers(self, _file: ManagedFile) -> bool:
        """Whether it reads definitions in this file. Any other file is ours or the owner's as a whole."""
        return False

    def read(self, _file: ManagedFile, _content: str) -> Mapping[str, str]:
        """The definitions in a file, name to value."""
        return {}

    def lines(self, _file: ManagedFile, _content: str, _name: str) -> str:
        """The lines of a definition, if its value alone is not enough to restore them; else empty."""
        return ""

    def is_empty(self, _file: ManagedFile, content: str) -> bool:
        """Whether a file contains nothing, or only what we write into every new file."""
        return not content.strip()

    def restored(self, _file: ManagedFile, content: str, _before: Mapping[str, Definition]) -> str:
        """The content of a file after these definitions are restored as they were before us.

        + before: name to definition; if one is its owner's by now, only what remains of ours is deleted
        """
        return content

    def references(self, _value: str) -> set[str]:
        """The definitions to which the value of another one refers, and which their owner may name freely."""
        return set()

    def renamed(
        self, _file: ManagedFile, _ours: Mapping[str, Definition], _present: Mapping[str, str]
    ) -> Mapping[str, str]:
        """The definitions of ours that their owner has renamed: old name to new name.

        + ours: those in the ledger, by their names
        + present: the definitions in the file, name to value
        """
        return {}


@dataclass(frozen=True)
class Needed:
    """What a removal must keep because a service or setting of the owner needs it.

    + definitions: pairs of a file's key and a definition's name
    + files: keys of files that stay as a whole
    + notes: what needs what, one sentence each
    """

    definitions: frozenset[tuple[str, str]] = frozenset()
    files: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    @property
    def in_files(self) -> frozenset[str]:
        """The keys of the files in which something must stay."""
        return self.files | {key for key, _ in self.definitions}


def _needs_nothing(_look: Look, _ledger: Ledger, _first_seen: Mapping[str, str]) -> Needed:
    return Needed()


def _refers_to_nothing(_look: Look, _ledger: Ledger) -> Mapping[tuple[str, str], str]:
    return {}


def _refuses_nothing(_draft: Draft, _first_seen: Mapping[str, str]) -> tuple[str, ...]:
    return ()


def _no_obstacles(_look: Look) -> tuple[str, ...]:
    return ()


def _nothing(_draft: Draft) -> None:
    return


@dataclass(frozen=True)
class Service:
    """One service whose files a deploy writes.

    + key: its name in looks and instructions; `ManagedFile.service` of its files
    + name: its name for people
    + package: the prefix of its Perl packages, such as `SmtpAuth::Postfix`
    + reload_order: its place among the services that are reloaded; `None` if it is never reloaded
    + files: the files that it always has; steps may add more
    + due: adds to a draft the reasons why the service must be reloaded even if no step edits anything
    + obstacles: why a host, as it is, cannot be deployed to, one sentence per reason
    + definitions: reads and restores the definitions in its files
    + follow: adds to a finished draft the notes about settings of the owner that change with its edits
    + expect: adds to a draft that restores earlier files what must be read and proved afterwards
    + needs: returns what a removal must keep; its arguments are a look, its ledger, and the files as they
      were before us, by key
    + referred: returns which definitions must not be deleted because a setting of the owner refers to them,
      with a note each; its arguments are a look and its ledger
    + breaks: returns which services and settings of the owner an undo would break, one sentence each; its
      arguments are the draft of the undo, and the files as they were before us, by key
    """

    key: str
    name: str
    package: str
    reload_order: int | None = None
    files: tuple[ManagedFile, ...] = ()
    due: Callable[[Draft], None] = field(default=_nothing, compare=False)
    obstacles: Callable[[Look], Iterable[str]] = field(default=_no_obstacles, compare=False)
    definitions: Definitions = field(default_factory=Definitions, compare=False)
    follow: Callable[[Draft], None] = field(default=_nothing, compare=False)
    expect: Callable[[Draft], None] = field(default=_nothing, compare=False)
    needs: Callable[[Look, Ledger, Mapping[str, str]], Needed] = field(default=_needs_nothing, compare=False)
    referred: Callable[[Look, Ledger], Mapping[tuple[str, str], str]] = field(
        default=_refers_to_nothing, compare=False
    )
    breaks: Callable[[Draft, Mapping[str, str]], tuple[str, ...]] = field(
        default=_refuses_nothing, compare=False
    )
