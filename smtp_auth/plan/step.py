"""A step of the guide: one thing that a host shall have, with one contract.

A step is a module of `operations/`, which ends with its `Step` and holds its pyinfra operation;
`operations/__init__.py` lists the steps in the guide's order. The data check, the look's questions, the
preview, the deploy and the verification all go over that list.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from smtp_auth.facts.look import Look, ManagedFile
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.service import Service
from smtp_auth.settings import Settings


def _no_parameters(_settings: Settings) -> tuple[str, ...]:
    return ()


def _nothing(_settings: Settings, _look: Look) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Part:
    """Something under whose name a plan has edits: a step, or what an undo does to whole files.

    + name: what preview, JSON and verification call it
    + nothing_to_do: what to say if there is nothing of it to do
    """

    name: str
    nothing_to_do: str


@dataclass(frozen=True)
class Step(Part):
    """One step.

    + service: whose configuration it is about
    + edit: edits the draft so that the host has it afterwards; does nothing if it has it already
    + parameters: the Postfix parameters whose effective values the look must read for it
    + files: the files that it may write, beside Postfix's main.cf and master.cf
    + obstacles: why a host cannot have it, and what to do, one sentence per reason; they refuse the host
    + warnings: what somebody has to do by hand, or soon, one sentence per warning
    """

    service: Service
    edit: Callable[[Draft], None]
    parameters: Callable[[Settings], Iterable[str]] = _no_parameters
    files: tuple[ManagedFile, ...] = ()
    obstacles: Callable[[Settings, Look], Iterable[str]] = _nothing
    warnings: Callable[[Settings, Look], Iterable[str]] = _nothing


_ALWAYS_ASKED = ("mail_version", "config_directory", "queue_directory")


def parameters_asked(steps: Iterable[Step], settings: Settings) -> tuple[str, ...]:
    """The Postfix parameters that a look must read, each once."""
    names = (name for step in steps for name in step.parameters(settings))
    return tuple(dict.fromkeys((*_ALWAYS_ASKED, *names)))


def services_of(steps: Iterable[Step]) -> tuple[Service, ...]:
    """The services that the steps are about, in the order in which their files go live.

    Those that nothing reloads come first.
    """
    found = dict.fromkeys(step.service for step in steps)
    return tuple(sorted(found, key=lambda service: service.reload_order or 0))


def files_managed(steps: Iterable[Step]) -> tuple[ManagedFile, ...]:
    """The files that the steps may write; a table stands before the main.cf that refers to it."""
    steps = tuple(steps)
    own = (file for step in steps for file in step.files)
    return (*own, *(file for service in services_of(steps) for file in service.files))


def files_of_services(steps: Iterable[Step]) -> tuple[tuple[Service, ManagedFile], ...]:
    """Each of these files with its service."""
    steps = tuple(steps)
    services = {service.key: service for service in services_of(steps)}
    return tuple((services[file.service], file) for file in files_managed(steps))
