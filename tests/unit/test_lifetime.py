"""How much of a certificate's lifetime must be left, for certificates of 90 days, 45 and six."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from smtp_auth.services.certbot.lifetime import is_overdue, left, share_of

KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(lifetime: float, left_days: float) -> x509.Certificate:
    """A certificate of so many days, which expires in so many days."""
    end = datetime.now(UTC) + timedelta(days=left_days)
    return (
        x509.CertificateBuilder(x509.Name([]), x509.Name([]), KEY.public_key(), x509.random_serial_number())
        .not_valid_before(end - timedelta(days=lifetime))
        .not_valid_after(end)
        .sign(KEY, SHA256())
    )


@pytest.mark.parametrize(
    ("lifetime", "renewed", "overdue"),
    [
        # What renews does so with a third left, or with half of less than ten days.
        (90, 30, 22.4),
        (45, 15, 11.2),
        (6, 3, 1.4),
        # A person, or certbot before 4.0, 30 days before the end.
        (398, 30, 22.4),
        (3650, 30, 22.4),
    ],
)
def test_a_renewal_is_overdue_when_less_than_a_quarter_is_left(
    lifetime: float, renewed: float, overdue: float
) -> None:
    assert not is_overdue(certificate(lifetime, renewed))
    # A day late is not overdue: it tries again.
    assert not is_overdue(certificate(lifetime, renewed - lifetime / 90))
    assert is_overdue(certificate(lifetime, overdue))


@pytest.mark.parametrize("days", [-0.01, -400])
def test_what_has_expired_is_not_overdue(days: float) -> None:
    assert not is_overdue(certificate(90, days))
    assert left(certificate(90, days)) < timedelta(0)


@pytest.mark.parametrize(
    ("lifetime", "hours"), [(90, 9 * 24), (45, 4.5 * 24), (6, 14.4), (398, 9 * 24), (3650, 9 * 24)]
)
def test_a_tenth_of_a_lifetime(lifetime: float, hours: float) -> None:
    assert share_of(certificate(lifetime, 1), 0.1) == timedelta(hours=hours)
