"""The tests' own certificate authority, for certificates that no real one would issue."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Authority:
    """A root and an intermediate below it, as Let's Encrypt has them."""

    def __init__(self) -> None:
        now = datetime.now(UTC)
        self._begin = now - timedelta(days=400)
        self._end = now + timedelta(days=400)
        root_key = ec.generate_private_key(ec.SECP256R1())
        self._key = ec.generate_private_key(ec.SECP256R1())
        root = self._issue("Test root", root_key, None, root_key, self._end)
        self._intermediate = self._issue("Test intermediate", self._key, root, root_key, self._end)
        self.root = _pem(root)

    def lineage(
        self, *names: str, days: float = 90, lifetime: float = 490, intermediate: bool = True
    ) -> dict[str, str]:
        """The files of a lineage: name to content.

        + names: what the certificate covers
        + days: until it expires; a negative number if it has expired
        + lifetime: how many days it is valid
        + intermediate: whether `fullchain.pem` has the intermediate
        """
        key = ec.generate_private_key(ec.SECP256R1())
        end = datetime.now(UTC) + timedelta(days=days, hours=1)
        begin = end - timedelta(days=lifetime)
        leaf = self._issue(names[0], key, self._intermediate, self._key, end, names, begin)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        chain = _pem(leaf) + (_pem(self._intermediate) if intermediate else "")
        return {"fullchain.pem": chain, "privkey.pem": private}

    def _issue(
        self,
        common_name: str,
        key: ec.EllipticCurvePrivateKey,
        issuer: x509.Certificate | None,
        issuer_key: ec.EllipticCurvePrivateKey,
        end: datetime,
        names: tuple[str, ...] = (),
        begin: datetime | None = None,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin or self._begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=not names, path_length=None), critical=True)
        )
        if names:
            covered = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
            builder = builder.add_extension(covered, critical=False)
        return builder.sign(issuer_key, hashes.SHA256())


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
