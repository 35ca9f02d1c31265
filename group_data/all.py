"""Every data key with its default. Override any of them in a group's file beside this one
(group_data/GROUP.py), or on a host in inventory.py: pyinfra's own way.

Made from settings.py by `make group-data`."""

# mail_domain is required: the mail domain. Set it in the file of a domain's group, as
# group_data/example_jp.py does.

# The name of the mail domain's Let's Encrypt lineage (certbot's --cert-name), where that is not the
# domain itself. With further domains: a dictionary of domain to lineage. None: each lineage has the
# name of its domain.
certificate_name = None

# The name that mail programs connect to; the certificate must cover it. None: the name that the
# inventory gives the host.
mail_hostname = None

# Further domains on the same host, each with a lineage of its own: a client that asks for any name
# that one of them covers gets that one's certificate (SNI), on port 465 and on port 25.
additional_domains: list[str] = []

# The directory that holds the lineages.
letsencrypt_live = "/etc/letsencrypt/live"

# TLS on port 25: "none", "may" (offered) or "encrypt" (demanded, which cuts off servers without TLS).
# None: at least offered, as in the guide; a host that is stricter already stays so.
smtpd_tls_security_level = None

# Whether logins are offered on port 25 too. None: they are, as in the guide, and each run warns of it
# once; True: the same without the warning; False keeps them on port 465 alone. Port 25 of a host
# whose owner has switched them off there, in master.cf, stays as it is.
smtp_auth_on_port_25 = None

# The oldest TLS version where TLS is mandatory, above all on port 465: "TLSv1.2" or "TLSv1.3". A
# floor: a host that is stricter already stays so.
tls_minimum_version = "TLSv1.2"

# Who may connect, greet, send and relay on port 465: lists of Postfix restrictions, for example
# ["permit_sasl_authenticated", "reject"]. None keeps what the host defines; where it defines none, a
# safe one is written: clients and relaying must be authenticated, the other two stay empty.
mua_client_restrictions = None
mua_helo_restrictions = None
mua_sender_restrictions = None
mua_relay_restrictions = None

# Further -o options for the submissions service, {"smtpd_milters": "inet:127.0.0.1:8891"} for
# example; they win over the guide's. None as a value removes an option.
submissions_options: dict[str, str | None] = {}

# Which senders a login may use. Not supported yet: leave it None.
sender_ownership = None

# The units that certbot's deploy hook reloads after a renewal.
certbot_reload_services = ["postfix"]

# What `pytest tests/verify` expects. The file with the certificates that clients trust, in PEM; None:
# the system's store.
verify_ca_file = None

# Where it connects to from outside: "dns", every address that mail_hostname has in DNS, or "ssh", the
# one that SSH uses, before DNS leads to a host.
verify_addresses = "dns"

# How many days a certificate must still be valid.
verify_days_left = 10

# Within how many seconds port 465 must greet a mail program.
verify_seconds = 5
