"""Every check of tests/verify is seen to fail: a host is broken in one way, and exactly the checks that
must notice it do, on both Debian releases.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.authority import Authority
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import ROOT, deploy, inventory_of, side_by_side, succeed

HOOK = "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
RELOAD = "systemctl reload postfix"
# Stands for cron, which is not installed.
CRON_RUNS = "systemd-run --quiet --collect --unit=cron sleep infinity"
SLOW = "a wrong password is refused twice"

# The checks that fail for a certificate with no name of the host, from an unknown authority.
STRANGE_CERTIFICATE = frozenset(
    {
        "the chain verifies",
        "the name is covered",
        "the intermediates are sent",
        "port 465 serves the certificate on the disk",
        "port 25 serves the certificate on the disk",
        "each name gets the certificate of its domain",
    }
)


@dataclass(frozen=True)
class Breakage:
    """One way to break a host.

    + name: what an administrator would call it
    + command: for the host's root shell; LIVE stands for the lineage's directory
    + fails: the checks that fail, no others
    + trixie: those that fail on Debian 13 alone
    + warns: the checks that pass with a warning, no others
    + certificate: files of a lineage to put in place of the host's own, before the command
    + data: data keys that differ from what was deployed
    + undo: for the root shell, for what is not a file
    + alone: whether another breakage on the same host at the same time would get in its way
    """

    name: str
    command: str
    fails: frozenset[str] | set[str]
    trixie: frozenset[str] = frozenset()
    warns: frozenset[str] | set[str] = frozenset()
    certificate: Callable[[Authority, LabHost], dict[str, str]] | None = None
    data: dict[str, Any] = field(default_factory=dict)
    undo: str = ""
    alone: bool = False

    def fails_on(self, release: str) -> frozenset[str]:
        """The checks that fail on a Debian release."""
        return frozenset(self.fails) | (self.trixie if release == "trixie" else frozenset())


BREAKAGES = (
    Breakage(
        "a renewal without a reload",
        # One process a port, which still holds what it read at its start.
        "postconf -F smtp/inet/process_limit=1 submissions/inet/process_limit=1 && "
        f"old=$(pgrep -x qmgr); {RELOAD} && "
        # From then on, Postfix's master knows of the reload.
        'until now=$(pgrep -x qmgr) && [ "$now" != "$old" ]; do sleep 0.05; done && '
        "for port in 25 465; do perl -MIO::Socket::INET -e "
        '\'$s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => shift) or die; '
        "shutdown($s, 1); 1 while <$s>' $port; done; "
        "certbot renew --force-renewal --no-random-sleep-on-renew --no-directory-hooks",
        {
            "port 465 serves the certificate on the disk",
            "port 25 serves the certificate on the disk",
            "each name gets the certificate of its domain",
            "no reload is pending",
        },
        alone=True,
    ),
    Breakage(
        "a main.cf that was edited without a reload",
        "touch /etc/postfix/main.cf",
        {"no reload is pending"},
        alone=True,
    ),
    Breakage(
        "an auth socket for everybody",
        "chmod 0666 /var/spool/postfix/private/auth",
        {"the auth listener is for postfix alone", "no reload is pending"},
        undo="chmod 0600 /var/spool/postfix/private/auth",
        alone=True,
    ),
    Breakage(
        "an open relay by mynetworks",
        f"postconf -e mynetworks=0.0.0.0/0 && {RELOAD}",
        {"port 25 relays nothing"},
    ),
    Breakage(
        "TLS 1.0 switched on",
        "postconf -e 'smtpd_tls_mandatory_protocols = >=TLSv1' 'tls_medium_cipherlist = ALL:@SECLEVEL=0' "
        f"'tls_high_cipherlist = ALL:@SECLEVEL=0' && {RELOAD}",
        {"port 465 refuses older tls", "as deployed: SMTP TLS"},
    ),
    Breakage(
        "a floor that is wanted higher than the host keeps",
        f"postconf -e smtpd_tls_mandatory_protocols=TLSv1.2 && {RELOAD}",
        {
            "port 465 refuses older tls",
            "port 465 speaks tls at the floor or above",
            "as deployed: SMTP TLS",
        },
        data={"tls_minimum_version": "TLSv1.3"},
        alone=True,
    ),
    Breakage(
        "passwords in plain text on port 25",
        f"postconf -e smtpd_tls_auth_only=no && {RELOAD}",
        {"port 25 offers no login before starttls", "as deployed: SMTP AUTH, Postfix"},
    ),
    Breakage(
        "logins on port 25 where none are wanted",
        "true",
        {"port 25 offers logins inside tls only where wanted", "as deployed: SMTP AUTH, Postfix"},
        data={"smtp_auth_on_port_25": False},
    ),
    Breakage(
        "an expired certificate",
        RELOAD,
        {
            "the chain verifies",
            "the certificate has lifetime left",
            "nothing prevents a deploy",
        },
        certificate=lambda authority, host: authority.lineage(host.name, days=-1),
    ),
    Breakage(
        "a certificate that ends in five days",
        RELOAD,
        {"the certificate has lifetime left"},
        warns={"nothing prevents a deploy"},
        certificate=lambda authority, host: authority.lineage(host.name, days=5),
    ),
    Breakage(
        "a certificate of six days that ends in twelve hours",
        RELOAD,
        {"the certificate has lifetime left"},
        warns={"nothing prevents a deploy"},
        certificate=lambda authority, host: authority.lineage(host.name, days=0.5, lifetime=6),
    ),
    Breakage(
        "a certificate of six days that should have been renewed a day ago",
        RELOAD,
        set(),
        warns={"the certificate has lifetime left", "nothing prevents a deploy"},
        certificate=lambda authority, host: authority.lineage(host.name, days=1, lifetime=6),
    ),
    Breakage(
        "a certificate for another name",
        RELOAD,
        {"the name is covered", "nothing prevents a deploy"},
        certificate=lambda authority, host: authority.lineage("www.example.org"),
    ),
    Breakage(
        "a certificate that covers what it should not",
        RELOAD,
        {"a wrong name is not covered"},
        certificate=lambda authority, host: authority.lineage(host.name, "wrong-name.invalid"),
    ),
    Breakage(
        "a certificate without its intermediate",
        RELOAD,
        {"the chain verifies", "the intermediates are sent"},
        certificate=lambda authority, host: authority.lineage(host.name, intermediate=False),
    ),
    Breakage(
        "a key that belongs to another certificate",
        RELOAD,
        {
            "port 465 greets inside tls",
            "port 25 serves the certificate on the disk",
            "port 25 offers logins inside tls only where wanted",
            "key and certificate belong together",
            "nothing prevents a deploy",
        },
        certificate=lambda authority, host: {"privkey.pem": authority.lineage(host.name)["privkey.pem"]},
        alone=True,
    ),
    Breakage(
        "a key that everybody can read",
        f"chmod 755 /etc/letsencrypt/archive /etc/letsencrypt/live && chmod 644 LIVE/privkey.pem && {RELOAD}",
        {"the key is readable by root alone"},
    ),
    Breakage(
        "another certificate configured",
        "postconf -e smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem "
        f"smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key && {RELOAD}",
        {*STRANGE_CERTIFICATE, "as deployed: SMTP TLS"},
        alone=True,
    ),
    Breakage(
        "a table of certificates by name that is nobody's",
        "printf '%s /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem\\n' "
        "$(hostname) >/etc/postfix/smtp_auth_sni && "
        f"postconf -e tls_server_sni_maps=texthash:/etc/postfix/smtp_auth_sni && {RELOAD}",
        {*STRANGE_CERTIFICATE, "as deployed: Further domains"},
        alone=True,
    ),
    Breakage(
        "a certificate that nobody trusts, for port 25 alone",
        "postconf -P smtp/inet/smtpd_tls_cert_file=/etc/ssl/certs/ssl-cert-snakeoil.pem "
        f"smtp/inet/smtpd_tls_key_file=/etc/ssl/private/ssl-cert-snakeoil.key && {RELOAD}",
        {"port 25 serves the certificate on the disk"},
    ),
    Breakage(
        "a table of its owner's with a certificate for another name",
        "printf 'smtp.%s /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem\\n' "
        "$(hostname -d) >/etc/postfix/own_sni && "
        f"postconf -e tls_server_sni_maps=texthash:/etc/postfix/own_sni && {RELOAD}",
        {"each name gets the certificate of its domain"},
        certificate=lambda authority, host: authority.lineage(host.name, f"smtp.{host.domain}"),
    ),
    Breakage(
        "port 465 without TLS",
        f"postconf -P submissions/inet/smtpd_tls_wrappermode=no && {RELOAD}",
        {
            "port 465 greets inside tls",
            "port 465 refuses plain text",
            "as deployed: Submissions",
        },
        alone=True,
    ),
    Breakage(
        "no logins on port 465",
        f"postconf -P submissions/inet/smtpd_sasl_auth_enable=no && {RELOAD}",
        {
            "port 465 offers logins",
            "as deployed: Submissions",
        },
    ),
    Breakage(
        "port 465 refuses everybody before they can log in",
        f"postconf -e smtpd_delay_reject=no && {RELOAD}",
        {"port 465 greets inside tls", "as deployed: Submissions"},
        alone=True,
    ),
    Breakage(
        "an open relay on port 465",
        "postconf -e mua_client_restrictions= mua_relay_restrictions=permit_mynetworks,reject && "
        "postconf -P submissions/inet/mynetworks=0.0.0.0/0 "
        f"submissions/inet/smtpd_recipient_restrictions=permit_mynetworks,reject && {RELOAD}",
        {"port 465 relays nothing without login", "nothing prevents a deploy"},
    ),
    Breakage(
        "users given away on port 465",
        "postconf -e mua_client_restrictions= mua_relay_restrictions=reject_unauth_destination && "
        "postconf -P submissions/inet/smtpd_recipient_restrictions=reject_unauth_destination "
        f"submissions/inet/smtpd_reject_unlisted_recipient=yes && {RELOAD}",
        {"port 465 reveals no user", "nothing prevents a deploy"},
    ),
    Breakage(
        "every password is right",
        "doveconf -n | grep -q dovecot_config_version && "
        "printf 'passdb static {\\n  fields {\\n    nopassword = yes\\n  }\\n}\\n' "
        ">/etc/dovecot/conf.d/98-everybody.conf || "
        "printf 'passdb {\\n  driver = static\\n  args = nopassword=y\\n}\\n' "
        ">/etc/dovecot/conf.d/98-everybody.conf; systemctl reload dovecot",
        {SLOW},
        alone=True,
    ),
    Breakage(
        "pipelining forbidden no more",
        f"postconf -e smtpd_forbid_unauth_pipelining=no && {RELOAD}",
        set(),
        trixie=frozenset({"port 25 refuses early pipelining as its release does"}),
    ),
    Breakage(
        "bare newlines forbidden no more",
        f"postconf -e smtpd_forbid_bare_newline=no && {RELOAD}",
        set(),
        trixie=frozenset({"port 25 refuses bare newlines as its release does"}),
        # An open relay makes an exception for everybody.
        alone=True,
    ),
    Breakage(
        "the client's address shown",
        '[ -z "$(postconf -d smtpd_hide_client_session 2>/dev/null)" ] || '
        f"{{ postconf -P submissions/inet/smtpd_hide_client_session=no && {RELOAD}; }}",
        set(),
        trixie=frozenset({"the message does not show the clients address", "as deployed: Submissions"}),
        alone=True,
    ),
    Breakage(
        "restrictions that nobody defined",
        f"postconf -X mua_helo_restrictions && {RELOAD}",
        {"as deployed: Submissions"},
        warns={"postfix has no complaint"},
    ),
    Breakage(
        "a parameter misspelt",
        f"postconf -e smtpd_tls_securty_level=may && {RELOAD}",
        set(),
        warns={"postfix has no complaint"},
    ),
    Breakage(
        "port 25 dies at every connection",
        f"postconf -P smtp/inet/smtpd_sasl_type=bogus && {RELOAD}",
        {
            "port 25 greets",
            "the log since the last reload has no fatal error",
            "as deployed: SMTP AUTH, Postfix",
        },
        alone=True,
    ),
    Breakage(
        "Postfix does not start with the host",
        "systemctl disable postfix",
        {"postfix is enabled and running"},
    ),
    Breakage(
        "Dovecot does not start with the host",
        "systemctl disable dovecot",
        {"dovecot is enabled and running"},
    ),
    Breakage(
        "Postfix stopped",
        "systemctl stop postfix",
        {
            "postfix is enabled and running",
            "port 25 is reachable unless it is blocked from here",
            "port 465 is reachable on each address",
            "the host listens on its ports",
            "postfix owns port 465",
            "what the hook reloads can be reloaded",
            "nothing prevents a deploy",
        },
        alone=True,
    ),
    Breakage(
        "Dovecot stopped",
        # With logins on port 25 that would die, too, sooner or later.
        f"postconf -e smtpd_sasl_auth_enable=no && {RELOAD} && systemctl stop dovecot",
        {
            "dovecot is enabled and running",
            "dovecot answers on the auth listener",
            "port 465 greets inside tls",
            "the log since the last reload has no fatal error",
            "nothing prevents a deploy",
        },
        data={"smtp_auth_on_port_25": False},
        alone=True,
    ),
    Breakage(
        "another program on port 465",
        "postconf -MX submissions/inet && systemctl restart postfix && "
        "printf '[Service]\\nExecStart=/usr/bin/python3 -m http.server 465\\n' "
        ">/etc/systemd/system/squatter.service && systemctl daemon-reload && systemctl start squatter",
        {
            "port 465 greets inside tls",
            "postfix owns port 465",
            "as deployed: Submissions",
            "nothing prevents a deploy",
        },
        warns={"postfix has no complaint"},
        alone=True,
    ),
    Breakage(
        "the drop-in thrown away, the socket still there",
        "rm /etc/dovecot/conf.d/99-postfix-smtp-auth.conf",
        {"as deployed: SMTP AUTH, Dovecot", "dovecots configuration has the auth listener"},
        alone=True,
    ),
    Breakage(
        "the listener overruled, the socket still there",
        "printf 'service auth {\\n  unix_listener /var/spool/postfix/private/auth {\\n"
        "    mode = 0666\\n  }\\n}\\n' >/etc/dovecot/conf.d/99-x.conf",
        {"dovecots configuration has the auth listener", "nothing prevents a deploy"},
        alone=True,
    ),
    Breakage("ssh stopped", "systemctl stop ssh.socket ssh", {"the host is reached over ssh"}, alone=True),
    Breakage(
        "a hook that certbot passes over",
        f"chmod -x {HOOK}",
        {"certbot can run the hook", "as deployed: Certificate rotation"},
    ),
    Breakage(
        "a hook without a first line",
        f"sed -i 1d {HOOK}",
        {"certbot can run the hook", "as deployed: Certificate rotation"},
        warns={"a renewal reloads the services"},
    ),
    Breakage(
        "an exit in front of the hook's lines",
        f"sed -i '1a exit 0' {HOOK}",
        {"as deployed: Certificate rotation", "a renewal reloads the services"},
        alone=True,
    ),
    Breakage(
        "an exit that may be reached in front of the hook's lines",
        f"sed -i '1a [ -e /etc/nothing ] || exit 0' {HOOK}",
        {"as deployed: Certificate rotation"},
        warns={"a renewal reloads the services"},
        alone=True,
    ),
    Breakage(
        "nothing renews",
        "systemctl disable --quiet --now certbot.timer",
        {"something renews the certificates"},
        undo="systemctl enable --quiet --now certbot.timer",
    ),
    Breakage(
        "a lineage that certbot does not know any more",
        "mv /etc/letsencrypt/renewal/*.conf /root/",
        set(),
        warns={"certbot knows how to renew each lineage", "nothing prevents a deploy"},
        alone=True,
    ),
    Breakage(
        "a lineage that certbot is told not to renew",
        "sed -i '/^.renewalparams/a autorenew = False' /etc/letsencrypt/renewal/*.conf",
        {"certbot knows how to renew each lineage"},
    ),
    Breakage(
        "hooks that certbot's own file tells it to pass over",
        "echo '--no-directory-hooks = true  # for now' >>/etc/letsencrypt/cli.ini",
        {"a renewal reloads the services"},
        warns={"nothing prevents a deploy"},
        alone=True,
    ),
    Breakage(
        "hooks that the timer tells certbot to pass over",
        "mkdir -p /etc/systemd/system/certbot.service.d && "
        "printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/certbot -q renew --no-directory-hooks\\n' "
        ">/etc/systemd/system/certbot.service.d/own.conf && systemctl daemon-reload",
        {"a renewal reloads the services"},
        undo="rm -r /etc/systemd/system/certbot.service.d; systemctl daemon-reload",
        alone=True,
    ),
    Breakage(
        "renewals that are only tried, or that cron passes over",
        "systemctl disable --quiet --now certbot.timer; mkdir -p /etc/cron.weekly; "
        "printf '#!/bin/sh\\ncertbot renew --dry-run\\n' >/etc/cron.weekly/renew; "
        "printf '#!/bin/sh\\ncertbot renew\\n' >/etc/cron.weekly/renew.sh; "
        "chmod +x /etc/cron.weekly/renew*; " + CRON_RUNS,
        {"something renews the certificates"},
        undo="systemctl stop cron; systemctl enable --quiet --now certbot.timer",
        alone=True,
    ),
    Breakage(
        "a backup of certbot's files in place of its timer",
        "systemctl disable --quiet --now certbot.timer; mkdir -p /opt/certbot /etc/cron.daily; "
        "printf '#!/bin/sh\\ntest -x /usr/bin/certbot || exit 0\\ntar czf /root/x.tgz /opt/certbot\\n"
        "echo certbot renew | mail -s certbot root\\n' >/etc/cron.daily/backup; "
        "chmod +x /etc/cron.daily/backup; "
        "echo '0 4 * * * root rsync -a /opt/certbot backup:' >/etc/cron.d/backup; " + CRON_RUNS,
        {"something renews the certificates"},
        undo="systemctl stop cron; systemctl enable --quiet --now certbot.timer",
        alone=True,
    ),
    Breakage(
        "a timer of certbot's that starts something else",
        "mkdir -p /etc/systemd/system/certbot.service.d && "
        "printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' "
        ">/etc/systemd/system/certbot.service.d/own.conf && systemctl daemon-reload",
        set(),
        warns={"something renews the certificates"},
        undo="rm -r /etc/systemd/system/certbot.service.d; systemctl daemon-reload",
        alone=True,
    ),
    Breakage(
        "what is accepted is held",
        f"postconf -e 'header_checks=regexp:{{{{/^Subject:/ HOLD}}}}' && {RELOAD}",
        {"the message arrives"},
        alone=True,
    ),
    Breakage(
        "what is accepted is thrown away",
        f"postconf -e mailbox_command=/bin/true && {RELOAD}",
        {"the message arrives"},
        alone=True,
    ),
    Breakage("a hook that does not parse", f"echo 'if' >>{HOOK}", {"certbot can run the hook"}),
    Breakage(
        "a hook that reloads nothing",
        f"printf '#!/bin/sh\\n' >{HOOK}",
        {"as deployed: Certificate rotation", "a renewal reloads the services"},
        # It would overwrite what other breakages do to the hook.
        alone=True,
    ),
    Breakage(
        "a unit that nobody has",
        "true",
        {
            "as deployed: Certificate rotation",
            "what the hook reloads can be reloaded",
            "a renewal reloads the services",
        },
        data={"certbot_reload_services": ["postfix", "nobodys"]},
    ),
    Breakage(
        "data that is not valid", "true", {"the data is valid"}, data={"mail_domain": "no domain"}, alone=True
    ),
    Breakage(
        "data of verification that is not valid",
        "true",
        {"the data is valid"},
        data={"verify_lifetime_left": -1},
        alone=True,
    ),
)


@dataclass(frozen=True)
class Verified:
    """What verification found: host to check to outcome and reason, what it printed, its exit status."""

    hosts: dict[str, dict[str, dict[str, str]]]
    output: str
    status: int

    def failed(self, host: LabHost) -> set[str]:
        """The checks that failed on a host."""
        return self.with_outcome(host, "failed")

    def with_outcome(self, host: LabHost, outcome: str) -> set[str]:
        """The checks of a host with this outcome: `passed`, `warned`, `failed`, `skipped`."""
        found = self.hosts[host.name]
        return {check for check, result in found.items() if result["outcome"] == outcome}


@dataclass(frozen=True)
class Case:
    """What a host had broken at the same time, and what verification found."""

    scenario: list[Breakage]
    host: LabHost
    found: Verified


def verify(
    folder: Path, hosts: list[LabHost], data: dict[str, dict[str, Any]], *options: str, password: str = ""
) -> Verified:
    """Run `pytest tests/verify` as its user would.

    + data: data keys by host name, over the deployed ones
    """
    inventory, result = folder / "inventory.py", folder / "result.json"
    inventory.write_text(inventory_of(hosts, {"verify_addresses": "ssh"}, data))
    words = ["tests/verify", f"--inventory={inventory}", f"--json={result}", f"--mailbox={hosts[0].user}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, *options],
        cwd=ROOT,
        env={**os.environ, "VERIFY_PASSWORD": password or hosts[0].password},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout
    found = Verified(json.loads(result.read_text())["hosts"], done.stdout, done.returncode)
    assert found.hosts.keys() == {host.name for host in hosts}, done.stdout
    return found


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> Iterator[list[LabHost]]:
    """The default fleet after a deploy; that state is restored before each round."""
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    succeed(deploy(hosts))
    side_by_side(lambda host: host.save("deployed"), hosts)
    yield hosts
    side_by_side(LabHost.reset, hosts)


@pytest.fixture(scope="module")
def broken(
    fleet: list[LabHost], lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "dict[tuple[str, str], Case]":
    """Name of each breakage that is asked for, and release, to what verification found."""
    # Each is asked for once a release.
    names = {
        item.callspec.id.rpartition("-")[0]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "broken" in item.fixturenames
    }
    asked = [breakage for breakage in BREAKAGES if breakage.name in names]
    folder = tmp_path_factory.mktemp("verify")
    authority = Authority()
    trusted = folder / "trusted.pem"
    trusted.write_text(lab.ca.read_text() + authority.root)
    # A host of each release for each of two scenarios at a time.
    pairs = [fleet[:2], fleet[2:]]
    scenarios = list(_scenarios(asked))
    found: dict[tuple[str, str], Case] = {}
    for start in range(0, len(scenarios), len(pairs)):
        here: list[tuple[list[Breakage], LabHost]] = [
            (scenario, host)
            for scenario, pair in zip(scenarios[start : start + len(pairs)], pairs, strict=False)
            for host in pair
        ]
        side_by_side(lambda one: _break(one[1], one[0], authority), here)
        data: dict[str, dict[str, Any]] = {}
        for scenario, host in here:
            data[host.name] = {"verify_ca_file": str(trusted)}
            for breakage in scenario:
                data[host.name] |= breakage.data
        slow = any(SLOW in breakage.fails for scenario, _ in here for breakage in scenario)
        options = () if slow else ("-k", "not wrong_password")
        result = verify(folder, [host for _, host in here], data, *options)
        for scenario, host in here:
            for breakage in scenario:
                host.run(breakage.undo)
                found[breakage.name, host.release] = Case(scenario, host, result)
    return found


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_a_breakage_is_noticed_by_its_checks_and_no_others(
    breakage: Breakage, release: str, broken: dict[tuple[str, str], Case]
) -> None:
    case = broken[breakage.name, release]
    failed = case.found.failed(case.host)
    assert not breakage.fails_on(release) - failed, case.found.output
    explained = frozenset[str]().union(*(other.fails_on(release) for other in case.scenario))
    assert not failed - explained, case.found.output
    warned = case.found.with_outcome(case.host, "warned")
    assert not breakage.warns - warned, case.found.output
    assert not warned - frozenset[str]().union(*(other.warns for other in case.scenario)), case.found.output


@pytest.fixture(scope="module")
def healthy(fleet: list[LabHost], lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Verified:
    """What verification finds of the fleet as it was deployed."""
    side_by_side(lambda host: host.restore("deployed"), fleet)
    data = {host.name: {"verify_ca_file": str(lab.ca)} for host in fleet}
    return verify(tmp_path_factory.mktemp("healthy"), fleet, data)


@pytest.mark.parametrize("release", ["bookworm", "trixie"])
@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda breakage: breakage.name)
def test_what_is_skipped_takes_nothing_else_with_it(
    breakage: Breakage, release: str, broken: dict[tuple[str, str], Case], healthy: Verified
) -> None:
    case = broken[breakage.name, release]
    found, failed = case.found.hosts[case.host.name], case.found.failed(case.host)
    for check in case.found.with_outcome(case.host, "skipped") - healthy.with_outcome(case.host, "skipped"):
        telling = found[check]["reported_by"]
        while telling and telling not in failed:
            telling = found[telling]["reported_by"]
        assert telling, f"{check} is skipped, and no check tells why:\n{case.found.output}"
    # Every breakage is found by a check that runs on this release.
    noticed = breakage.fails_on(release) | breakage.warns
    assert not noticed & healthy.with_outcome(case.host, "skipped")


def test_every_check_is_broken_somewhere(fleet: list[LabHost], healthy: Verified) -> None:
    assert {check for host in fleet for check in healthy.failed(host)} == set()
    by_table = frozenset[str]().union(*(b.fails | b.trixie | b.warns for b in BREAKAGES))
    assert sorted(healthy.hosts[fleet[1].name]) == sorted(by_table | BROKEN_ELSEWHERE)


def _scenarios(breakages: Sequence[Breakage]) -> Iterator[list[Breakage]]:
    """Breakages that can be told apart on one host at the same time: no check fails for two of them."""
    left = list(breakages)
    while left:
        scenario = [left.pop(0)]
        for breakage in list(left):
            if all(_apart(breakage, other) for other in scenario):
                scenario.append(breakage)
                left.remove(breakage)
        yield scenario


def _apart(one: Breakage, other: Breakage) -> bool:
    return not (
        (one.alone or other.alone)
        or (one.certificate and other.certificate)
        or (one.fails_on("trixie") | one.warns) & (other.fails_on("trixie") | other.warns)
    )


def _break(host: LabHost, scenario: Sequence[Breakage], authority: Authority) -> None:
    host.restore("deployed")
    live = f"/etc/letsencrypt/live/{host.domain}"
    for breakage in scenario:
        files = breakage.certificate(authority, host) if breakage.certificate else {}
        for name, content in files.items():
            (host.root / live.lstrip("/") / name).write_text(content)
        host.run(breakage.command.replace("LIVE", live), timeout=120)


# By the tests below, and in test_same_machine.py.
BROKEN_ELSEWHERE = frozenset(
    {
        "the host is up",
        "the name resolves",
        "login succeeds with each offered mechanism",
        "a message is accepted",
        "port 465 greets in time",
        "no other host is the same machine",
    }
)


def test_a_host_that_is_down_is_reported_once(fleet: list[LabHost], lab: Lab, tmp_path: Path) -> None:
    down, up = fleet[0], fleet[1]
    for host in (down, up):
        host.restore("deployed")
    lab.link(down.name).cut()
    try:
        data = {host.name: {"verify_ca_file": str(lab.ca)} for host in (down, up)}
        found = verify(tmp_path, [down, up], data, "-k", "not wrong_password")
    finally:
        lab.link(down.name).restore()
    assert found.failed(down) == {"the host is up"}, found.output
    assert found.failed(up) == set(), found.output
    assert found.output.count(f"FAILED  {down.name}") == 1


def test_a_name_in_no_dns_is_reported_once(fleet: list[LabHost], tmp_path: Path) -> None:
    host = fleet[1]
    host.restore("deployed")
    data = {host.name: {"verify_addresses": "dns", "mail_hostname": "mail.invalid"}}
    found = verify(tmp_path, [host], data)
    assert found.failed(host) == {
        "the name resolves",
        # The certificate does not cover that name either.
        "nothing prevents a deploy",
    }


def test_a_wrong_password_of_the_mailbox_is_told(fleet: list[LabHost], lab: Lab, tmp_path: Path) -> None:
    host = fleet[1]
    host.restore("deployed")
    data = {host.name: {"verify_ca_file": str(lab.ca)}}
    found = verify(tmp_path, [host], data, "-k", "mailbox", password="wrong")
    assert found.failed(host) == {"login succeeds with each offered mechanism"}
    assert "wrong" not in found.output


# A name server that receives every query and answers none.
MUTE = (
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
    's.bind(("127.0.0.9", 53)); [s.recv(512) for _ in iter(int, 1)]'
)


def test_a_dead_resolver_is_told_with_its_cause(fleet: list[LabHost], lab: Lab, tmp_path: Path) -> None:
    hosts = fleet[:2]
    for host in hosts:
        host.restore("deployed")
        host.run(f"systemd-run --quiet --collect --unit=mute python3 -c '{MUTE}'")
        host.run(
            "echo nameserver 127.0.0.9 | tee /etc/resolv.conf /var/spool/postfix/etc/resolv.conf && "
            "systemctl restart postfix"
        )
    data = {host.name: {"verify_ca_file": str(lab.ca), "verify_seconds": 5} for host in hosts}
    found = verify(tmp_path, hosts, data, "-k", "greets_in_time")
    for host in hosts:
        host.run("systemctl stop mute")
        assert found.failed(host) == {"port 465 greets in time"}, found.output
        reason = found.hosts[host.name]["port 465 greets in time"]["reason"]
        assert "does the host's resolver answer?" in reason


def test_what_could_not_be_looked_at_and_nobody_tells_has_failed(
    fleet: list[LabHost], lab: Lab, tmp_path: Path
) -> None:
    host = fleet[0]
    host.restore("deployed")
    lab.link(host.name).cut()
    try:
        found = verify(tmp_path, [host], {}, "-k", "listens")
    finally:
        lab.link(host.name).restore()
    assert found.failed(host) == {"the host listens on its ports"}, found.output
    assert found.status == 1
