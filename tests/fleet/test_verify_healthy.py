"""No healthy host is blamed: what a deploy makes of each starting state passes its verification."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.authority import Authority
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import deploy, side_by_side, succeed
from tests.fleet.test_preview import STATES
from tests.fleet.test_verify_breakages import CRON_RUNS, Verified, verify

RELOAD = "systemctl reload postfix"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
ANOTHERS = "/var/lib/dehydrated"
_NO_TIMER = "systemctl disable --quiet --now certbot.timer"
_TIMER = "systemctl enable --quiet --now certbot.timer"


@dataclass(frozen=True)
class Healthy:
    """A healthy host.

    + before: what makes it, on a stock host, before the deploy; + after: after it
    + data: the deploy's data
    + warned: checks that pass with a warning
    + skipped: checks that are not looked at, among others
    + undo: shell commands for what is not a file
    """

    before: Callable[[LabHost], None] = lambda host: None
    after: Callable[[LabHost], None] = lambda host: None
    data: Mapping[str, Any] = field(default_factory=dict)
    warned: frozenset[str] = frozenset()
    skipped: frozenset[str] = frozenset()
    undo: str = ":"


def _run(command: str) -> Callable[[LabHost], None]:
    def run(host: LabHost) -> None:
        host.run(command)

    return run


def _own_certificate(host: LabHost) -> None:
    """The owner has given port 465 a certificate of another authority."""
    _set_certificate(host, "submissions/inet", host.name)


def _own_certificate_of_the_mx(host: LabHost) -> None:
    """The owner has given port 25 one for the name by which other servers know the host."""
    _set_certificate(host, "smtp/inet", f"mx.{host.domain}")


def _set_certificate(host: LabHost, service: str, name: str) -> None:
    _put(host, "etc/ssl", name)
    host.run(
        f"postconf -P {service}/smtpd_tls_cert_file=/etc/ssl/fullchain.pem "
        f"{service}/smtpd_tls_key_file=/etc/ssl/privkey.pem && {RELOAD}"
    )


def _logins_for_itself(host: LabHost) -> None:
    """A webmail on the host logs in on port 25, and nobody else."""
    host.run(
        f"sed -i 's/^smtp  *inet .*/{host.address}:smtp inet n - y - - smtpd\\n"
        "  -o smtpd_sasl_auth_enable=No\\n"
        "127.0.0.1:smtp inet n - y - - smtpd/' /etc/postfix/master.cf && systemctl restart postfix"
    )


def _two_names(host: LabHost) -> None:
    _put(host, f"etc/letsencrypt/live/{host.domain}", host.name, f"smtp.{host.domain}")


def _own_certificate_for_a_name(host: LabHost) -> None:
    """The owner has a table for the other one of the certificate's names."""
    _set_table(host, f"smtp.{host.domain}")


def _own_certificate_for_the_host(host: LabHost) -> None:
    _set_table(host, host.name)


def _set_table(host: LabHost, name: str) -> None:
    _put(host, "etc/ssl", name)
    host.run(
        f"echo {name} /etc/ssl/privkey.pem /etc/ssl/fullchain.pem >/etc/postfix/own_sni && "
        "postmap -F /etc/postfix/own_sni && "
        f"postconf -e tls_server_sni_maps=hash:/etc/postfix/own_sni && {RELOAD}"
    )


def _put(host: LabHost, directory: str, *names: str) -> None:
    for name, content in AUTHORITY.lineage(*names).items():
        (host.root / directory / name).write_text(content)


AUTHORITY = Authority()

# Before each command and behind it, with and without a line end; and without sbin in its PATH.
TALKATIVE = """PATH=/usr/bin:/bin
echo Welcome; printf Welcome; echo Welcome >&2; printf Welcome >&2
trap 'echo Bye; printf Bye; echo Bye >&2; printf Bye >&2' EXIT"""

_COMPLAINT = frozenset({"postfix has no complaint"})

# Of the starting states: a parameter twice with different values, and an option that postconf misreads.
_WARNED = dict.fromkeys(("messy", "services with addresses"), _COMPLAINT)

