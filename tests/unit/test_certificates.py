"""Which problems of a host's certificates refuse a deploy, and which are only warnings."""

import ssl
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from operations import postfix_sni, postfix_tls
from smtp_auth.facts.look import Lineage, Look
from smtp_auth.services.certbot import certificates
from smtp_auth.settings import Settings
from tests.unit.looks import look, settings
from tests.unit.scenarios import LIVE

BEGIN = "-----BEGIN CERTIFICATE-----"
KEY = ec.generate_private_key(ec.SECP256R1())


def lineage(name: str, covers: Sequence[str], days: float = 60, key: str | None = None) -> Lineage:
    """A lineage whose certificate expires in that many days."""
    subject = x509.Name([])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder(subject, subject, KEY.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
    )
    if covers:
        listed = x509.SubjectAlternativeName([x509.DNSName(name) for name in covers])
        builder = builder.add_extension(listed, critical=False)
    chain = builder.sign(KEY, SHA256()).public_bytes(Encoding.PEM).decode("ascii")
    own = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    renewal = f"/etc/letsencrypt/renewal/{name}.conf"
    return Lineage(f"{LIVE}/{name}", chain, own if key is None else key, renewal=renewal)


MAIL = settings()


def obstacles(wanted: Settings, seen: Look) -> list[str]:
    """The obstacles that the two TLS steps find in the certificates."""
    steps = (postfix_tls.STEP, postfix_sni.STEP)
    return [reason for step in steps for reason in step.obstacles(wanted, seen)]


def warnings(wanted: Settings, seen: Look) -> list[str]:
    """The warnings of the two TLS steps."""
    steps = (postfix_tls.STEP, postfix_sni.STEP)
    return [warning for step in steps for warning in step.warnings(wanted, seen)]


def obstacle(seen: Look) -> str:
    """The only obstacle."""
    found = obstacles(MAIL, seen)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("covers", ["mail.example.jp", "*.example.jp", "MAIL.Example.JP"])
def test_a_certificate_that_covers_the_hostname_is_no_obstacle(covers: str) -> None:
    assert obstacles(MAIL, look([lineage("example.jp", [covers])])) == []


@pytest.mark.parametrize(
    "covers", [["example.jp"], ["imap.example.jp"], ["*.mail.example.jp"], ["*.jp"], ["xmail.example.jp"]]
)
def test_a_certificate_of_other_names_is_an_obstacle(covers: list[str]) -> None:
    assert "does not cover mail.example.jp" in obstacle(look([lineage("example.jp", covers)]))


def test_the_command_that_adds_a_name_keeps_those_that_there_are() -> None:
    found = obstacle(look([lineage("example.jp", ["example.jp", "imap.example.jp"])]))
    assert (
        "certbot certonly --cert-name example.jp -d example.jp -d imap.example.jp -d mail.example.jp" in found
    )


def test_a_certificate_without_names_is_an_obstacle() -> None:
    found = obstacles(MAIL, look([lineage("example.jp", [])]))
    assert any("covers no DNS name" in one for one in found)


@pytest.mark.parametrize(
    ("days", "refused", "warned"),
    [(-0.1, True, False), (0.1, False, True), (22.4, False, True), (22.6, False, False), (60, False, False)],
)
def test_the_end_of_a_certificate(days: float, refused: bool, warned: bool) -> None:
    seen = look([lineage("example.jp", ["mail.example.jp"], days)])
    assert bool(obstacles(MAIL, seen)) == refused
    found = warnings(MAIL, seen)
    assert bool(found) == warned
    assert all("certbot renew --cert-name example.jp" in one for one in found)


def test_without_certbot_no_certbot_command_is_advised() -> None:
    seen = look([lineage("example.jp", ["mail.example.jp"], days=-1)], commands=())
    assert "renew it with the client that obtained it" in obstacle(seen)


def test_a_key_of_another_certificate_is_an_obstacle() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
    found = obstacle(look([lineage("example.jp", ["mail.example.jp"], key=pem)]))
    assert "does not belong to fullchain.pem" in found
    assert "certbot renew --force-renewal --cert-name example.jp" in found


