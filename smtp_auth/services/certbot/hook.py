"""certbot's deploy hook: what it reloads."""

from smtp_auth.facts.look import Look
from smtp_auth.services.certbot.block import BLOCK
from smtp_auth.services.certbot.script_effect import ScriptEffect, effect_of


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
