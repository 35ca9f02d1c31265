"""Services that have a certificate of their own in master.cf, but not its key, or the reverse.

They take the other half from main.cf, where a deploy names another certificate: Postfix would then offer no
TLS there ("does not match public key", "disabling TLS support").
"""

from smtp_auth.facts.look import Look
from smtp_auth.plan.draft import Draft
from smtp_auth.postfix.master_cf import services
from smtp_auth.services.postfix.certificate_files import CERTIFICATE, KEY

# What a parameter is if main.cf does not define it (postconf(5)).
_DEFAULTS = {CERTIFICATE: "", KEY: f"${CERTIFICATE}"}


def keep_pairs(draft: Draft) -> None:
    """Give such a service the other half as it has been so far.

    The half that it has taken from main.cf since we have changed that is its owner's choice.
    """
    changing = {name for edit in draft.edits for name in edit.parameters if name in _DEFAULTS}
    present = {one.label: one.effective_options for one in services(draft.look.master_cf.content or "")}
    wanted: dict[str, dict[str, str | None]] = {}
    for label, name, value in _other_halves(draft.owners):
        if name in changing or name in present.get(label, {}):
            wanted[label] = {name: value}
    draft.set_options(wanted, "its certificate and its key stay a pair, although main.cf names others")


def _other_halves(look: Look) -> list[tuple[str, str, str]]:
    """The label of each such service, the parameter that it takes from main.cf, and its value there."""
    found = []
    for service in services(look.master_cf.content or ""):
        own = service.effective_options.keys() & _DEFAULTS.keys()
        if service.command == "smtpd" and len(own) == 1:
            (name,) = _DEFAULTS.keys() - own
            value = look.defined.get(name, _DEFAULTS[name])
            if value:
                found.append((service.label, name, value))
    return found
