"""A step of the guide: one thing that a host shall have.

Each step is a module of `operations/` with its pyinfra operation and, at the end, its `Step`.
`operations/__init__.py` lists the steps in the guide's order. The data check, the look, the preview, the
deploy and the verification all use that list.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from smtp_auth.facts.look import Look, ManagedFile
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.service import Service
from smtp_auth.settings import Settings


def _no_parameters(_settings: Settings) -> tuple[str, ...]:
    return ()


def _nothing(_settings: Settings, _look: Look) -> tuple[str, ...]:
    return ()


# Compared and hashed by identity, which is fast.
@dataclass(frozen=True, eq=False)
class Part:
    """A part of a plan that has a name: a step, or the edits of an undo.

    + name: its name in preview, JSON and verification
    + nothing_to_do: what pyinfra shows if the part has no edits
    """

    name: str
    nothing_to_do: str


@dataclass(frozen=True, eq=False)
class Step(Part):
    """One step.

    + service: the service that the step configures
    + edit: edits the draft so that the host has afterwards what the step is for; does nothing if it has that
      already
    + parameters: the Postfix parameters whose effective values the step needs from the look
    + files: the files that it may write, in addition to Postfix's main.cf and master.cf
    + obstacles: why the step cannot be made, and what to do, one sentence per reason; the host is then
      refused
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
    """The services of the steps, in the order in which their files are replaced.

    Services that are never reloaded are the first.
    """
    return _services_of(tuple(steps))


def files_managed(steps: Iterable[Step]) -> tuple[ManagedFile, ...]:
    """The files that the steps may write. Tables are before main.cf, because it refers to them."""
    return tuple(file for _, file in files_of_services(steps))


def files_of_services(steps: Iterable[Step]) -> tuple[tuple[Service, ManagedFile], ...]:
    """Each of the `files_managed`, with its service."""
    return _files_of_services(tuple(steps))


# Each plan needs them many times.
@lru_cache(maxsize=8)
def _services_of(steps: tuple[Step, ...]) -> tuple[Service, ...]:
    found = dict.fromkeys(step.service for step in steps)
    return tuple(sorted(found, key=lambda service: service.reload_order or 0))


@lru_cache(maxsize=8)
def _files_of_services(steps: tuple[Step, ...]) -> tuple[tuple[Service, ManagedFile], ...]:
    services = {service.key: service for service in _services_of(steps)}
    own = [file for step in steps for file in step.files]
    files = (*own, *(file for service in services.values() for file in service.files))
    return tuple((services[file.service], file) for file in files)
