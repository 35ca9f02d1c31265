"""Certificates that the host's owner has set beside those of the lineages: for a service, or for a name."""

from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import NameOID

from smtp_auth.facts.look import Look
from smtp_auth.postfix.master_cf import Service, port_25_services
from smtp_auth.services.postfix import sni
from smtp_auth.services.postfix.submissions_options import has_own_certificate
from smtp_auth.verify.connection import look
from smtp_auth.verify.conversation import IMPLICIT_TLS, RELAY
from smtp_auth.verify.inside import disk_chains, owners
from smtp_auth.verify.outside import certificates_by_name
from smtp_auth.verify.target import Target, observer
from smtp_auth.verify.visits import serving, sessions_25, trusting, verification


@observer
def own_by_name(target: Target) -> dict[str, str]:
    """Each name for which port 465 shows a certificate out of a table of the owner's, to the reason why
    clients refuse it; empty if they take it.
    """
    if not any(sni.tables_on_port_465(target.see(owners))):
        return {}
    wanted = sni.asked_for(sni.served(target.settings, target.see(look)))
    lineages, chains = target.see(look).certificates, target.see(disk_chains)
    on_disk = {lineage.directory: chains[domain][0] for domain, lineage in lineages.items()}
    shown = target.see(certificates_by_name)
    found = [name for name, one in shown.items() if is_another(one, on_disk[wanted[name].directory])]
    return {name: _distrust(target, serving(target), IMPLICIT_TLS, name) for name in found}


@observer
def own_on_port_25(target: Target) -> dict[str, str]:
    """Each address where port 25 shows a certificate of the owner's, to the reason why nobody trusts
    it; empty if it is trusted.

    Its names are not compared: other servers know the host by the name of its MX record.
    """
    its_owners = target.see(owners)
    services = port_25_services(its_owners.master_cf.content or "")
    if not has_own_certificate(services) and not _has_tables(its_owners, services):
        return {}
    on_disk = target.see(disk_chains)[target.settings.mail_domain][0]
    sessions = target.see(sessions_25)
    return {
        address: _distrust(target, address, RELAY, target.settings.mail_hostname)
        for address, session in sessions.items()
        if is_another(session.certificate, on_disk)
    }


def is_another(certificate: x509.Certificate, of_lineage: x509.Certificate) -> bool:
    """Whether a certificate is neither that of a lineage nor an older one of it.

    A renewal keeps the names and the authority, which may use another intermediate certificate.
    """
    return _kept(certificate) != _kept(of_lineage)


def names_in(certificate: x509.Certificate) -> list[str]:
    """The DNS names in a certificate."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return found.get_values_for_type(x509.DNSName)


def _kept(certificate: x509.Certificate) -> object:
    """What a renewal keeps."""
    organisations = certificate.issuer.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    authority = [one.value for one in organisations] or certificate.issuer
    return {*names_in(certificate)}, authority


def _has_tables(look: Look, services: Iterable[Service]) -> bool:
    return any(look.value(service, "tls_server_sni_maps") for service in services)


def _distrust(target: Target, address: str, port: int, name: str) -> str:
    # Only mail programs compare the name.
    context = trusting(target.settings.verify_ca_file, checks_name=port == IMPLICIT_TLS)
    error = verification(context, address, name, port)
    return error.verify_message if error else ""
