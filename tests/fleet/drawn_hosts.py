"""Makes a stock host one with a drawn configuration."""

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from lab.command import wait_until
from lab.host import LabHost
from tests.fleet import by_hand
from tests.fleet.drawing import AUTH, SASL, Drawn, Options
from tests.fleet.restrictions import POLICY_PROGRAM, POLICY_SERVICE, SUSPENDED, TABLES

# The port of a service that the administrator does not have.
HYPOTHETICAL = 2465


def make(drawn: Drawn, host: LabHost) -> None:
    """Make a stock host one with this configuration, with the second login, and wait until Postfix has it."""

    def filled(text: str) -> str:
        return text.replace("{user}", host.user).replace("{domain}", host.domain)

    for name, content in TABLES.items():
        (host.root / "etc/postfix" / name).write_text(filled(content))
    policy = host.root / "usr/local/bin/policy"
    policy.write_text(POLICY_PROGRAM)
    policy.chmod(0o755)
    definitions = [filled(f"{name} = {value}") for name, value in drawn.main.items()]
    master = host.root / "etc/postfix/master.cf"
    lines = master.read_text().splitlines()
    (port_25,) = [number for number, line in enumerate(lines, 1) if re.match(r"smtp\s+inet\s", line)]
    lines[port_25:port_25] = _lines(drawn.services["smtp"])
    for name, options in drawn.services.items():
        if name != "smtp":
            lines += [f"{name} inet n - y - - smtpd", *_lines(options)]
    master.write_text("\n".join([*lines, POLICY_SERVICE, ""]))
    by_hand.uncomment_listener(host, "    mode = 0600\n    user = postfix\n    group = postfix\n")
    commands = [
        f"useradd --create-home --shell /bin/bash {SUSPENDED}",
        f"echo {SUSPENDED}:{shlex.quote(host.password)} | chpasswd",
        f"postconf -e {shlex.join(definitions)}",
        "systemctl reload dovecot",
    ]
    host.run(" && ".join(commands))
    socket = host.root / "var/spool/postfix/private/auth"
    wait_until(socket.exists, f"Dovecot listening at {socket}")
    _reload(host)


@contextmanager
def with_hypothetical_logins(host: LabHost) -> Iterator[None]:
    """Meanwhile, logins are offered at `HYPOTHETICAL`, under main.cf's lists."""
    master = host.root / "etc/postfix/master.cf"
    text = master.read_text()
    options = {AUTH: "yes", **SASL}
    master.write_text("\n".join([f"{text}{HYPOTHETICAL} inet n - y - - smtpd", *_lines(options), ""]))
    _reload(host)
    yield
    master.write_text(text)
    _reload(host)


def _reload(host: LabHost) -> None:
    running = smtpds(host)
    host.run("systemctl reload postfix")
    wait_for_others(host, running)


def _lines(options: Options) -> Iterator[str]:
    for name, value in options.items():
        yield f"  -o {{ {name} = {value} }}" if " " in value else f"  -o {name}={value}"


def smtpds(host: LabHost) -> set[str]:
    """The processes that would go on with what they have read, until Postfix has been reloaded."""
    return {*host.run("pgrep -x 'qmgr|smtpd'", check=False).stdout.split()}


def wait_for_others(host: LabHost, running: set[str]) -> None:
    """Wait until none of these processes is left, and Postfix has a queue manager again."""

    def replaced() -> bool:
        now = smtpds(host)
        return bool(now) and not running & now

    wait_until(replaced, f"Postfix reloaded on {host.name}")