def test_an_unreadable_key_is_an_obstacle() -> None:
    found = obstacle(look([lineage("example.jp", ["mail.example.jp"], key="")]))
    assert f"{LIVE}/example.jp/privkey.pem is missing or cannot be read" in found


@pytest.mark.parametrize("chain", ["", "not PEM", f"{BEGIN}\nAAAA\n{BEGIN.replace('BEGIN', 'END')}\n"])
def test_a_broken_chain_is_an_obstacle(chain: str) -> None:
    assert "is not a certificate in PEM" in obstacle(look([Lineage(f"{LIVE}/example.jp", chain, "")]))


def test_a_missing_lineage_is_an_obstacle_that_names_what_there_is() -> None:
    found = obstacle(look([Lineage(f"{LIVE}/example.jp")], there=["example.org"]))
    assert "(the host has: example.org)" in found
    assert "certbot certonly --cert-name example.jp -d mail.example.jp" in found


@pytest.mark.parametrize(
    ("there", "named"), [("example.jp-0001", True), ("example.jp-0012", True), ("example.jp-test", False)]
)
def test_a_renamed_lineage_is_named_with_the_way_back(there: str, named: bool) -> None:
    found = obstacle(look([Lineage(f"{LIVE}/example.jp")], there=[there]))
    assert "certbot certonly --cert-name example.jp -d mail.example.jp" in found
    assert (f"certbot delete --cert-name {there}" in found) == named


def test_an_expired_lineage_beside_a_renamed_one_names_that() -> None:
    seen = look([lineage("example.jp", ["mail.example.jp"], days=-1)], there=["example.jp-0001"])
    assert "certbot also has example.jp-0001, which Postfix does not use" in obstacle(seen)


def test_every_further_domain_is_looked_at_by_itself() -> None:
    both = settings(additional_domains=["example.net", "example.org"])
    seen = look(
        [
            lineage("example.jp", ["mail.example.jp"]),
            lineage("example.net", ["smtp.example.net"], days=-1),
            Lineage(f"{LIVE}/example.org"),
        ]
    )
    expired, missing = obstacles(both, seen)
    assert f"the certificate in {LIVE}/example.net expired" in expired
    assert "certbot certonly --cert-name example.org -d mail.example.org" in missing


def test_a_postfix_without_sni_cannot_serve_further_domains() -> None:
    seen = look([lineage("example.jp", ["mail.example.jp"]), lineage("example.net", ["x.example.net"])])
    del seen.parameters["tls_server_sni_maps"]
    (found,) = obstacles(settings(additional_domains=["example.net"]), seen)
    assert "Postfix 3.10.5 has no SNI" in found
    assert obstacles(MAIL, seen) == []


def test_an_owners_table_of_older_copies_is_warned_of() -> None:
    seen = look([lineage("example.jp", ["mail.example.jp"])], stale_tables=["hash:/etc/postfix/sni"])
    (found,) = warnings(MAIL, seen)
    assert "postmap -F hash:/etc/postfix/sni" in found


# -- lineages with other names ------------------------------------------------------------------------


def covering(seen: Look, *lineages: Lineage) -> Look:
    """The host with further lineages whose certificates may cover its name."""
    return replace(seen, covering={one.directory.rpartition("/")[2]: one for one in lineages})


@pytest.mark.parametrize("own", [Lineage(f"{LIVE}/example.jp"), lineage("example.jp", ["www.example.jp"])])
@pytest.mark.parametrize("covers", ["mail.example.jp", "*.example.jp"])
def test_a_lineage_that_covers_the_host_is_named_with_its_key(own: Lineage, covers: str) -> None:
    other = lineage("mail.example.jp", [covers])
    found = obstacle(covering(look([own], there=["mail.example.jp"]), other))
    assert (
        "the lineage mail.example.jp covers mail.example.jp: set certificate_name to 'mail.example.jp'"
        in found
    )


