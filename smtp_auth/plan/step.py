"""A step of the guide: one thing that a host shall have, with one contract.

A step is a module of `operations/`, which ends with its `Step` and holds its pyinfra operation;
`operations/__init__.py` lists the steps in the guide's order. The data check, the look's questions, the
preview, the deploy and the verification all go over that list.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.past.original import Past
from smtp_auth.plan.draft import Draft
from smtp_auth.settings import Settings


def _no_parameters(_settings: Settings) -> tuple[str, ...]:
    return ()


def _nothing(_settings: Settings, _look: Look) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Step:
    """One step.

    + name: what preview, JSON and verification call it
    + nothing_to_do: what to say if the host has it already
    + edit: edits the draft so that the host has it afterwards; does nothing if it has it already
    + take_back: edits the draft so that what this step has ever written there is as it was
    + writes: the parameters of main.cf that it may write
    + parameters: the Postfix parameters whose effective values the look must read for it
    + files: the files that it may write, beside Postfix's main.cf and master.cf
    + obstacles: why a host cannot have it, and what to do, one sentence per reason; they refuse the host
    + warnings: what somebody has to do by hand, or soon, one sentence per warning
    """

    name: str
    nothing_to_do: str
    edit: Callable[[Draft], None]
    take_back: Callable[[Draft, Past], None]
    writes: tuple[str, ...] = ()
    parameters: Callable[[Settings], Iterable[str]] = _no_parameters
    files: tuple[ManagedFile, ...] = ()
    obstacles: Callable[[Settings, Look], Iterable[str]] = _nothing
    warnings: Callable[[Settings, Look], Iterable[str]] = _nothing


_ALWAYS_ASKED = ("mail_version", "config_directory", "queue_directory")


def parameters_asked(steps: Iterable[Step], settings: Settings) -> tuple[str, ...]:
    """The Postfix parameters that a look must read, each once."""
    names = (name for step in steps for name in step.parameters(settings))
    return tuple(dict.fromkeys((*_ALWAYS_ASKED, *names)))


def without_edits(name: str, nothing_to_do: str) -> Step:
    """A step of no deploy: under its name stands what happens to files as a whole."""
    return Step(name, nothing_to_do, edit=lambda draft: None, take_back=lambda draft, past: None)


def files_managed(steps: Iterable[Step]) -> tuple[ManagedFile, ...]:
    """The files that the steps may write; a table stands before the main.cf that refers to it."""
    return (*(file for step in steps for file in step.files), MAIN_CF, MASTER_CF)
