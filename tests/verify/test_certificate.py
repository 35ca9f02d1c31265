"""The certificate that clients see is the host's own, current, complete, and trusted."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import pairwise

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from smtp_auth.facts.look import Look
from smtp_auth.services.certbot.lifetime import is_overdue, left, share_of
from smtp_auth.services.postfix import sni
from smtp_auth.services.postfix.submissions_options import has_own_certificate
from smtp_auth.shown import counted, some_names
from smtp_auth.verify.inside import Owner, readers
from smtp_auth.verify.own_certificates import names_in
from smtp_auth.verify.target import Target, caution
from smtp_auth.verify.visits import WRONG_NAME, Session

_RELOAD = (
    "Postfix has not loaded it, or uses other files (then deploy): run systemctl reload postfix, and check "
    "that certbot's hook does that, or "
    "whatever else renews the certificate or copies it here"
)


def test_the_chain_verifies(untrusted: dict[str, str]) -> None:
    failed = {address: reason for address, reason in untrusted.items() if reason}
    assert not failed, (
        f"clients refuse the certificate: {failed}; renew it (certbot renew). If you have an authority of "
        "your own, set verify_ca_file to the file with its certificate"
    )


def test_the_name_is_covered(covered: dict[str, bool], target: Target) -> None:
    name = target.settings.mail_hostname
    assert covered[name], f"the certificate does not cover {name}: issue it for that name, too"


def test_a_wrong_name_is_not_covered(covered: dict[str, bool]) -> None:
    assert not covered[WRONG_NAME], f"the certificate covers {WRONG_NAME}: it is not a certificate for a host"


def test_the_certificate_has_lifetime_left(
    sessions_465: dict[str, Session],
    certificates_by_name: dict[str, x509.Certificate],
    target: Target,
    record_property: Callable[[str, object], None],
) -> None:
    shown = {address: session.certificate for address, session in sessions_465.items()}
    ends = {name: one.not_valid_after_utc for name, one in certificates_by_name.items()}
    # Of the host's own name, that of the address whose certificate ends first.
    ends[target.settings.mail_hostname] = min(one.not_valid_after_utc for one in shown.values())
    for name, end in ends.items():
        record_property(name, end)
    _have_lifetime_left({**shown, **certificates_by_name}, target)


def test_the_intermediates_are_sent(sessions_465: dict[str, Session], untrusted: dict[str, str]) -> None:
    for address, session in sessions_465.items():
        chain = session.chain
        alone = len(chain) == 1 and untrusted[address]
        assert not alone, (
            f"{address}: the server does not send the intermediate certificates: serve fullchain.pem, not "
            "cert.pem"
        )
        for issued, issuer in pairwise(chain):
            assert issued.issuer == issuer.subject, (
                f"{address}: the certificate after that of {_name(issued)} must be its issuer's, but is that "
                f"of {_name(issuer)}: serve certbot's fullchain.pem unchanged"
            )


def test_port_465_serves_the_certificate_on_the_disk(
    look: Look,
    sessions_465: dict[str, Session],
    disk_chains: dict[str, list[x509.Certificate]],
    own_by_name: dict[str, str],
    target: Target,
) -> None:
    _leave_to_its_owner(look)
    name = target.settings.mail_hostname
    if own_by_name.get(name) == "":
        pytest.skip(f"the host's owner has set a certificate for {name} in tls_server_sni_maps")
    _served_as_on_disk(sessions_465, disk_chains[target.settings.mail_domain][0])


def test_port_25_serves_the_certificate_on_the_disk(
    sessions_25: dict[str, Session],
    disk_chains: dict[str, list[x509.Certificate]],
    own_on_port_25: dict[str, str],
    target: Target,
) -> None:
    """Or a trusted one that the host's owner has set for port 25."""
    for address, refusal in own_on_port_25.items():
        assert not refusal, (
            f"{address}, port 25: the certificate of {_name(sessions_25[address].certificate)}, which the "
            f"host's owner has set for this port, is not trusted ({refusal}): renew it, or delete its "
            "options in master.cf"
        )
    _have_lifetime_left({f"{a}, port 25": sessions_25[a].certificate for a in own_on_port_25}, target)
    others = {a: session for a, session in sessions_25.items() if a not in own_on_port_25}
    _served_as_on_disk(others, disk_chains[target.settings.mail_domain][0])


