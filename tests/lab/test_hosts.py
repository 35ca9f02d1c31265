"""The booted hosts are as the tests expect them, and their states can be restored."""

import imaplib
import smtplib
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from lab import image
from lab.command import LabError
from lab.fixtures import ROOT
from lab.fleet import DEFAULT_FLEET
from lab.host import LabHost
from lab.lab import Lab

pytestmark = pytest.mark.lab

HOSTS = [spec.name for spec in DEFAULT_FLEET]
ONE_A_RELEASE = HOSTS[:2]


@pytest.fixture
def host(lab: Lab, request: pytest.FixtureRequest) -> LabHost:
    """One host, as it was when it was made."""
    name: str = request.param
    lab.hosts[name].reset()
    return lab.hosts[name]


every_host = pytest.mark.parametrize("host", HOSTS, indirect=True)
one_a_release = pytest.mark.parametrize("host", ONE_A_RELEASE, indirect=True)


@every_host
def test_a_host_booted_without_a_failed_unit(host: LabHost) -> None:
    assert host.run("systemctl is-system-running", check=False).stdout.strip() == "running"
    assert host.run("hostname --fqdn").stdout.strip() == host.name


@every_host
def test_the_stock_configuration_lacks_only_the_names(host: LabHost) -> None:
    assert host.run("postconf -h myhostname").stdout.strip() == host.name
    destinations = host.run("postconf -hx mydestination").stdout.replace(",", " ").split()
    assert {host.name, host.domain, "localhost"} <= set(destinations)
    subprocess.run(
        [
            "diff",
            "-r",
            "--no-dereference",
            image.path(host.release) / "etc/dovecot",
            host.root / "etc/dovecot",
        ],
        check=True,
    )
    assert "submissions" not in host.run("postconf -M").stdout


