"""The instructions for Dovecot, which Change.pm in this folder reads."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from smtp_auth.facts.look import Look, Socket
from smtp_auth.plan.plan import Plan
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.dovecot.listener import listener_path
from smtp_auth.services.instruction import Instruction
from smtp_auth.settings import Settings


def instructions(plan: Plan, _settings: Settings, look: Look) -> Iterator[Instruction]:
    """Dovecot's part of a change; nothing if the drop-in cannot be written on this host."""
    listener = plan.proof.listener
    for service, dropin in plan.managed:
        if service != DOVECOT:
            continue
        yield "dovecot.directory", str(PurePosixPath(dropin.path).parents[1])
        yield "dovecot.dropin", look.key_of(dropin)
        yield "dovecot.socket", listener_path(look)
        yield "dovecot.listener", _wanted(listener) if listener else ""
        yield "dovecot.had_socket", "yes" if look.socket else ""


def _wanted(listener: Socket) -> str:
    return f"{int(listener.mode, 8):o} {listener.user or '-'} {listener.group or '-'}"
