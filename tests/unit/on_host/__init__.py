"""The programs that run on a mail host, really run, with what Debian 12's and 13's Postfix and Dovecot say.

The facts below `recorded/` come from booted hosts: bookworm has Postfix 3.7 and Dovecot 2.3, trixie 3.10
and 2.4. A host that was deployed to gave `look.txt`, `doveconf_deployed.txt` and the conversations.
"""

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

RECORDED = Path(__file__).parents[1] / "recorded"

RELEASES = ("bookworm", "trixie")


@cache
def issued(name: str) -> tuple[str, str, str]:
    """A certificate for a name, its private key and its public key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=60))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return certificate.public_bytes(Encoding.PEM).decode(), private.decode(), public.decode()
