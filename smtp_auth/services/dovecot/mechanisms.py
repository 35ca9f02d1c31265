"""The SASL mechanisms that Dovecot offers, and what Postfix's security options say of each."""

# A mechanism to the security options of Postfix that exclude it: `.flags` in src/auth/mech-*.c of Dovecot.
# One that is not listed has none of these properties, or is not known.
_EXCLUDED_BY = {
    "anonymous": {"noanonymous"},
    "apop": {"nodictionary", "noactive"},
    "cram-md5": {"nodictionary", "noactive"},
    "digest-md5": {"nodictionary", "noactive"},
    "login": {"noplaintext"},
    "ntlm": {"nodictionary", "noactive"},
    "oauthbearer": {"noplaintext"},
    "otp": {"nodictionary", "noactive"},
    "plain": {"noplaintext"},
    "skey": {"nodictionary", "noactive"},
    "xoauth2": {"noplaintext"},
}

# Only these authenticate the server to the client, too.
_MUTUAL = {"digest-md5", "scram-sha-1", "scram-sha-1-plus", "scram-sha-256", "scram-sha-256-plus"}


def is_excluded(mechanism: str, options: frozenset[str]) -> bool:
    """Whether Postfix surely does not offer a mechanism of Dovecot's.

    + mechanism: its name in lower case
    + options: the words of smtpd_sasl_tls_security_options (postconf(5)), in lower case
    """
    if _EXCLUDED_BY.get(mechanism, set()) & options:
        return True
    # No mechanism of Dovecot's has forward secrecy.
    return "forward_secrecy" in options or ("mutual_auth" in options and mechanism not in _MUTUAL)
