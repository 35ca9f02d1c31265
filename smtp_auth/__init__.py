"""Authenticated submission (RFC 8314, port 465) for fleets of Postfix hosts: the machinery behind deploy.py.

Each package imports only from those above it in this list; `lint-imports` checks it (pyproject.toml).

    shown             how text of hosts and peers is shown
    postfix           main.cf and master.cf as text that is edited in place; knows no host
    accepted_values   what the data keys accept
    settings          the data keys of a host
    facts             a look at a host and its record of changes, as values
    plan              what will happen to a host, as a value
    past              undo and removal, which restore what was there before
    services          all that is known of Postfix, Dovecot and certbot, in one folder each
    on_host           what runs on a host
    runs              pyinfra's command line as a front end
    fleet             many hosts in parallel
    verify            what a verification sees of a host
    cli               smtp-auth, the other front end
"""

__version__ = "0.2.0"