def test_each_name_gets_the_certificate_of_its_domain(
    look: Look,
    certificates_by_name: dict[str, x509.Certificate],
    disk_chains: dict[str, list[x509.Certificate]],
    own_by_name: dict[str, str],
    target: Target,
) -> None:
    """Or the one that the host's owner has set for that name in tls_server_sni_maps, if clients take it."""
    _leave_to_its_owner(look)
    wanted = sni.asked_for(sni.served(target.settings, look))
    for name, shown in certificates_by_name.items():
        if name in own_by_name:
            assert not own_by_name[name], (
                f"{name} gets the certificate of {_name(shown)} out of tls_server_sni_maps, and clients "
                f"refuse it ({own_by_name[name]}): correct the entry of {name} in its table, or delete it"
            )
            continue
        on_disk = next(
            disk_chains[domain][0] for domain, lineage in look.certificates.items() if lineage is wanted[name]
        )
        assert _digest(shown) == _digest(on_disk), (
            f"{name} gets the certificate of {_name(shown)}, not the one in {wanted[name].directory}: "
            f"{_RELOAD}"
        )


def test_key_and_certificate_belong_together(
    look: Look, disk_chains: dict[str, list[x509.Certificate]]
) -> None:
    for domain, lineage in look.certificates.items():
        assert lineage.key, (
            f"{lineage.directory}/privkey.pem is missing or cannot be read: renew the certificate"
        )
        certificate = disk_chains[domain][0]
        assert load_pem_public_key(lineage.key.encode()) == certificate.public_key(), (
            f"{lineage.directory}: privkey.pem does not belong to fullchain.pem: "
            f"run certbot renew --force-renewal --cert-name {domain}"
        )


def test_the_key_is_readable_by_root_alone(key_owners: dict[str, tuple[Owner, ...]]) -> None:
    for key, owners in key_owners.items():
        assert owners, f"{key} is missing"
        others = readers(owners)
        advice = f"{', '.join(others)} can read {owners[0].path}: run chmod 600 and chown root:root"
        # On Debian, other servers on the host read keys as members of this group (package ssl-cert).
        assert set(others) <= {"group ssl-cert"}, advice
        if others:
            caution(advice)


def _have_lifetime_left(certificates: Mapping[str, x509.Certificate], target: Target) -> None:
    """Fail for a certificate that ends too soon, and warn of one that should have been renewed by now.

    + certificates: what serves each of them, to the certificate
    """
    where: dict[x509.Certificate, list[str]] = {}
    for name, certificate in certificates.items():
        where.setdefault(certificate, []).append(name)
    share = target.settings.verify_lifetime_left
    for certificate, found in where.items():
        has, wanted = left(certificate), share_of(certificate, share)
        end = f"{certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        ends = (
            f"{some_names(found)}: the certificate {'expires' if has > timedelta(0) else 'expired'} on {end}"
        )
        assert has >= wanted, (
            f"{ends}; verify_lifetime_left = {share:g} asks for {_in_words(wanted)} more. Find out why it "
            "was not renewed: if certbot renews it, certbot renew on the host shows that"
        )
        if is_overdue(certificate):
            caution(
                f"{ends}, and less than a quarter of its lifetime is left. Find out why it was not renewed: "
                "if certbot renews it, certbot renew on the host shows that"
            )


def _in_words(time: timedelta) -> str:
    days, hours = time // timedelta(days=1), time // timedelta(hours=1)
    return counted(days, "day") if days > 1 else counted(hours, "hour")


def _leave_to_its_owner(look: Look) -> None:
    if has_own_certificate(look.submissions_services):
        pytest.skip("the host's owner has set a certificate for port 465 in master.cf")


def _served_as_on_disk(sessions: dict[str, Session], wanted: x509.Certificate) -> None:
    for address, session in sessions.items():
        assert _digest(session.certificate) == _digest(wanted), (
            f"{address} serves the certificate of {session.certificate.not_valid_before_utc:%Y-%m-%d %H:%M} "
            f"for {_name(session.certificate)}, but the one on the disk is that of "
            f"{wanted.not_valid_before_utc:%Y-%m-%d %H:%M} for {_name(wanted)}; {_RELOAD}"
        )


def _digest(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(hashes.SHA256()).hex()


def _name(certificate: x509.Certificate) -> str:
    return ", ".join(names_in(certificate)) or certificate.subject.rfc4514_string()
