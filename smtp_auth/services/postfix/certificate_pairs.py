"""Services that have a certificate of their own in master.cf, but not its key, or the reverse.

They take the other half from main.cf, where a deploy names another certificate: Postfix would then offer no
TLS there ("does not match public key", "disabling TLS support").
"""

from collections import ChainMap
from collections.abc import Iterator

from smtp_auth.facts.look import Look
from smtp_auth.plan.draft import Draft
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, is_submissions, services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.services.postfix.certificate_files import CHAINS, KEYS, NAMES

# The parameter of each half to that of the other one.
_OTHER_HALF = {**KEYS, **{key: certificate for certificate, key in KEYS.items()}}


def keep_pairs(draft: Draft) -> None:
    """Give such a service what it has taken from main.cf so far: the other half, or a chain.

    It gets none if what main.cf has after the change belongs to its own half: that is in the same directory.
    """
    changing = {name for edit in draft.edits for name in edit.parameters if name in NAMES}
    present = {one.label: one.effective_options for one in services(draft.look.master_cf.content or "")}
    coming = defined_parameters(draft.main_cf)
    data = draft.settings.submissions_options
    wanted: dict[str, dict[str, str | None]] = {}
    for service in services(draft.owners.master_cf.content or ""):
        if is_submissions(service) and data.keys() & {*NAMES}:
            continue
        given = present.get(service.label, {})
        for name in _from_main_cf(draft.owners, service):
            if _belongs(draft.look, service, name, coming):
                continue
            if name in given or name in changing:
                value = given.get(name, _in_use(draft.look, service, name))
                wanted[service.label] = {**wanted.get(service.label, {}), name: value}
    draft.set_options(wanted, "its certificate and its key stay a pair, although main.cf names others")


def _from_main_cf(look: Look, service: Service) -> Iterator[str]:
    """What a service with a certificate or key of its own takes from main.cf.

    + look: the host without what we have written
    """
    own = service.effective_options
    if service.command != "smtpd" or own.get(CHAINS) or not _has_tls(look, service):
        return
    if look.defined.get(CHAINS) and CHAINS not in own:
        # It overrides the others.
        yield from [CHAINS] if own.keys() & {*NAMES} else []
        return
    for name, other in _OTHER_HALF.items():
        if own.get(other, "none") not in ("", "none") and name not in own and _in_use(look, service, name):
            yield name


def _has_tls(look: Look, service: Service) -> bool:
    """Whether a service may offer TLS; in wrapper mode, it does at any level."""
    level, wrapped = (
        look.value(service, name) for name in ("smtpd_tls_security_level", "smtpd_tls_wrappermode")
    )
    return level.lower() != "none" or is_yes(wrapped)


def _in_use(look: Look, service: Service, name: str) -> str:
    """The value that a service takes from main.cf. By default, a key is in the file of its certificate."""
    if name not in look.defined:
        return f"${_OTHER_HALF[name]}" if name in KEYS.values() else ""
    return expanded(look.defined[name], look.definitions_of(service))


def _belongs(look: Look, service: Service, name: str, coming: dict[str, str]) -> bool:
    """Whether the other half that main.cf has after the change is beside a service's own one."""
    other = _OTHER_HALF.get(name)
    if other is None or not coming.get(name):
        return False
    definitions = ChainMap(service.effective_options, coming, look.definitions)
    own, half = (expanded(value, definitions) for value in (service.effective_options[other], coming[name]))
    return own.rpartition("/")[0] == half.rpartition("/")[0]
