"""How much of a certificate's lifetime is left. A limit in days would be wrong for 45 days, or for six.

What renews by itself does so with a third of the lifetime left, or with half of one that is shorter than ten
days. So if less than a quarter is left, it has failed for a while.

A lifetime of more than 90 days counts as 90 days: certbot before 4.0 renews such a certificate 30 days before
its end, and so do people. A share of a year, or of the ten years of somebody's own authority, would blame
certificates that are well.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

# It takes long to load: see certificates.py.
if TYPE_CHECKING:
    from cryptography import x509

# The share at which a renewal is overdue.
_OVERDUE = 0.25

_LONGEST = timedelta(days=90)


def is_overdue(certificate: "x509.Certificate") -> bool:
    """Whether a certificate that has not expired should have been renewed by now."""
    return timedelta(0) <= left(certificate) < share_of(certificate, _OVERDUE)


def left(certificate: "x509.Certificate") -> timedelta:
    """How long it is until a certificate expires; negative if it has expired."""
    return certificate.not_valid_after_utc - datetime.now(UTC)


def share_of(certificate: "x509.Certificate", share: float) -> timedelta:
    """How long a share of a certificate's lifetime is."""
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return min(lifetime, _LONGEST) * share
