"""What a verification sees of a host, and how it is reported; the checks are in tests/verify.

target.py         one host: its settings, and what was seen of it so far
fleet.py          the hosts, from the inventory
connection.py     testinfra over pyinfra's own connection
outside.py        what a mail program sees, in conversations (conversation.py) at addresses (addresses.py)
own_certificates.py  those that the owner has set beside the lineages
mailbox.py        a login and a message
inside.py         what is seen on the host; renewal.py: what renews the certificates
reach.py          whether the host answers
looking.py        all of that on many hosts side by side
password.py       where a password comes from; secret.py: keeps it out of the reports
report.py         the table, and JSON; measured.py: what was measured
outputs.py        the files that are written; prometheus.py: one of them
checks.py         the plugin that makes a run of pytest a verification, with fixtures.py
running.py        pytest in this process
command.py        `smtp-auth verify`; options.py: its options
nagios.py         the same for Nagios, with nagios_command.py and plugin.py
blackbox.py       modules of blackbox_exporter, with blackbox_command.py
"""
