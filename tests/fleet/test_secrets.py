"""What must not be read in any output: the password of --mailbox, and files that not everybody may read."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import ROOT, deploy, inventory_of, succeed
from tests.fleet.test_verify_breakages import HOOK

pytestmark = pytest.mark.lab

PASSWORD = "pass $wildfowl"

# A server for port 465 that says what it was sent, in each encoding that it knows.
ECHOING = """
import base64, glob, quopri, socket, ssl, threading, urllib.parse
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
live = glob.glob('/etc/letsencrypt/live/*/')[0]
context.load_cert_chain(live + 'fullchain.pem', live + 'privkey.pem')
def forms(sent):
    decoded = base64.b64decode(sent + '===')
    yield from (sent, decoded.decode('latin-1').strip(chr(0)), decoded.hex(), decoded.hex(':'))
    yield quopri.encodestring(decoded, quotetabs=True).decode()
    yield urllib.parse.quote(decoded)
    yield from (base64.b64encode(b'x' * count + decoded).decode() for count in (1, 2))
def serve(connection):
    with context.wrap_socket(connection, server_side=True) as secured:
        secured.sendall(b'220 mail ESMTP\\r\\n')
        for line in secured.makefile(encoding='latin-1'):
            word = line.split()[0].upper()
            if word == 'EHLO':
                secured.sendall(b'250-mail\\r\\n250 AUTH PLAIN LOGIN CRAM-MD5\\r\\n')
            elif word == 'AUTH':
                secured.sendall(b'334 PDFAYT4=\\r\\n')
            elif word in ('MAIL', 'RCPT', 'DATA', 'QUIT', 'NOOP', 'RSET'):
                secured.sendall(b'503 no\\r\\n')
            else:
                said = [form.replace(chr(10), ' ') for form in forms(line.strip())]
                secured.sendall(''.join(f'535-{one}\\r\\n' for one in said).encode() + b'535 no\\r\\n')
def each(connection):
    try:
        serve(connection)
    except OSError:
        pass
listening = socket.create_server(('', 465))
while True:
    threading.Thread(target=each, args=(listening.accept()[0],), daemon=True).start()
"""

# What shows any of it.
TRACES = ("wildfowl", "d2lsZGZvd2", "aWxkZm93b", "pbGRmb3ds", b"wildfowl".hex(), b"wildfowl".hex(":"))


def test_a_server_that_echoes_the_login_puts_the_password_nowhere(
    lab: Lab, stock: list[LabHost], tmp_path: Path
) -> None:
    host, _ = stock
    succeed(deploy([host]))
    host.run("systemctl stop 'postfix*'")
    host.run(
        f"systemd-run --quiet --unit=echoing -p RuntimeMaxSec=100 python3 -c {shlex.quote(ECHOING)} && "
        "until ss -ltn | grep -q :465; do sleep 0.1; done"
    )
    inventory, report, xml = (tmp_path / name for name in ("inventory.py", "report.json", "report.xml"))
    # The inventory finds no password in the environment.
    prelude = "import os\nassert 'VERIFY_PASSWORD' not in os.environ\n"
    data = {"verify_addresses": "ssh", "verify_ca_file": str(lab.ca)}
    inventory.write_text(prelude + inventory_of([host], data, {}))
    words = [f"--inventory={inventory}", f"--json={report}", f"--junitxml={xml}", "--mailbox", "alice"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "tests/verify",
            *words,
            "-k",
            "mailbox",
            "-vv",
            "-l",
            "--tb=long",
            "-rA",
        ],
        cwd=ROOT,
        env={**os.environ, "VERIFY_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
    )
    host.run("systemctl stop echoing")
    checks = json.loads(report.read_text())["hosts"][host.name]
    reason = checks["login succeeds with each offered mechanism"]["reason"]
    assert reason.count("[password]") > 10, done.stdout
    for output in (done.stdout, done.stderr, report.read_text(), xml.read_text()):
        assert not [trace for trace in TRACES if trace.lower() in output.lower()], output


def test_no_output_shows_a_private_file(stock: list[LabHost]) -> None:
    hook = "#!/bin/sh\r\ntoken=wildfowl\r\nexit 0\r\n"
    for host in stock:
        host.run(f"mkdir -p $(dirname {HOOK}); cat >{HOOK}; chmod 0700 {HOOK}", stdin=hook)
        host.run("echo '# wildfowl' >>/etc/postfix/main.cf; chmod 0640 /etc/postfix/main.cf")
    for options in (("--dry", "--diff", "-vvv"), ("-y", "--diff", "-vvv")):
        run = succeed(deploy(stock, *options))
        assert "wildfowl" not in run.output
        assert "lines, not shown: not everybody may read the file" in run.output
        assert "+# BEGIN smtp-auth" in run.output
