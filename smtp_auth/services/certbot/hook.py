"""certbot's deploy hook: which file it is, which lines of it are ours, and what it reloads."""

import re

from smtp_auth.facts.look import Look, ManagedFile
from smtp_auth.services.certbot import CERTBOT
from smtp_auth.services.certbot.script_effect import ScriptEffect, effect_of

HOOK = ManagedFile("hook", CERTBOT.key, "reload_services.sh")

# Our lines, as templates/certbot_hook_block.sh.j2 has them.
BLOCK = re.compile(r"^# BEGIN smtp-auth\b.*?^# END smtp-auth\n", re.MULTILINE | re.DOTALL)


def has_certbot(look: Look) -> bool:
    """Whether certbot is installed on the host; only certbot runs the hook."""
    return "certbot" in look.commands


def effect_of_hook(content: str, unit: str) -> ScriptEffect:
    """Whether a hook reloads a unit, with its owner's lines and ours.

    Our lines reload Postfix only after a renewal of one of the host's own lineages. That is what the deploy
    wants, so here it counts as an unconditional reload.
    """
    ours = BLOCK.search(content)
    if ours and unit == "postfix" and "systemctl reload postfix" in ours[0]:
        content = BLOCK.sub("systemctl reload postfix\n", content)
    return effect_of(content, unit)
