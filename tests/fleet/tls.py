"""Which certificate a host serves to a client, and which one is on its disk."""

import smtplib
import socket
import ssl

from lab.host import LabHost

SUBMISSIONS, SMTP = 465, 25


def served(host: LabHost, port: int, name: str | None) -> str:
    """The certificate in PEM for a client that asks for this name (SNI), or for none.

    On port 465 TLS comes first, on port 25 after STARTTLS.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if port == SUBMISSIONS:
        with (
            socket.create_connection((host.address, port), 180) as connection,
            context.wrap_socket(connection, server_hostname=name) as tls,
        ):
            return _pem(tls)
    with smtplib.SMTP(host.address, port, timeout=180) as client:
        # smtplib sends this as SNI; Python sends no SNI for an address.
        client._host = name or host.address  # type: ignore[attr-defined]
        client.starttls(context=context)
        assert isinstance(client.sock, ssl.SSLSocket)
        return _pem(client.sock)


def on_disk(host: LabHost, lineage: str, live: str = "etc/letsencrypt/live") -> str:
    """The lineage's own certificate in PEM, the first of its chain."""
    chain = (host.root / live / lineage / "fullchain.pem").read_text()
    end = "-----END CERTIFICATE-----"
    return _normal(chain.partition(end)[0] + end)


def _pem(tls: ssl.SSLSocket) -> str:
    der = tls.getpeercert(binary_form=True)
    assert der is not None
    return _normal(ssl.DER_cert_to_PEM_cert(der))


def _normal(pem: str) -> str:
    return "".join(pem.split())
