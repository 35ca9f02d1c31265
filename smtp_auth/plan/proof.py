"""The proof of a change: the steps say what must work afterwards, and the host checks it."""

from dataclasses import dataclass, replace

from smtp_auth.facts.look import Socket


@dataclass(frozen=True)
class CipherCheck:
    """A question to the host's OpenSSL: is a cipher of TLSv1.2 left?

    + listed: a list of ciphers, as OpenSSL reads it (openssl-ciphers(1))
    + kind: the kind of the certificate's key, in OpenSSL's words: `RSA` or `ECDSA`
    + sentence: why the host is refused if none is left
    """

    listed: str
    kind: str
    sentence: str


@dataclass(frozen=True)
class Proof:
    """What must work after a change.

    + submissions: whether a service must answer on port 465
    + wrapped: whether port 465 uses TLS from the first byte
    + earlier: whether earlier files are restored; Postfix may have had warnings about them before, too
    + certificates: pairs of a name that a client may ask for on port 465, and the file with the chain that it
      must get; the file is empty if the owner has chosen the certificate. `mail_hostname` is the first name
    + sni_tables: the owner's tables in which Postfix looks up `mail_hostname` before it uses the default
      certificate
    + versions: the versions of TLS that port 465 must serve, the highest first; empty if any will do
    + ciphers: what the host is asked of its ciphers before the change
    + logins: whether port 465 must offer AUTH to a client on the host itself
    + login_only: whether port 465 must reject clients that have not logged in
    + proxied: whether port 465 expects a proxy's header
    + unprovable: why no connection can prove a reload, pairs of a service's key and a sentence
    + restored_certificates: the certificates whose settings are restored: the parameter, the file with the
      certificate, and the file with its key
    + listener: the auth listener that Dovecot's effective configuration and the disk must have
    """

    submissions: bool = True
    wrapped: bool = True
    earlier: bool = False
    certificates: tuple[tuple[str, str], ...] = ()
    sni_tables: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    ciphers: tuple[CipherCheck, ...] = ()
    logins: bool = True
    login_only: bool = False
    proxied: bool = False
    unprovable: tuple[tuple[str, str], ...] = ()
    restored_certificates: tuple[tuple[str, str, str], ...] = ()
    listener: Socket | None = None

    def with_certificate(self, name: str, chain: str) -> "Proof":
        """The same proof, except that this name must get this chain."""
        return replace(self, certificates=tuple({**dict(self.certificates), name: chain}.items()))


NOTHING_TO_PROVE = Proof(submissions=False)
