"""Common mail programs log in on port 465 and send; testssl.sh finds no problem in its TLS."""

import json
import os
import subprocess
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import RELEASES
from tests.fleet.deploying import Run, deploy, succeed

# Findings that testssl.sh grades above LOW, and why the host need not be repaired.
ACCEPTED = {
    "cert_revocation": "the lab's authority names no revocation list; Let's Encrypt's certificates do",
}

# By default, Postfix offers ciphers without a certificate (which no client that verifies would pick) and
# leaves the choice to the client. testssl.sh grades the two CRITICAL and HIGH.
STRICT = {"smtpd_tls_mandatory_exclude_ciphers": "aNULL", "tls_preempt_cipherlist": "yes"}

Client = Callable[[LabHost, Path, Path, str], None]


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest, lab: Lab, deployed: Run) -> LabHost:
    """A deployed host of each release in turn."""
    found: LabHost = lab.hosts[request.param]
    return found


def swaks(host: LabHost, ca: Path, folder: Path, subject: str) -> None:
    """swaks, with TLS from the first byte; its options come from the environment."""
    address = f"{host.user}@{host.domain}"
    options = {
        "server": host.address,
        "port": "465",
        "tls_on_connect": "",
        "tls_sni": host.name,
        "tls_ca_path": str(ca),
        "tls_verify": "",
        "auth": "PLAIN",
        "auth_user": host.user,
        "auth_password": host.password,
        "from": address,
        "to": address,
        "h_Subject": subject,
    }
    _run(["swaks"], env={f"SWAKS_OPT_{name}": value for name, value in options.items()})


def curl(host: LabHost, ca: Path, folder: Path, subject: str) -> None:
    """`curl smtps://`."""
    address = f"{host.user}@{host.domain}"
    netrc = _secret(folder / "netrc", f"machine {host.name} login {host.user} password {host.password}\n")
    _run(
        [
            *("curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", str(ca)),
            *("--resolve", f"{host.name}:465:{host.address}", "--netrc-file", str(netrc)),
            *("--mail-from", address, "--mail-rcpt", address, "--upload-file", "-"),
            f"smtps://{host.name}:465",
        ],
        stdin=f"From: {address}\r\nTo: {address}\r\nSubject: {subject}\r\n\r\nSent by curl.\r\n",
    )


def msmtp(host: LabHost, ca: Path, folder: Path, subject: str) -> None:
    """msmtp, configured as for mutt."""
    address = f"{host.user}@{host.domain}"
    settings = {
        "host": host.address,
        "port": "465",
        "tls": "on",
        "tls_starttls": "off",
        "tls_trust_file": str(ca),
        "tls_host_override": host.name,
        "auth": "on",
        "user": host.user,
        "password": host.password,
        "from": address,
    }
    lines = "".join(f"{name} {value}\n" for name, value in settings.items())
    config = _secret(folder / "msmtprc", f"account default\n{lines}")
    _run(
        ["msmtp", f"--file={config}", address],
        stdin=f"From: {address}\nTo: {address}\nSubject: {subject}\n\nSent by msmtp.\n",
    )


@pytest.mark.parametrize("client", [swaks, curl, msmtp], ids=lambda client: client.__name__)
def test_a_mail_program_logs_in_and_sends(client: Client, host: LabHost, lab: Lab, tmp_path: Path) -> None:
    subject = f"{client.__name__} {uuid.uuid4()}"
    client(host, lab.ca, tmp_path, subject)
    assert "\nReceived: " in mail.delivered(host, subject)


@pytest.fixture(scope="module")
def judged(
    lab: Lab, deployed: Run, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[dict[str, str]]]:
    """Host to what testssl.sh finds on its port 465, with the two options that it asks for."""
    succeed(deploy([lab.hosts[name] for name in RELEASES], data={"submissions_options": STRICT}))
    folder = tmp_path_factory.mktemp("testssl")

    def judge(name: str) -> list[dict[str, str]]:
        findings = folder / f"{name}.json"
        # Its exit status counts what it finds.
        said = _call(
            [
                *("testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "none"),
                *("--ip", lab.hosts[name].address, "--add-ca", str(lab.ca), "--jsonfile", str(findings)),
                # Protocols, kinds of ciphers, the server's order, its certificate, known weaknesses.
                *("-p", "-s", "-P", "-S", "-U", f"{name}:465"),
            ]
        )
        found: list[dict[str, str]] = json.loads(findings.read_text())
        assert found[-1]["id"] == "scanTime", said.stdout
        return found

    with ThreadPoolExecutor() as pool:
        return dict(zip(RELEASES, pool.map(judge, RELEASES), strict=True))


def test_testssl_finds_nothing_above_low(host: LabHost, judged: dict[str, list[dict[str, str]]]) -> None:
    findings = {entry["id"]: entry for entry in judged[host.name]}
    assert findings["cert_chain_of_trust"]["severity"] == "OK", findings["cert_chain_of_trust"]
    grave = {
        name: entry["finding"]
        for name, entry in findings.items()
        if entry["severity"] in ("MEDIUM", "HIGH", "CRITICAL") and name not in ACCEPTED
    }
    assert not grave


def _secret(path: Path, content: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(content)
    return path


def _run(words: list[str], stdin: str = "", env: dict[str, str] | None = None) -> None:
    done = _call(words, stdin, env)
    assert done.returncode == 0, done.stdout


def _call(
    words: list[str], stdin: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(env or {})},
        timeout=600,
        check=False,
    )
