"""What Postfix must read, and what must be proved, after an undo or removal has restored files.

Unlike after a deploy, these files may contain any configuration.
"""

from collections.abc import Mapping
from dataclasses import replace

from smtp_auth.plan.draft import Draft
from smtp_auth.plan.proof import Proof
from smtp_auth.postfix.lists import expanded
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import submissions_services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.services.postfix.certificate_files import restored_files


def expect(draft: Draft) -> None:
    """Tell a draft what the host's postconf must print for its files, and what to prove on port 465."""
    present, coming = (defined_parameters(text) for text in (draft.look.main_cf.content or "", draft.main_cf))
    for name, value in coming.items():
        # The value of a `$name` may change, too, and postconf may print bytes outside ASCII in another form.
        plain = "$" not in value and value.isascii()
        if present.get(name) != value and name in draft.look.parameters and plain:
            draft.expected[name] = value
    draft.proof = replace(_proof(draft), restored_certificates=restored_files(draft))


def _proof(draft: Draft) -> Proof:
    found = [service for service in submissions_services(draft.master_cf) if service.command == "smtpd"]
    if not found:
        return replace(draft.proof, submissions=False)
    effective = {**defined_parameters(draft.main_cf), **found[0].effective_options}
    on = {name for name, value in effective.items() if is_yes(expanded(value, effective))}
    return replace(
        draft.proof,
        # A proof has no client certificate, so a service that requires one would reject its connection.
        submissions="smtpd_tls_req_ccert" not in on,
        wrapped="smtpd_tls_wrappermode" in on,
        certificates=((draft.settings.mail_hostname, _chain(effective)),),
        logins="smtpd_sasl_auth_enable" in on and not effective.get("smtpd_sasl_exceptions_networks"),
        proxied=bool(effective.get("smtpd_upstream_proxy_protocol")),
    )


def _chain(effective: Mapping[str, str]) -> str:
    """The file with the certificate that a service serves; empty if its options do not determine it."""
    chain = effective.get("smtpd_tls_cert_file", "")
    others = ("smtpd_tls_chain_files", "smtpd_tls_eccert_file", "tls_server_sni_maps")
    return "" if "$" in chain or any(effective.get(name) for name in others) else chain