HEALTHY = {
    **{
        # After the deploy; what was pending before it is done.
        name: Healthy(state.prepare, data=state.data, warned=_WARNED.get(name, frozenset()))
        for name, state in STATES.items()
        if not state.deployed
    },
    "without certbot": Healthy(
        _run("mv /usr/bin/certbot /usr/bin/certbot.away; systemctl disable --quiet --now certbot.timer"),
        warned=frozenset({"nothing prevents a deploy", "something renews the certificates"}),
        skipped=frozenset({"a renewal reloads the services"}),
        undo="mv /usr/bin/certbot.away /usr/bin/certbot; systemctl enable --quiet --now certbot.timer",
    ),
    "with another client's certificates": Healthy(
        _run(
            f"mkdir -p {ANOTHERS}/certs {ANOTHERS}/accounts && "
            f"cp -rL /etc/letsencrypt/live/. {ANOTHERS}/certs"
        ),
        data={"letsencrypt_live": f"{ANOTHERS}/certs"},
        # certbot's timer runs, and renews other certificates.
        warned=frozenset({"nothing prevents a deploy", "something renews the certificates"}),
        skipped=frozenset(
            {
                "certbot knows how to renew each lineage",
                "certbot can run the hook",
                "a renewal reloads the services",
            }
        ),
    ),
    "with a copied lineage": Healthy(
        _run(f"mv /etc/letsencrypt/renewal /etc/letsencrypt/accounts /root/; {_NO_TIMER}"),
        warned=frozenset({"nothing prevents a deploy", "certbot knows how to renew each lineage"}),
        skipped=frozenset({"something renews the certificates"}),
        undo=_TIMER,
    ),
    "with a wrapper around certbot, of cron's": Healthy(
        _run(
            f"{_NO_TIMER}; mkdir -p /etc/cron.monthly /opt/tls; {CRON_RUNS}; "
            "printf '#!/bin/sh\\nexec renew-all -q\\n' >/etc/cron.monthly/tls; "
            "printf '#!/bin/sh\\ncd /opt/tls && ./renew.sh\\n' >/usr/local/sbin/renew-all; "
            "printf '#!/bin/bash\\ncertbot renew\\n' >/opt/tls/renew.sh; "
            "chmod +x /etc/cron.monthly/tls /usr/local/sbin/renew-all /opt/tls/renew.sh"
        ),
        undo=f"systemctl stop cron; {_TIMER}",
    ),
    "with a timer of another name, and hooks of its own": Healthy(
        _run(
            f"{_NO_TIMER}; printf '#!/bin/sh\\ncertbot -q renew --no-directory-hooks --deploy-hook "
            "/usr/local/sbin/renewed\\n' >/usr/local/sbin/tls; "
            "printf '#!/bin/sh\\nsystemctl reload postfix\\n' >/usr/local/sbin/renewed; "
            "chmod +x /usr/local/sbin/*; "
            "printf '[Service]\\nType=oneshot\\nExecStart=/usr/local/sbin/tls\\n' "
            ">/etc/systemd/system/tls@.service; "
            "printf '[Timer]\\nOnCalendar=daily\\n[Install]\\nWantedBy=timers.target\\n' "
            ">/etc/systemd/system/tls@.timer; systemctl daemon-reload; systemctl enable --now tls@all.timer"
        ),
        undo="systemctl disable --now tls@all.timer; rm /etc/systemd/system/tls@*; systemctl daemon-reload; "
        + _TIMER,
    ),
    "with a service that renews in a loop": Healthy(
        _run(
            f"{_NO_TIMER}; printf '[Service]\\nExecStart=/bin/sh -c \"while :; do certbot renew; sleep 12h; "
            "done\"\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/tls-loop.service; "
            "systemctl daemon-reload; systemctl enable --now tls-loop"
        ),
        undo="systemctl disable --now tls-loop; rm /etc/systemd/system/tls-loop.service; "
        f"systemctl daemon-reload; {_TIMER}",
    ),
    "with acme.sh, by its user's crontab": Healthy(
        _run(
            "mkdir -p /var/spool/cron/crontabs /srv/tls && cp -rL /etc/letsencrypt/live/. /srv/tls && "
            "printf '%s\\n' '7 3 * * * \"/root/.acme.sh\"/acme.sh --cron >/dev/null' "
            f">/var/spool/cron/crontabs/root; {CRON_RUNS}"
        ),
        data={"letsencrypt_live": "/srv/tls"},
        warned=frozenset({"nothing prevents a deploy"}),
        undo="systemctl stop cron",
    ),
    "with a hook that is a program": Healthy(
        _run(f"cp /usr/bin/true {HOOK}"),
        warned=frozenset({"nothing prevents a deploy", "a renewal reloads the services"}),
    ),
    "with old warnings": Healthy(
        _run(
            "printf '%s\\n' 'never_used = 1' 'relay_domains = $never_defined' >>/etc/postfix/main.cf; "
            + RELOAD
        ),
        warned=_COMPLAINT,
    ),
    "without port 25": Healthy(
        _run(f"postconf -MX smtp/inet && {RELOAD}"),
        skipped=frozenset({"port 25 is reachable unless it is blocked from here", "port 25 greets"}),
    ),
    "with a certificate of its owner's": Healthy(
        after=_own_certificate,
        skipped=frozenset({"port 465 serves the certificate on the disk"}),
    ),
    "with a certificate of its owner's on port 25": Healthy(after=_own_certificate_of_the_mx),
    "with a table of its owner's for another name": Healthy(_two_names, after=_own_certificate_for_a_name),
    "with a table of its owner's for its own name": Healthy(
        after=_own_certificate_for_the_host,
        skipped=frozenset({"port 465 serves the certificate on the disk"}),
    ),
    "with port 25 on loopback alone": Healthy(
        _run(
            "sed -i 's/^smtp  *inet /127.0.0.1:smtp inet /' /etc/postfix/master.cf; systemctl restart postfix"
        ),
        skipped=frozenset({"port 25 is reachable unless it is blocked from here", "port 25 greets"}),
    ),
    "with a key that other servers may read": Healthy(
        after=_run(
            "getent group ssl-cert >/dev/null || groupadd --system ssl-cert; cd /etc/letsencrypt; "
            "chmod 755 live archive; chgrp ssl-cert archive/*/*; chmod 640 archive/*/privkey*; " + RELOAD
        ),
        warned=frozenset({"the key is readable by root alone"}),
    ),
    "with its log in a file, and a cron job that sends to nobody": Healthy(
        _run(
            "postconf -e maillog_file=/var/log/postfix.log && "
            "postconf -M 'postlog/unix-dgram=postlog unix-dgram n - n - 1 postlogd' && "
            "systemctl restart postfix"
        ),
        after=_run(
            "! sendmail -t </dev/null 2>/dev/null && "
            "until grep 'sendmail.*: fatal: ' /var/log/postfix.log; do sleep 0.05; done"
        ),
    ),
    "with the defaults of older releases": Healthy(
        # The newer Postfix logs that it uses them.
        _run(f"sed -i /^compatibility_level/d /etc/postfix/main.cf; {RELOAD}"),
    ),
    "with a login shell that says something": Healthy(
        _run(f"printf '%s\\n' {shlex.quote(TALKATIVE)} >/root/.bashrc"),
    ),
    "with logins on port 25 for itself alone": Healthy(_logins_for_itself),
    "with limits for its clients": Healthy(
        _run(
            "echo MaxSessions 1 >/etc/ssh/sshd_config.d/limits.conf && systemctl reload ssh && "
            f"postconf -e smtpd_client_connection_rate_limit=10 && {RELOAD}"
        ),
        undo="rm /etc/ssh/sshd_config.d/limits.conf; systemctl reload ssh",
    ),
    "with this machine in mynetworks": Healthy(
        _run(f"postconf -e 'mynetworks = 127.0.0.0/8, 198.18.0.0/15' && {RELOAD}"),
        skipped=frozenset({"port 25 relays nothing"}),
    ),
}
ROUNDS = [tuple(HEALTHY)[number : number + 2] for number in range(0, len(HEALTHY), 2)]


