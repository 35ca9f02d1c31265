"""The instructions for certbot's deploy hook, which Change.pm in this folder reads."""

from collections.abc import Iterator

from smtp_auth.facts.look import Look
from smtp_auth.plan.plan import Plan
from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.certbot.shebang import shell_of
from smtp_auth.services.instruction import Instruction
from smtp_auth.settings import Settings


def instructions(plan: Plan, _settings: Settings, look: Look) -> Iterator[Instruction]:
    """certbot's part of a change; nothing if certbot is not supposed to run the hook.

    certbot skips a hook that is not executable. If an undo or removal restores such a hook of the owner's, it
    is not checked.
    """
    for planned in plan.files:
        if planned.service != CERTBOT or planned.content is None:
            continue
        if _can_be_run(planned.mode) or not plan.proof.earlier:
            yield "certbot.file", look.key_of(planned.file)
            yield from (("certbot.shell", word) for word in shell_of(planned.content).split())


def _can_be_run(mode: str) -> bool:
    return bool(int(mode, 8) & 0o111)
