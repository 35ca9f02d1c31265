"""What must be there after a change: the one value that the steps fill in, and that the host proves."""

from dataclasses import dataclass, replace

from smtp_auth.facts.look import Socket


@dataclass(frozen=True)
class Proof:
    """What has to be served afterwards.

    + submissions: whether port 465 is served, and `wrapped`, whether in TLS from the first byte
    + earlier: whether files come back as they were; Postfix may have complained of them then, too
    + certificates: pairs of a name that a client may ask port 465 for, and the file with the chain that it
      must get; an empty one if the owner answers for the certificate. `mail_hostname` comes first
    + sni_tables: the owner's tables in which Postfix looks for `mail_hostname` before it takes the default
    + logins: whether port 465 offers AUTH to a client on the host itself
    + login_only: whether port 465 certainly rejects everybody who has not logged in
    + proxied: whether port 465 waits for a proxy's header
    + unprovable: why no connection can prove a reload, pairs of a service's key and a sentence
    + restored_certificates: the certificates that are restored: the parameter that names one, its file, and
      that of its key
    + listener: the auth listener that Dovecot's effective configuration and the disk must have
    """

    submissions: bool = True
    wrapped: bool = True
    earlier: bool = False
    certificates: tuple[tuple[str, str], ...] = ()
    sni_tables: tuple[str, ...] = ()
    logins: bool = True
    login_only: bool = False
    proxied: bool = False
    unprovable: tuple[tuple[str, str], ...] = ()
    restored_certificates: tuple[tuple[str, str, str], ...] = ()
    listener: Socket | None = None

    def with_certificate(self, name: str, chain: str) -> "Proof":
        """The proof in which a name gets this chain, whatever it got before."""
        return replace(self, certificates=tuple({**dict(self.certificates), name: chain}.items()))


NOTHING_TO_PROVE = Proof(submissions=False)