@pytest.mark.parametrize(
    "other",
    [
        lineage("mail.example.jp", ["mail.example.jp.evil.example"]),
        lineage("mail.example.jp", ["mail.example.jp"], days=-1),
        lineage("x;reboot", ["mail.example.jp"]),
        Lineage(f"{LIVE}/mail.example.jp", "not PEM"),
    ],
)
def test_a_lineage_that_would_not_do_is_not_named(other: Lineage) -> None:
    assert "certificate_name" not in obstacle(covering(look([Lineage(f"{LIVE}/example.jp")]), other))


def test_commands_have_the_lineages_name() -> None:
    named = settings(certificate_name="mail-2026")
    own = replace(lineage("mail-2026", ["mail.example.jp"], days=-1), directory=f"{LIVE}/mail-2026")
    seen = replace(look([]), certificates={"example.jp": own})
    (found,) = obstacles(named, seen)
    assert "certbot renew --cert-name mail-2026" in found


def test_names_of_a_certificate_are_quoted_in_commands() -> None:
    """Those of a shell's characters that a DNS name may have; others are left out."""
    found = obstacle(look([lineage("example.jp", ["*.example", "$(reboot).example", "x y.example"])]))
    assert "-d '*.example' -d mail.example.jp on the host" in found


def test_an_owners_table_is_quoted_in_a_command() -> None:
    seen = look([lineage("example.jp", ["mail.example.jp"])], stale_tables=["hash:/etc/x;reboot"])
    assert "run postmap -F 'hash:/etc/x;reboot' on the host" in warnings(MAIL, seen)[0]


def test_a_name_with_white_space_is_left_out_and_named() -> None:
    odd = "mail2.example.jp\nmail.example.net /etc/x /etc/y"
    one = lineage("example.jp", ["mail.example.jp", odd, "*.example.jp", "mail 3.example.jp"])
    found = list(certificates.warnings(settings(), look([one]), "example.jp"))
    assert certificates.names(one) == ["mail.example.jp", "*.example.jp"]
    assert [repr(odd) in warning for warning in found] == [True, False]
    assert all("is no DNS name" in warning for warning in found)
    table = postfix_sni.desired_table(settings(), look([one]))
    assert len(table.splitlines()) == 3


# Bytes of a certificate, and those that somebody may write instead.
VERSION = b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"
TWICE = bytes.fromhex("0603551d09"), bytes.fromhex("0603551d11")
NO_TEXT = b"mail.example.jp", b"mail.\xff\xfeample.jp"
KIND = b"\x88\x03\x2a\x03\x04", b"\xa5\x03\x2a\x03\x04"
ADDRESS = b"\x88\x03\x2a\x03\x04", b"\x87\x03\x2a\x03\x04"


@pytest.mark.parametrize("bytes_", [VERSION, TWICE, NO_TEXT, KIND, ADDRESS])
def test_a_certificate_with_odd_bytes_is_an_obstacle(bytes_: tuple[bytes, bytes]) -> None:
    subject, now = x509.Name([]), datetime.now(UTC)
    number = x509.ObjectIdentifier("1.2.3.4")
    alternative = x509.SubjectAlternativeName([x509.DNSName("mail.example.jp"), x509.RegisteredID(number)])
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.9"), b"\x05\x00")
    certificate = (
        x509.CertificateBuilder(subject, subject, KEY.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=60))
        .add_extension(alternative, critical=False)
        .add_extension(other, critical=False)
        .sign(KEY, SHA256())
    )
    der = certificate.public_bytes(Encoding.DER).replace(*bytes_, 1)
    chain = ssl.DER_cert_to_PEM_cert(der)
    good = lineage("example.jp", ["mail.example.jp"])
    odd = replace(good, chain=chain)
    assert certificates.names(odd) == []
    found = obstacle(look([odd]))
    expected = "is not a certificate in PEM" if bytes_ is VERSION else "the names of the certificate in"
    assert expected in found
    assert "certbot renew" in found


def test_a_file_that_is_not_read_is_named() -> None:
    unread = Lineage(f"{LIVE}/example.jp", unread=f"{LIVE}/example.jp/fullchain.pem is no file")
    seen = replace(look(), certificates={"example.jp": unread})
    [said] = certificates.obstacles(settings(), seen, "example.jp")
    assert said.startswith(
        f"{LIVE}/example.jp/fullchain.pem is no file, so it is not read: replace it by a file"
    )
