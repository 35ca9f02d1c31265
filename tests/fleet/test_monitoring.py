"""What is written for Prometheus, Nagios and blackbox_exporter, read by Debian's own packages of these."""

import json
import re
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.command import wait_until
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.authority import Authority
from tests.fleet.commands import command_line, smtp_auth
from tests.fleet.deploying import ROOT, deploy, side_by_side, succeed
from tests.unit.verify.test_prometheus import samples

NEGATE = "/usr/lib/nagios/plugins/negate"
RELOAD = "systemctl reload postfix"

NO_LOGINS = f"postconf -P submissions/inet/smtpd_sasl_auth_enable=no && {RELOAD}"


@pytest.fixture(scope="module")
def fleet(lab: Lab) -> list[LabHost]:
    """One host per release, deployed to."""
    hosts = [lab.hosts[name] for name in ("mail1.example.jp", "mail2.example.jp")]
    for host in hosts:
        host.reset()
    succeed(deploy(hosts))
    side_by_side(lambda host: host.save("deployed"), hosts)
    return hosts


def _data(lab: Lab) -> dict[str, object]:
    return {"verify_ca_file": str(lab.ca), "verify_addresses": "ssh"}


def test_the_rules_fire_and_do_not() -> None:
    for words in (["check", "rules", "docs/alerts.yml"], ["test", "rules", "tests/fleet/alerts_test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_the_pages_example(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (tmp_path / "prometheus.yml").write_text(example)
    words = ["promtool", "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_what_is_written(fleet: list[LabHost], lab: Lab, tmp_path: Path) -> None:
    side_by_side(lambda host: host.restore("deployed"), fleet)
    up, down = fleet
    verified, planned = tmp_path / "verify.prom", tmp_path / "plan.prom"
    lab.link(down.name).cut()
    try:
        # Not the one that takes long.
        options = ("--prometheus", str(verified), "--", "-k", "not wrong_password")
        done = smtp_auth("verify", fleet, *options, data=_data(lab))
        assert done.status == 1, done.output
        smtp_auth("plan", fleet, "--prometheus", str(planned), data=_data(lab))
    finally:
        lab.link(down.name).restore()
    for file in (verified, planned):
        # It warns of bad names, too.
        read = subprocess.run(
            ["promtool", "check", "metrics"], input=file.read_bytes(), capture_output=True, check=False
        )
        assert (read.returncode, read.stderr) == (0, b"")
    checks = samples(verified, "smtp_auth_check")
    assert {check for (host, check), passed in checks.items() if host == up.name and not passed} == set()
    assert {check: passed for (host, check), passed in checks.items() if host == down.name} == {
        "the data is valid": 1,
        "the host is up": 0,
    }
    assert samples(verified, "smtp_auth_greeting_seconds").keys() == {(up.name,)}
    assert samples(planned, "smtp_auth_pending_changes") == {(up.name,): 0}
    assert samples(planned, "smtp_auth_state")[down.name, "unreachable"] == 1


def test_nagios_reads_what_is_said(fleet: list[LabHost], lab: Lab) -> None:
    side_by_side(lambda host: host.restore("deployed"), fleet)
    healthy, broken = fleet
    broken.run(NO_LOGINS)

    def negated(host: LabHost) -> tuple[int, list[str]]:
        with command_line("verify", fleet, "--nagios", host.name, data=_data(lab)) as words:
            done = subprocess.run([NEGATE, "-t", "600", *words], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.returncode, done.stdout.splitlines()

    # It turns what is good into what is critical, and the other way round.
    (good, said), (bad, why) = side_by_side(negated, fleet)
    assert (good, len(said)) == (2, 1), said
    assert said[0].startswith(f"SMTP_AUTH OK - {healthy.name}: ")
    assert "|greeting=" in said[0]
    assert bad == 0, why
    assert why[0].startswith(f"SMTP_AUTH CRITICAL - {broken.name}: failed: ")
    assert any(line.startswith("FAILED port 465 offers logins: ") for line in why)


# -- blackbox_exporter --------------------------------------------------------------------------------


@contextmanager
def _exporter(config: Path) -> Iterator[Callable[[str, str], bool]]:
    """Runs it. Yields what asks it about a target with a module, and returns whether that has succeeded."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = ["prometheus-blackbox-exporter", f"--config.file={config}", f"--web.listen-address={address}"]
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: _answers(f"http://{address}/-/healthy"), "the exporter")
            yield (
                lambda target, module: (
                    "\nprobe_success 1\n" in _read(f"http://{address}/probe?target={target}&module={module}")
                )
            )
        finally:
            process.terminate()


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=180) as answer:
        return str(answer.read().decode())


def _answers(url: str) -> bool:
    try:
        return bool(_read(url))
    except OSError:
        return False


def _another_certificate(host: LabHost) -> None:
    for name, content in Authority().lineage(host.name).items():
        (host.root / "etc/letsencrypt/live" / host.domain / name).write_text(content)
    host.run(RELOAD)


BROKEN: dict[str, Callable[[LabHost], object]] = {
    "no logins": lambda host: host.run(NO_LOGINS),
    "another certificate": _another_certificate,
    "stopped": lambda host: host.run("systemctl stop 'postfix*'"),
}


def test_blackbox_exporter_sees_what_is_broken(fleet: list[LabHost], lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "blackbox.yml"
    done = smtp_auth("verify", fleet, "--blackbox-config", str(file), data=_data(lab))
    assert done.status == 0, done.progress
    found = {
        one["labels"]["host"]: (one["targets"][0], one["labels"]["module"]) for one in json.loads(done.output)
    }
    with _exporter(file) as succeeds:
        for name, break_it in BROKEN.items():
            side_by_side(lambda host: host.restore("deployed"), fleet)
            assert all(succeeds(*found[host.name]) for host in fleet)
            side_by_side(break_it, fleet)
            # A process of Postfix that was there before a reload may serve one client more.
            wait_until(lambda: not any(succeeds(*found[host.name]) for host in fleet), f"no success: {name}")
    side_by_side(lambda host: host.run("systemctl start postfix"), fleet)
