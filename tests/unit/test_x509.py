"""Certificates as a library makes them, read without it."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from facts.x509 import first_certificate, public_key

_KEYS: dict[str, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = {
    "EC": ec.generate_private_key(ec.SECP256R1()),
    "RSA": rsa.generate_private_key(65537, 2048),
}


def _issued(key: str, names: list[x509.GeneralName] | None, end: datetime) -> str:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.jp")])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(_KEYS[key].public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - timedelta(days=90))
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if names is not None:
        made = made.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return made.sign(_KEYS[key], hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _public(key: str) -> str:
    pem = _KEYS[key].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


@pytest.mark.parametrize("key", _KEYS)
@pytest.mark.parametrize(
    "end", [datetime(2027, 2, 3, 1, 29, 16, tzinfo=UTC), datetime(2061, 1, 1, tzinfo=UTC)]
)
def test_what_the_library_wrote_is_read(key: str, end: datetime) -> None:
    names = [f"mail{number}.example.jp" for number in range(40)] + ["*.example.jp", "xn--r8jz45g.example"]
    others: list[x509.GeneralName] = [x509.RFC822Name("postmaster@example.jp")]
    found = first_certificate(_issued(key, [*map(x509.DNSName, names), *others], end))
    assert found.dns_names == tuple(names)
    assert found.not_after == end
    assert found.public_key == public_key(_public(key))
    assert found.public_key != public_key(_public("RSA" if key == "EC" else "EC"))


def test_a_certificate_without_names_has_none() -> None:
    assert first_certificate(_issued("EC", None, datetime(2027, 1, 1, tzinfo=UTC))).dns_names == ()


def test_of_a_chain_the_first_counts() -> None:
    end = datetime(2027, 1, 1, tzinfo=UTC)
    leaf, issuer = (_issued("EC", [x509.DNSName(name)], end) for name in ("leaf.example.jp", "ca.example.jp"))
    assert first_certificate(f"{leaf}\n{issuer}").dns_names == ("leaf.example.jp",)


def test_what_is_no_certificate_is_refused() -> None:
    whole = _issued("EC", [x509.DNSName("mail.example.jp")], datetime(2027, 1, 1, tzinfo=UTC))
    first, *body, last, _ = whole.split("\n")
    for lines in ([], [*body[:3]], ["AAAA"], ["MAA="], ["MIIC"], ["?"], [*body, "MAA="]):
        with pytest.raises(ValueError, match="not a certificate"):
            first_certificate("\n".join([first, *lines, last]))
    for text in ("", "-----BEGIN CERTIFICATE-----\n", _public("EC")):
        with pytest.raises(ValueError, match="not a certificate"):
            first_certificate(text)
    with pytest.raises(ValueError, match="public key"):
        public_key(whole)
