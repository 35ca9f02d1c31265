"""The parameters of smtpd that name files with certificates and keys (postconf(5))."""

from collections import ChainMap
from collections.abc import Iterator, Mapping

from smtp_auth.plan.draft import Draft
from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import services

CERTIFICATE, KEY = "smtpd_tls_cert_file", "smtpd_tls_key_file"

# The parameter of a certificate to that of its key.
KEYS = {
    CERTIFICATE: KEY,
    "smtpd_tls_eccert_file": "smtpd_tls_eckey_file",
    "smtpd_tls_dcert_file": "smtpd_tls_dkey_file",
}

# The files in this one contain keys and certificates together. It overrides all the others.
CHAINS = "smtpd_tls_chain_files"

NAMES = (*KEYS, *KEYS.values(), CHAINS)

# If one of these is set, Postfix serves its certificate instead of that of smtpd_tls_cert_file, or in
# addition.
OTHERS = tuple(name for name in NAMES if name not in (CERTIFICATE, KEY))


def restored_files(draft: Draft) -> tuple[tuple[str, str, str], ...]:
    """The certificates that a draft restores: the parameter, the certificate's file, the key's file.

    The name of a service's option is `submissions/inet/smtpd_tls_cert_file`.
    """
    present = _scopes(draft, draft.look.main_cf.content or "", draft.look.master_cf.content or "")
    coming = _scopes(draft, draft.main_cf, draft.master_cf)
    found: list[tuple[str, str, str]] = []
    for scope, values in coming.items():
        earlier = present.get(scope, {})
        found += _files(scope, {name: values.get(name, "") for name in NAMES}, earlier)
    return tuple(found)


def _scopes(draft: Draft, main_cf: str, master_cf: str) -> dict[str, dict[str, str]]:
    """The effective values of main.cf, and of each service that overrides some, by a prefix of the names."""
    defined = defined_parameters(main_cf)
    scopes: dict[str, Mapping[str, str]] = {"": defined}
    for service in services(master_cf):
        if any(name in service.effective_options for name in NAMES):
            scopes[f"{service.label}/"] = ChainMap(service.effective_options, defined)
    known = {**draft.look.parameters, **defined}
    return {
        scope: {name: expanded(values[name], known) for name in NAMES if name in values}
        for scope, values in scopes.items()
    }


def _files(
    scope: str, values: Mapping[str, str], earlier: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    for certificate, key in KEYS.items():
        is_new = any(values[name] != earlier.get(name, "") for name in (certificate, key))
        if is_new and values[certificate] not in ("", "none"):
            # If there is no parameter for the key, it is in the file of the certificate.
            yield scope + certificate, values[certificate], values[key] or values[certificate]
    if values[CHAINS] != earlier.get(CHAINS, ""):
        yield from ((scope + CHAINS, file, file) for file in elements(values[CHAINS]))
