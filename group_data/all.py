"""Every data key with its default. Override a key in a group's file beside this one
(group_data/GROUP.py), or for a host in inventory.py, as always in pyinfra.

Made from settings.py by `make group-data`."""

# mail_domain: required. The mail domain. Set it in the file of each group of hosts, as
# group_data/example_jp.py does.

# What certbot calls the certificate (certbot certificates lists the names), if that is not the
# domain. With further domains: a dictionary of domain to name.
certificate_name = None

# The name that mail programs connect to. The certificate must cover it. None: the host's name in the
# inventory.
mail_hostname = None

# Further domains on the same host, each with a certificate of its own. A client that asks for a name
# which one of these certificates covers gets that certificate (SNI), on ports 465 and 25.
additional_domains: list[str] = []

# The directory that holds the certificates' directories.
letsencrypt_live = "/etc/letsencrypt/live"

# TLS on port 25: "none", "may" (offered) or "encrypt" (demanded, which cuts off servers without TLS).
# None: at least offered; a host that demands TLS already keeps that.
smtpd_tls_security_level = None

# Whether logins are offered on port 25, too. None: they are, unless a login could do more there than
# on port 465 or mail from outside would be rejected, and each run warns of it once. True: they are,
# without the warning; a host where a login could do more is refused. False: not on port 25; other
# services keep theirs. An owner's option in master.cf that switches them off on port 25 stays.
smtp_auth_on_port_25 = None

# The oldest TLS version where TLS is mandatory, above all on port 465: "TLSv1.2" or "TLSv1.3". A
# stricter host stays stricter.
tls_minimum_version = "TLSv1.2"

# Who may connect on port 465: a list of Postfix restrictions. None keeps what the host defines,
# unless logins are limited in another way on port 587 so far; if it defines none, clients must have
# logged in. Each element is one restriction with its arguments.
mua_client_restrictions = None

# The same for the HELO or EHLO command. If the host defines none, the list is empty.
mua_helo_restrictions = None

# The same for the sender's address. If the host defines none, the list is empty; on a host that binds
# senders to logins elsewhere, a new service does so, too.
mua_sender_restrictions = None

# The same for relaying. If the host defines none, clients must have logged in.
mua_relay_restrictions = None

# Further options of the service on port 465, as in master.cf behind -o. They override those that are
# written by default. None as a value deletes an option.
submissions_options: dict[str, str | None] = {}

# Which senders a login may use. Not supported yet: leave it None.
sender_ownership = None

# The systemd units that certbot's deploy hook reloads after a renewal. One of them must be postfix.
certbot_reload_services = ["postfix"]

# Within how many seconds the host must give each answer, the connection included. A host that takes
# longer fails alone; the others wait for it that long. A change may take longer, as long as the host
# responds.
host_seconds = 120

# Whether the host is changed although somebody holds it (smtp-auth hold). Undo and removal heed it,
# too.
even_held = False

# From where the host is reached, if not all hosts are reached from one machine: the controllers there
# do the hosts of this zone (smtp-auth rollout --zone, smtp-auth queue worker --zone).
zone = None

# For the verification: a file on this machine with the certificates that clients trust, in PEM. None:
# the system's store.
verify_ca_file = None

# Where the verification connects to: "dns", every address that mail_hostname has, or "ssh", the one
# that SSH uses, as long as DNS does not name the host yet.
verify_addresses = "dns"

# For the verification: which share of a certificate's lifetime must be left. More than 90 days count
# as 90. If less than a quarter is left, it warns.
verify_lifetime_left = 0.1

# For the verification: within how many seconds port 465 must greet a mail program.
verify_seconds = 5
