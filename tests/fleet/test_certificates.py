"""Certificates: several domains on one host, renewals, other clients, bad certificates."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.by_hand import reloads_of_postfix
from tests.fleet.conftest import RELEASES
from tests.fleet.deploying import Run, deploy, fingerprint, succeed
from tests.fleet.tls import SMTP, SUBMISSIONS, on_disk, served

DOMAINS = "several domains"
HOOK = "/etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
WRITTEN = ("/etc/postfix/main.cf", "/etc/postfix/master.cf", "/etc/postfix/smtp_auth_sni", HOOK)


def further(host: LabHost) -> list[str]:
    """The host's further domains. No other host has them: in the lab, a name resolves to one host."""
    return [f"{host.release}-{number}.example" for number in (1, 2)]


def names(host: LabHost) -> dict[str, list[str]]:
    """The names that each lineage of the host covers."""
    return {host.domain: [host.name]} | {d: [f"mail.{d}", f"smtp.{d}"] for d in further(host)}


def unserved(host: LabHost) -> str:
    """A lineage of the host that Postfix must not serve; also the name that it covers."""
    return f"www.{further(host)[0]}"


def data(hosts: Iterable[LabHost]) -> dict[str, dict[str, list[str]]]:
    """The hosts' own data keys."""
    return {host.name: {"additional_domains": further(host)} for host in hosts}