@every_host
def test_openssh_reaches_a_host_by_name(lab: Lab, host: LabHost) -> None:
    done = subprocess.run(
        ["ssh", "-F", lab.ssh_config, "-o", "BatchMode=yes", host.name, "id -u"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "0\n"


@every_host
def test_the_certificate_covers_the_host_and_is_trusted_below_the_labs_root(lab: Lab, host: LabHost) -> None:
    trusted = ssl.create_default_context(cafile=str(lab.ca))
    live = Path("etc/letsencrypt/live", host.domain)
    chain = (host.root / live / "fullchain.pem").read_text()
    assert chain.count("BEGIN CERTIFICATE") == 2
    assert trusted.cert_store_stats()["x509_ca"] == 1
    host.run(f"cd /{live} && openssl verify -untrusted chain.pem -verify_hostname {host.name} cert.pem")


@one_a_release
def test_local_mail_arrives_and_the_user_reads_it(host: LabHost) -> None:
    with smtplib.SMTP(host.address, timeout=20) as smtp:
        text = "Subject: hello\r\n\r\nfrom outside\r\n"
        smtp.sendmail("someone@elsewhere.test", f"{host.user}@{host.domain}", text)

    def subjects() -> str:
        with imaplib.IMAP4_SSL(host.address, ssl_context=unverified()) as imap:
            imap.login(host.user, host.password)
            imap.select("INBOX", readonly=True)
            return str(imap.fetch("1:*", "(BODY[HEADER.FIELDS (SUBJECT)])")[1])

    host.run("while ! test -s /var/mail/alice; do sleep 0.05; done", timeout=30)
    assert "hello" in subjects()


def unverified() -> ssl.SSLContext:
    """For Dovecot's certificate, which is the self-signed one of its package."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@one_a_release
def test_one_hosts_services_are_not_anothers(lab: Lab, host: LabHost) -> None:
    others = [other for other in lab.hosts.values() if other.name != host.name]
    host.run("systemctl stop postfix dovecot 'postfix@*'")
    assert all(other.serves() for other in others)
    host.reset()
    assert host.serves()


@one_a_release
def test_a_reset_undoes_what_a_deploy_may_do(host: LabHost) -> None:
    untouched = (host.root / "etc/postfix/master.cf").stat().st_ino
    before = (host.root / "etc/postfix/main.cf").stat()
    host.run(
        """
        postconf -e smtpd_sasl_type=dovecot smtpd_sasl_path=private/auth smtpd_sasl_auth_enable=yes
        printf 'service auth {\n unix_listener /var/spool/postfix/private/auth {\n mode = 0600\n'\
'user = postfix\n }\n}\n' >/etc/dovecot/conf.d/99-listener.conf
        systemctl reload dovecot postfix
        touch -r /etc/hostname /etc/postfix/main.cf
        mkdir -p /run/left-over /var/lib/left-over
        touch /tmp/left-over /etc/left-over /usr/local/bin/left-over
        printf '[Timer]\nOnBootSec=1h\n' >/etc/systemd/system/left-over.timer
        printf '[Service]\nExecStart=true\n' >/etc/systemd/system/left-over.service
        systemctl daemon-reload
        systemctl start left-over.timer
        echo text | sendmail alice
        rm /etc/aliases
        """
    )
    assert (host.root / "var/spool/postfix/private/auth").exists()
    host.reset()
    after = (host.root / "etc/postfix/main.cf").stat()
    assert (after.st_mtime_ns, after.st_mode) == (before.st_mtime_ns, before.st_mode)
    assert (host.root / "etc/postfix/master.cf").stat().st_ino == untouched
    assert (host.root / "etc/aliases").exists()
    found = host.run("find / -xdev -name left-over; ls /run /tmp; systemctl list-timers --all")
    assert "left-over" not in found.stdout
    assert not (host.root / "var/spool/postfix/private/auth").exists()
    assert list((host.root / "var/mail").iterdir()) == []
    assert host.serves()


@one_a_release
def test_a_named_state_comes_back_from_another_one(host: LabHost) -> None:
    host.run("echo one >/etc/state")
    host.save("one")
    host.run("echo two >/etc/state")
    host.restore("one")
    assert (host.root / "etc/state").read_text() == "one\n"
    host.reset()
    assert not (host.root / "etc/state").exists()
    host.forget("one")
    assert "one" not in host.saved()
    with pytest.raises(LabError, match="no state named one"):
        host.restore("one")


@one_a_release
def test_a_host_can_be_put_back_many_times_at_once(host: LabHost) -> None:
    # systemd refuses the sixth start within ten seconds.
    for _ in range(8):
        host.run("postconf -e maximal_queue_lifetime=1d")
        host.reset()
    assert host.serves()


@one_a_release
def test_a_host_can_be_rebooted_switched_off_and_crashed(host: LabHost) -> None:
    boot = "cat /proc/sys/kernel/random/uuid >/run/mark"
    host.run(boot)
    host.reboot()
    assert host.run("test -e /run/mark", check=False).returncode == 1
    for stop in (host.power_off, host.kill):
        stop()
        assert not host.running()
        with pytest.raises(LabError, match="is switched off"):
            host.run("true")
        host.power_on()
        host.wait_ready()
        assert host.serves()


@one_a_release
def test_certbot_renews_and_obtains_further_lineages(host: LabHost) -> None:
    live = host.root / "etc/letsencrypt/live"
    before = (live / host.domain / "fullchain.pem").read_text()
    host.renew()
    assert (live / host.domain / "fullchain.pem").read_text() != before
    host.issue_certificate(["mail.example.org", "example.org"], "example.org")
    assert "BEGIN CERTIFICATE" in (live / "example.org/fullchain.pem").read_text()
    host.reset()
    assert (live / host.domain / "fullchain.pem").read_text() == before
    assert not (live / "example.org").exists()


@one_a_release
def test_a_cut_cable_cuts_the_host_off(lab: Lab, host: LabHost) -> None:
    cable = lab.link(host.name)
    cable.cut()
    try:
        assert not host.serves()
    finally:
        cable.restore()
    host.wait_ready()


@one_a_release
def test_a_slow_cable_adds_its_time_to_each_round_trip(lab: Lab, host: LabHost) -> None:
    def fastest() -> float:
        return min(round_trip(host) for _ in range(5))

    def round_trip(host: LabHost) -> float:
        started = time.monotonic()
        # A handshake takes one round trip, and none of the host's own work.
        with socket.create_connection((host.address, 22), timeout=20):
            return time.monotonic() - started

    cable = lab.link(host.name)
    cable.delay(200)
    try:
        # Only a lower bound: the machine may do other work meanwhile.
        assert fastest() >= 0.2
        # Large transfers arrive complete: the cable forwards segments and checksums.
        copied = subprocess.run(
            ["ssh", "-F", lab.ssh_config, host.name, "cat"],
            input=b"x" * 1_000_000,
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert len(copied.stdout) == 1_000_000
    finally:
        cable.restore()
    assert not any(name.startswith(f"mlab{lab.number}t") for _, name in socket.if_nameindex())


def test_a_second_up_leaves_the_hosts_alone(lab: Lab) -> None:
    before = {name: host.leader() for name, host in lab.hosts.items()}
    again = Lab(ROOT)
    again.up()
    assert {name: host.leader() for name, host in again.hosts.items()} == before


def test_a_command_that_fails_or_hangs_says_so(lab: Lab) -> None:
    host = lab.hosts[HOSTS[0]]
    with pytest.raises(LabError, match="exit status 3 from"):
        host.run("exit 3")
    with pytest.raises(LabError, match=r"(?s)not finished within 5 s: sleep 60\n.* sleep 60\n"):
        host.run("sleep 60", timeout=5)
    assert host.run("cat", stdin="x\n").stdout == "x\n"
    assert host.run("pgrep -x sleep", check=False).stdout == ""
