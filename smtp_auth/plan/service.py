"""A service of a mail host: what a plan has to know of it. All else stands in its folder of `services/`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from smtp_auth.facts.look import ManagedFile
from smtp_auth.plan.draft import Draft


def _reads_nothing(_file: ManagedFile, _content: str) -> Mapping[str, str]:
    return {}


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
    + read: what the service reads in one of its files: name to value
    + expect: tells a draft in which earlier files come back what has to be read and proved afterwards
    """

    key: str
    name: str
    package: str
    reload_order: int | None = None
    files: tuple[ManagedFile, ...] = ()
    due: Callable[[Draft], None] = field(default=_nothing, compare=False)
    read: Callable[[ManagedFile, str], Mapping[str, str]] = field(default=_reads_nothing, compare=False)
    expect: Callable[[Draft], None] = field(default=_nothing, compare=False)
