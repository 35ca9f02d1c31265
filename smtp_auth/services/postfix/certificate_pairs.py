"""Services that have a certificate of their own in master.cf, but not its key, or the reverse.

They take the other half from main.cf, where a deploy names another certificate: Postfix would then offer no
TLS there ("does not match public key", "disabling TLS support").
"""

from collections.abc import Iterator

from smtp_auth.facts.look import Look
from smtp_auth.plan.draft import Draft
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, services
from smtp_auth.services.postfix.certificate_files import CHAINS, KEYS, NAMES

# The parameter of each half to that of the other one.
_OTHER_HALF = {**KEYS, **{key: certificate for certificate, key in KEYS.items()}}


def keep_pairs(draft: Draft) -> None:
    """Give such a service the other half that it has now, unless main.cf gets what belongs to its own half.

    A half that we have given it stays as it is.
    """
    changing = {name for edit in draft.edits for name in edit.parameters if name in NAMES}
    present = {one.label: one.effective_options for one in services(draft.look.master_cf.content or "")}
    coming = defined_parameters(draft.main_cf)
    wanted: dict[str, dict[str, str | None]] = {}
    for service in services(draft.owners.master_cf.content or ""):
        own = service.effective_options
        for name in _from_main_cf(draft.owners, service):
            half = _OTHER_HALF.get(name)
            if name in present.get(service.label, {}):
                wanted.setdefault(service.label, {})[name] = present[service.label][name]
            elif name in changing and (half is None or coming.get(half) != own[half]):
                wanted.setdefault(service.label, {})[name] = _in_main_cf(draft.look, name)
    draft.set_options(wanted, "its certificate and its key stay a pair, although main.cf names others")


def _from_main_cf(look: Look, service: Service) -> Iterator[str]:
    """What a service with a certificate or key of its own takes from main.cf: the other half, or a chain.

    + look: the host without what we have written
    """
    own = service.effective_options
    has_tls = look.value(service, "smtpd_tls_security_level").lower() != "none"
    if service.command != "smtpd" or not has_tls or CHAINS in own:
        return
    if look.defined.get(CHAINS):
        # It overrides the others.
        yield from [CHAINS] if own.keys() & {*NAMES} else []
        return
    for name, other in _OTHER_HALF.items():
        if own.get(other, "none") not in ("", "none") and name not in own and _in_main_cf(look, name):
            yield name


def _in_main_cf(look: Look, name: str) -> str:
    """The value there, or the default: a key is in the file of its certificate (postconf(5))."""
    default = f"${_OTHER_HALF[name]}" if name in KEYS.values() else ""
    return look.defined.get(name, default)