def side_by_side(hosts: Sequence[LabHost], work: Callable[[LabHost], object]) -> None:
    """Do the work on several hosts at the same time."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(work, hosts))


def wrongly_served(host: LabHost) -> list[tuple[int, str]]:
    """The ports and names for which a client gets another certificate than the one on the disk."""
    return [
        (port, name)
        for port in (SUBMISSIONS, SMTP)
        for lineage, covered in names(host).items()
        for name in covered
        if served(host, port, name) != on_disk(host, lineage)
    ]


@pytest.fixture(scope="module")
def issued(lab: Lab) -> list[LabHost]:
    """A host of each release, deployed to with three domains, and that state saved."""
    hosts = [lab.hosts[name] for name in RELEASES]

    def issue(host: LabHost) -> None:
        host.reset()
        for domain in further(host):
            host.issue_certificate(names(host)[domain], domain)
        host.issue_certificate([unserved(host)], unserved(host))

    side_by_side(hosts, issue)
    succeed(deploy(hosts, per_host=data(hosts)))
    for host in hosts:
        host.save(DOMAINS)
    return hosts


@pytest.fixture
def several(issued: list[LabHost]) -> list[LabHost]:
    """A host of each release that serves three domains."""
    side_by_side(issued, lambda host: host.restore(DOMAINS))
    return issued


@pytest.fixture
def without_certbot(lab: Lab) -> Iterator[None]:
    """One host per release without certbot; it is restored after the test."""
    hosts = [lab.hosts[name] for name in RELEASES]
    for host in hosts:
        host.run("mv /usr/bin/certbot /usr/bin/certbot.away")
    yield
    for host in hosts:
        host.run("mv /usr/bin/certbot.away /usr/bin/certbot")


def test_each_name_gets_its_own_certificate_on_both_ports(several: list[LabHost]) -> None:
    for host in several:
        assert wrongly_served(host) == []


def test_a_client_that_names_no_known_domain_gets_the_default(several: list[LabHost]) -> None:
    for host in several:
        for port in (SUBMISSIONS, SMTP):
            for name in (None, "unknown.example"):
                assert served(host, port, name) == on_disk(host, host.domain)


def test_no_private_key_leaves_its_lineage(several: list[LabHost]) -> None:
    for host in several:
        assert host.run("grep -rlE 'PRIVATE KEY' /etc/postfix", check=False).stdout == ""
        assert host.run("stat -c '%a %U' /etc/postfix/smtp_auth_sni").stdout == "600 root\n"
        assert host.run("postfix check").stderr == ""


def test_postfix_logs_no_name_of_ours_as_unknown(several: list[LabHost]) -> None:
    for host in several:
        # A time in seconds would include what an earlier test has caused in the same second.
        shown = host.run("journalctl --sync && journalctl --quiet --lines=0 --show-cursor").stdout
        cursor = shown.removeprefix("-- cursor: ").strip()
        assert wrongly_served(host) == []
        of_smtpd = f"--output=cat --after-cursor='{cursor}' -t postfix/submissions/smtpd"
        log = host.run(f"journalctl --sync && journalctl --quiet {of_smtpd}").stdout
        assert "connect from" in log
        assert "not matched" not in log


def test_renewals_are_served_when_certbot_ends(several: list[LabHost]) -> None:
    before = {host.name: _certificates(host) for host in several}

    def renew(host: LabHost) -> None:
        _certbot(host, "renew --force-renewal --key-type rsa")
        assert wrongly_served(host) == []
        assert [_is_rsa(host, lineage) for lineage in names(host)] == [True, True, True]
        everything = _certificates(host)
        assert not set(before[host.name]) & set(everything)
        # Renew only one lineage, with the other key type.
        _certbot(host, f"renew --force-renewal --key-type ecdsa --cert-name {further(host)[0]}")
        assert wrongly_served(host) == []
        assert [_is_rsa(host, lineage) for lineage in names(host)] == [True, False, True]
        assert len(set(everything) & set(_certificates(host))) == 2

    side_by_side(several, renew)
    _next_deploy_changes_nothing(several)


def test_a_renewal_of_what_postfix_does_not_serve_leaves_it_alone(several: list[LabHost]) -> None:
    def renew(host: LabHost) -> None:
        before = reloads_of_postfix(host)
        _certbot(host, f"renew --force-renewal --cert-name {unserved(host)}")
        assert reloads_of_postfix(host) == before

    side_by_side(several, renew)


def test_one_units_failure_is_in_certbots_log_and_the_others_are_reloaded(stock: list[LabHost]) -> None:
    succeed(deploy(stock, data={"certbot_reload_services": ["absent", "postfix"]}))

    def renew(host: LabHost) -> None:
        host.renew()
        for port in (SUBMISSIONS, SMTP):
            assert served(host, port, host.name) == on_disk(host, host.domain)
        log = (host.root / "var/log/letsencrypt/letsencrypt.log").read_text()
        assert "reload_services.sh: absent is not reloaded" in log

    side_by_side(stock, renew)


def test_what_another_client_renews_is_noticed_and_served(
    several: list[LabHost], without_certbot: None
) -> None:
    for host in several:
        lineage = further(host)[0]
        # More names than before: the table of names has to contain them.
        _put(host, lineage, [*names(host)[lineage], f"new.{lineage}"], days=60)
    hooks = [fingerprint(host, HOOK) for host in several]
    preview = succeed(deploy(several, "--dry", "--diff", per_host=data(several)))
    for host in several:
        lineage = further(host)[0]
        directory = f"/etc/letsencrypt/live/{lineage}"
        difference = preview.difference(host)
        assert f"+new.{lineage} {directory}/privkey.pem {directory}/fullchain.pem" in difference
        assert any(
            f"the certificate of {lineage} is newer than the running configuration" in line
            for line in difference
        )
        assert _says(preview, host, "certbot is not installed", "systemctl reload postfix"), preview.output
    succeed(deploy(several, per_host=data(several)))
    for host in several:
        assert wrongly_served(host) == []
        lineage = further(host)[0]
        assert served(host, SUBMISSIONS, f"new.{lineage}") == on_disk(host, lineage)
    assert [fingerprint(host, HOOK) for host in several] == hooks
    _next_deploy_changes_nothing(several)


def test_without_certbot_no_hook_is_written(stock: list[LabHost], without_certbot: None) -> None:
    succeed(deploy(stock))
    for host in stock:
        assert not (host.root / HOOK.lstrip("/")).exists()
    _next_deploy_changes_nothing(stock, {})


def test_an_owners_own_table_still_counts(several: list[LabHost]) -> None:
    for host in several:
        own = unserved(host)
        files = " ".join(f"/etc/letsencrypt/live/{own}/{file}.pem" for file in ("privkey", "fullchain"))
        host.run(f"echo '{own} {files}' >/etc/postfix/sni && chmod 600 /etc/postfix/sni")
        host.run("postmap -F hash:/etc/postfix/sni && postconf -e tls_server_sni_maps=hash:/etc/postfix/sni")
    succeed(deploy(several, per_host=data(several)))
    for host in several:
        own = unserved(host)
        assert wrongly_served(host) == []
        assert served(host, SUBMISSIONS, own) == on_disk(host, own)
        _put(host, own, [own], days=60)
    again = succeed(deploy(several, per_host=data(several)))
    for host in several:
        assert again.changed(host) == 0, again.output
        assert _says(
            again, host, "hash:/etc/postfix/sni contains copies of certificates that are older", "postmap -F"
        ), again.output


def test_a_domain_that_is_no_longer_asked_for_gets_the_default(several: list[LabHost]) -> None:
    kept = {host.name: {"additional_domains": further(host)[:1]} for host in several}
    for per_host in (kept, {}):
        succeed(deploy(several, per_host=per_host))
        for host in several:
            for number, domain in enumerate(further(host)):
                lineage = domain if per_host and number == 0 else host.domain
                assert served(host, SUBMISSIONS, f"mail.{domain}") == on_disk(host, lineage)
    _next_deploy_changes_nothing(several, {})


def test_a_renamed_lineage_is_named_with_the_command_that_mends_it(stock: list[LabHost]) -> None:
    succeed(deploy(stock))

    def rename(host: LabHost) -> None:
        host.issue_certificate(cert_name=f"{host.domain}-0001")
        _certbot(host, f"delete --cert-name {host.domain}")

    side_by_side(stock, rename)
    refused = deploy(stock)
    assert refused.status != 0
    for host in stock:
        command = f"certbot certonly --cert-name {host.domain} -d {host.name}"
        assert _says(refused, host, f"certbot named it {host.domain}-0001", command), refused.output

    def mend(host: LabHost) -> None:
        # The command of the message with --standalone, without which certbot would ask how to prove the name.
        _certbot(host, f"certonly --standalone --cert-name {host.domain} -d {host.name}")
        _certbot(host, f"delete --cert-name {host.domain}-0001")

    side_by_side(stock, mend)
    # certbot runs no directory hooks for a new lineage.
    preview = succeed(deploy(stock, "--dry", "--diff"))
    for host in stock:
        reason = f"+reload Postfix: the certificate of {host.domain} is newer than the running configuration"
        assert reason in preview.difference(host), preview.output
        assert served(host, SUBMISSIONS, host.name) != on_disk(host, host.domain)
    succeed(deploy(stock))
    for host in stock:
        assert served(host, SUBMISSIONS, host.name) == on_disk(host, host.domain)


def test_what_cannot_be_served_stops_the_deploy_and_what_ends_soon_is_warned_of(
    stock: list[LabHost],
) -> None:
    before = [fingerprint(host, *WRITTEN[:2]) for host in stock]
    for reason, name, days, other_key in (
        ("expired on", "", -1, False),
        ("does not cover", "other.example", 60, False),
        ("does not belong to", "", 60, True),
    ):
        for host in stock:
            _put(host, host.domain, [name or host.name], days, other_key)
        refused = deploy(stock)
        assert refused.status != 0
        for host in stock:
            assert _says(refused, host, f"/etc/letsencrypt/live/{host.domain}", reason), refused.output
    assert [fingerprint(host, *WRITTEN[:2]) for host in stock] == before
    for host in stock:
        _put(host, host.domain, [host.name], days=9)
    run = succeed(deploy(stock))
    for host in stock:
        assert _says(run, host, "expires on", "was not renewed"), run.output
        assert served(host, SUBMISSIONS, host.name) == on_disk(host, host.domain)


# -- helpers ---------------------------------------------------------------------------------------


def _certbot(host: LabHost, words: str) -> None:
    # Without a terminal, certbot waits minutes before it asks the authority.
    host.run(f"certbot {words} --non-interactive --no-random-sleep-on-renew", timeout=180)


def _certificates(host: LabHost) -> list[str]:
    return [on_disk(host, lineage) for lineage in names(host)]


def _is_rsa(host: LabHost, lineage: str) -> bool:
    key = host.run(f"openssl pkey -in /etc/letsencrypt/live/{lineage}/privkey.pem -noout -text")
    return "prime1" in key.stdout


def _says(run: Run, host: LabHost, *words: str) -> bool:
    """Whether one line about the host contains all the words."""
    return any(all(word in line for word in words) for line in run.lines_of(host))


def _next_deploy_changes_nothing(
    hosts: Sequence[LabHost], per_host: dict[str, dict[str, list[str]]] | None = None
) -> None:
    again = succeed(deploy(hosts, per_host=data(hosts) if per_host is None else per_host))
    assert [again.changed(host) for host in hosts] == [0, 0], again.output


def _put(host: LabHost, lineage: str, covered: list[str], days: int, other_key: bool = False) -> None:
    """Put a self-signed certificate into a lineage, as a client other than certbot would.

    + days: from now to its end
    + other_key: whether the private key beside it belongs to another certificate
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, covered[0])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=80))
        # An hour more than full days, for the time that the deploy takes.
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in covered]), critical=False)
        .sign(key, SHA256())
    )
    private = rsa.generate_private_key(65537, 2048) if other_key else key
    files = {
        "privkey.pem": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "fullchain.pem": certificate.public_bytes(Encoding.PEM),
    }
    folder: Path = host.root / "etc/letsencrypt/live" / lineage
    for name, content in files.items():
        new = folder / f"{name}.new"
        new.write_bytes(content)
        new.rename(folder / name)
