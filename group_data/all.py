"""Every data key with its default. Override a key in a group's file beside this one
(group_data/GROUP.py), or for a host in inventory.py, as always in pyinfra.

Made from settings.py by `make group-data`."""

# mail_domain, the mail domain, is required and has no default. Set it in the file of a domain's
# group, as group_data/example_jp.py does.

# The name of the mail domain's Let's Encrypt certificate in certbot (its lineage, --cert-name), if
# that is not the domain itself. With further domains: a dictionary of domain to lineage. None: each
# lineage has the name of its domain.
certificate_name = None

# The name that mail programs connect to; the certificate must cover it. None: the host's name in the
# inventory.
mail_hostname = None

# Further mail domains on the same host, each with a lineage of its own. A client that asks for a name
# gets the certificate that covers it (SNI), on port 465 and on port 25.
additional_domains: list[str] = []

# The directory that contains the lineages.
letsencrypt_live = "/etc/letsencrypt/live"

# TLS on port 25: "none", "may" (offered) or "encrypt" (required: servers without TLS cannot deliver
# mail). None: at least offered, as in the guide; a host that already requires TLS keeps that.
smtpd_tls_security_level = None

# Whether logins are offered on port 25, too. None: they are, as in the guide, and each run warns of
# it once. True: the same without the warning. False: logins are offered on port 465 only. If a host's
# owner has switched logins off for port 25 in master.cf, they stay off.
smtp_auth_on_port_25 = None

# The oldest TLS version that is accepted where TLS is mandatory, above all on port 465: "TLSv1.2" or
# "TLSv1.3". A host that is already stricter keeps its setting.
tls_minimum_version = "TLSv1.2"

# Who may connect, greet, send and relay on port 465: lists of Postfix restrictions, for example
# ["permit_sasl_authenticated", "reject"]. None: the host's own list is kept. If it has none, a safe
# one is written: clients and relaying need a login, the other two lists are empty.
mua_client_restrictions = None
mua_helo_restrictions = None
mua_sender_restrictions = None
mua_relay_restrictions = None

# Further -o options for the submissions service; they override those of the guide. For example
# {"smtpd_milters": "inet:127.0.0.1:8891"}. The value None deletes an option.
submissions_options: dict[str, str | None] = {}

# Which senders a login may use. Not supported yet: leave it None.
sender_ownership = None

# The units that certbot's deploy hook reloads after a renewal.
certbot_reload_services = ["postfix"]

# This key and those below are for `pytest tests/verify`. The file with the certificates that clients
# trust, in PEM; None: the system's store.
verify_ca_file = None

# Which addresses it connects to from outside: "dns", every address that mail_hostname has in DNS, or
# "ssh", the address that SSH uses, if the name is not in DNS yet.
verify_addresses = "dns"

# For how many more days a certificate must be valid.
verify_days_left = 10

# Within how many seconds port 465 must greet a mail program.
verify_seconds = 5
