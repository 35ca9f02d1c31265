"""A service of a mail host: what a plan has to know of it. All else stands in its folder of `services/`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from smtp_auth.facts.ledger import Definition, Ledger
from smtp_auth.facts.look import Look, ManagedFile
from smtp_auth.plan.draft import Draft


class Definitions:
    """How the definitions of a service stand in its files. This one finds none; a service has its own.

    A definition may have parts, whose names begin with its own and a slash: `submissions/inet` has
    `submissions/inet/syslog_name`. It is ours only together with all parts that we have written.
    """

    def covers(self, _file: ManagedFile) -> bool:
        """Whether a file is made of definitions; any other file is one as a whole."""
        return False

    def read(self, _file: ManagedFile, _content: str) -> Mapping[str, str]:
        """Name to value of each definition in a file."""
        return {}

    def lines(self, _file: ManagedFile, _content: str, _name: str) -> str:
        """The lines that make a definition, where its value does not tell how it was written; else empty."""
        return ""

    def is_empty(self, _file: ManagedFile, content: str) -> bool:
        """Whether a file that we have added holds nothing but what we make of a new one."""
        return not content.strip()

    def restored(self, _file: ManagedFile, content: str, _before: Mapping[str, Definition]) -> str:
        """A file in which these definitions are as they were before us.

        + before: by their names; of those that are their owner's by now only what is left of ours is deleted
        """
        return content

    def renamed(
        self, _file: ManagedFile, _ours: Mapping[str, Definition], _present: Mapping[str, str]
    ) -> Mapping[str, str]:
        """The names that its owner has given to definitions of ours since: old name to new one.

        + ours: those on the ledger, by their names
        + present: what the file has, name to value
        """
        return {}


@dataclass(frozen=True)
class Needed:
    """What has to stay on a host because something of its owner's rests on it.

    + definitions: pairs of a file's key and a definition's name
    + files: keys of files that have to stay as a whole
    + notes: who needs what, a sentence each
    """

    definitions: frozenset[tuple[str, str]] = frozenset()
    files: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def _needs_nothing(_look: Look, _ledger: Ledger, _first_seen: Mapping[str, str]) -> Needed:
    return Needed()


def _refuses_nothing(_draft: Draft, _first_seen: Mapping[str, str]) -> tuple[str, ...]:
    return ()


def _nothing(_draft: Draft) -> None:
    return


@dataclass(frozen=True)
class Service:
    """One service whose files a deploy writes.

    + key: what a look and the instructions for a host call it; `ManagedFile.service` of its files
    + name: what people call it
    + package: the Perl package above those of its folder, `SmtpAuth::Postfix`
    + reload_order: its place among the services that are reloaded; `None` if nothing runs that is reloaded
    + files: those that it always has; steps may have more
    + due: tells a draft why the service must be reloaded even if no step edits anything
    + definitions: how its definitions stand in its files
    + expect: tells a draft in which earlier files are restored what has to be read and proved afterwards
    + needs: what a removal has to leave, made from a look, its ledger, and the files as first seen, by key
    + breaks: what a draft in which earlier files are restored would break of what the owner has set up
      since, a sentence each; made from the draft and the files as first seen
    """

    key: str
    name: str
    package: str
    reload_order: int | None = None
    files: tuple[ManagedFile, ...] = ()
    due: Callable[[Draft], None] = field(default=_nothing, compare=False)
    definitions: Definitions = field(default_factory=Definitions, compare=False)
    expect: Callable[[Draft], None] = field(default=_nothing, compare=False)
    needs: Callable[[Look, Ledger, Mapping[str, str]], Needed] = field(default=_needs_nothing, compare=False)
    breaks: Callable[[Draft, Mapping[str, str]], tuple[str, ...]] = field(
        default=_refuses_nothing, compare=False
    )