@pytest.mark.parametrize("names", ROUNDS, ids=" / ".join)
def test_a_healthy_host_is_not_blamed(lab: Lab, tmp_path: Path, names: tuple[str, ...]) -> None:
    pairs = zip(names, (FLEET[:2], FLEET[2:]), strict=False)
    states = {lab.hosts[name]: HEALTHY[state] for state, pair in pairs for name in pair}
    side_by_side(LabHost.reset, states)
    try:
        side_by_side(lambda host: states[host].before(host), states)
        data = {host.name: dict(state.data) for host, state in states.items()}
        succeed(deploy(states, per_host=data))
        side_by_side(lambda host: states[host].after(host), states)
        found = _verified(lab, tmp_path, states, data)
        for host, state in states.items():
            assert found.failed(host) == set(), found.output
            assert found.with_outcome(host, "warned") == state.warned, found.output
            assert state.skipped <= found.with_outcome(host, "skipped"), found.output
            # It sends nothing but the one message to the mailbox.
            assert host.run("postqueue -j").stdout == ""
            assert host.run("cat /var/mail/root /root/Maildir/new/* 2>/dev/null", check=False).stdout == ""
    finally:
        side_by_side(lambda host: host.run(states[host].undo), states)


def _verified(
    lab: Lab, folder: Path, states: Mapping[LabHost, Healthy], data: Mapping[str, Mapping[str, Any]]
) -> Verified:
    trusted = folder / "trusted.pem"
    trusted.write_text(lab.ca.read_text() + AUTHORITY.root)
    own = {name: {**values, "verify_ca_file": str(trusted)} for name, values in data.items()}
    return verify(folder, list(states), own, "-k", "not wrong_password")
