"""The plan of a draft in which earlier files come back: in which order, and what proves it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from smtp_auth.facts.look import ManagedFile, Socket, listener_in
from smtp_auth.facts.record import PastChange
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.plan import Plan, Proof, plan_of_draft, unless_in_the_way
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import submissions_services


def plan_back(draft: Draft, managed: Sequence[ManagedFile], back_to: PastChange | None) -> Plan:
    """The plan that makes a host's files what they are in the draft.

    If the auth listener goes, Postfix goes first: an smtpd that offers AUTH and finds no listener dies. What
    has to be proved is read off the files: they may not be what a deploy would make.

    + managed: every file that a change may touch, in the order in which a deploy writes them
    + back_to: the change before which the host will be again, if it is on record
    """
    _expect(draft)
    goes = draft.content(dropin_of(managed)) is None
    proof = _proof(draft, managed)
    if proof.submissions and back_to and not back_to.found_submissions_served:
        draft.note(f"port 465 did not serve before change {back_to.id}, and is not asked to serve as it was")
        proof = replace(proof, submissions=False, certificates=())
    return unless_in_the_way(plan_of_draft(draft, managed, proof, backwards=goes))


def _expect(draft: Draft) -> None:
    """What the host's postconf has to read of the values that come back."""
    present, coming = (defined_parameters(text) for text in (draft.look.main_cf.content or "", draft.main_cf))
    for name, value in coming.items():
        # What an owner's `$name` stands for may change with it, and bytes outside ASCII would not compare.
        plain = "$" not in value and value.isascii()
        if present.get(name) != value and name in draft.look.parameters and plain:
            draft.expected[name] = value


def _proof(draft: Draft, managed: Sequence[ManagedFile]) -> Proof:
    """What port 465 and Dovecot have to give with the files of the draft."""
    listener = _listener(draft, managed)
    found = [service for service in submissions_services(draft.master_cf) if service.command == "smtpd"]
    if not found:
        return Proof(submissions=False, listener=listener, earlier=True)
    effective = {**defined_parameters(draft.main_cf), **found[0].effective_options}
    has_logins = effective.get("smtpd_sasl_auth_enable") == "yes"
    return Proof(
        # Without a certificate of the client's nobody comes in.
        submissions=effective.get("smtpd_tls_req_ccert") != "yes",
        wrapped=effective.get("smtpd_tls_wrappermode") == "yes",
        certificates=((draft.settings.mail_hostname, _chain(effective)),),
        logins=has_logins and not effective.get("smtpd_sasl_exceptions_networks"),
        proxied=bool(effective.get("smtpd_upstream_proxy_protocol")),
        listener=listener,
        earlier=True,
    )


def _chain(effective: Mapping[str, str]) -> str:
    """The file with the certificate of a service; empty where reading does not tell."""
    chain = effective.get("smtpd_tls_cert_file", "")
    others = ("smtpd_tls_chain_files", "smtpd_tls_eccert_file", "tls_server_sni_maps")
    return "" if "$" in chain or any(effective.get(name) for name in others) else chain


def dropin_of(managed: Sequence[ManagedFile]) -> ManagedFile:
    """The file with the auth listener."""
    return next(file for file in managed if file.service == "dovecot")


def _listener(draft: Draft, managed: Sequence[ManagedFile]) -> Socket | None:
    """The auth listener that Dovecot has afterwards; `None` where nobody knows of one."""
    dropin, look = dropin_of(managed), draft.look
    content = draft.content(dropin)
    if content == look.files[dropin.key].content:
        return look.listener
    return listener_in(content or "", f"{look.queue_directory}/private/auth")
