"""Mail servers that never end an answer, beside healthy ones: the verification judges each by itself.

How one conversation breaks off is in tests/unit/verify/test_conversation.py.
"""

import json
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests import memory
from tests.fleet.commands import SMTP_AUTH
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import ROOT, deploy, inventory_of, side_by_side, succeed

# What a verification may take of the controller's memory, in KiB.
MEMORY = 200 << 10

# A server for ports 465 (inside TLS, with the host's own certificate) and 25. It stops by itself.
SERVER = """
import glob, socket, ssl, sys, threading, time
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
live = glob.glob('/etc/letsencrypt/live/*/')[0]
context.load_cert_chain(live + 'fullchain.pem', live + 'privkey.pem')
def trickle(connection):
    for byte in b'220-hostile ESMTP ' * 30:
        connection.sendall(bytes([byte]))
        time.sleep(5)
def flood(connection):
    for _ in range(4096):
        connection.sendall(b'2' * (1 << 20))
def serve(connection, port, behave):
    try:
        with connection:
            if port == 465:
                with context.wrap_socket(connection, server_side=True) as secured:
                    behave(secured)
            else:
                behave(connection)
    except OSError:
        pass
def listen(port, behave):
    listening = socket.create_server(('', port))
    while True:
        threading.Thread(target=serve, args=(listening.accept()[0], port, behave), daemon=True).start()
for port in 465, 25:
    threading.Thread(target=listen, args=(port, globals()[sys.argv[1]])).start()
"""

SENTENCES = {
    "trickle": ("no answer within 30 s", "TooSlow: the server did not complete its answer in time"),
    "flood": ("sent more than 1048576 bytes", "sent more than 1048576 bytes"),
}


@pytest.fixture
def fleet(lab: Lab) -> Iterator[dict[str, LabHost]]:
    """The deployed fleet: a healthy host of each release, and two hostile ones."""
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    succeed(deploy(hosts))
    hostile = dict(zip(SENTENCES, hosts, strict=False))
    for behaviour, host in hostile.items():
        # Postfix is stopped for the ports, and pyinfra's own look at the host stays as healthy as it was.
        host.run(
            "systemctl stop 'postfix*' && systemd-run --quiet --unit=hostile -p RuntimeMaxSec=300 "
            f"python3 -c {shlex.quote(SERVER)} {behaviour} && "
            "until ss -ltn | grep -q :465 && ss -ltn | grep -q :25; do sleep 0.1; done"
        )
    yield {**hostile, **{host.name: host for host in hosts[len(hostile) :]}}
    side_by_side(lambda host: host.run("systemctl stop hostile; systemctl start postfix"), hostile.values())
    side_by_side(LabHost.reset, hosts)


def test_a_server_that_never_ends_an_answer_fails_alone(
    fleet: dict[str, LabHost], lab: Lab, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    inventory, result, size = (tmp_path / name for name in ("inventory.py", "result.json", "size"))
    data = {"verify_addresses": "ssh", "verify_ca_file": str(lab.ca)}
    inventory.write_text(inventory_of(fleet.values(), data, {}))
    words = [SMTP_AUTH, "verify", "-v", f"--inventory={inventory}", f"--json={result}"]
    command = memory.measured(words, size)
    ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    printed = ended.stdout
    assert ended.returncode == 1, printed
    checks = json.loads(result.read_text())["hosts"]
    for behaviour, sentences in SENTENCES.items():
        found = checks[fleet[behaviour].name]
        for check, sentence in zip(("port 465 greets inside tls", "port 25 greets"), sentences, strict=True):
            assert found[check]["outcome"] == "failed", printed
            assert sentence in found[check]["reason"]
    healthy = [name for name in fleet if name not in SENTENCES]
    for name in healthy:
        assert {check for check, one in checks[name].items() if one["outcome"] == "failed"} == set(), printed
    # Nobody waited for the host that is slow.
    done = [line.partition(": look ")[0] for line in printed.splitlines() if ": look " in line]
    assert done[-1] == fleet["trickle"].name, printed
    measured(f"verification beside hostile mail servers: {memory.peak(size) >> 10} MiB")
    assert memory.peak(size) < MEMORY
