"""certbot's deploy hook: what it reloads."""

from smtp_auth.facts.look import Look
from smtp_auth.services.certbot.block import BLOCK
from smtp_auth.services.certbot.script_effect import ScriptEffect, effect_of


def has_certbot(look: Look) -> bool:
    """Whether certbot is on the host, and with it whatever runs the hook."""
    return "certbot" in look.commands


def effect_of_hook(content: str, unit: str) -> ScriptEffect:
    """Whether a hook reloads a unit, its owner's lines and ours taken together.

    Ours reload Postfix only after renewals of the host's own lineages, which is all that is wanted of them.
    """
    ours = BLOCK.search(content)
    if ours and unit == "postfix" and "systemctl reload postfix" in ours[0]:
        content = BLOCK.sub("systemctl reload postfix\n", content)
    return effect_of(content, unit)
