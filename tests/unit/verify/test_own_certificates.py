"""Which certificate is one of the owner's own, and which an older one of the lineage."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from smtp_auth.verify.own_certificates import is_another

KEY = ec.generate_private_key(ec.SECP256R1())
BOTH = ("mail.example.jp", "smtp.example.jp")


def certificate(names: tuple[str, ...], authority: str, organisation: str = "") -> x509.Certificate:
    """A certificate for these names, of an authority's intermediate certificate with this name."""
    words = [x509.NameAttribute(NameOID.COMMON_NAME, authority)]
    words += [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)] if organisation else []
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(
            x509.Name(words), x509.Name([]), KEY.public_key(), x509.random_serial_number()
        )
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(KEY, SHA256())
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (certificate(BOTH, "An authority"), certificate(BOTH, "An authority")),
        (certificate(BOTH, "An authority"), certificate(BOTH[::-1], "An authority")),
        (certificate(BOTH, "R10", "Let's Encrypt"), certificate(BOTH, "R11", "Let's Encrypt")),
    ],
)
def test_an_older_one_of_the_lineage_is_not_the_owners(
    one: x509.Certificate, other: x509.Certificate
) -> None:
    assert not is_another(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (certificate(BOTH[1:], "R10", "Let's Encrypt"), certificate(BOTH, "R10", "Let's Encrypt")),
        (certificate(BOTH, "G2", "Another"), certificate(BOTH, "R10", "Let's Encrypt")),
        (certificate(BOTH, "An authority"), certificate(BOTH, "Another authority")),
    ],
)
def test_one_for_other_names_or_of_another_authority_is_the_owners(
    one: x509.Certificate, other: x509.Certificate
) -> None:
    assert is_another(one, other)
