"""What a run says that it has proved, on booted hosts: the same words on both releases."""

import pytest

from lab.host import LabHost
from tests.fleet.deploying import deploy, side_by_side, succeed
from tests.unit.histories import OWNERS_587

pytestmark = pytest.mark.lab

DOVECOT, PORT_25 = "  Dovecot: its socket for Postfix answers", "  25: greeting, STARTTLS"
PORT_465 = (
    "  465: TLSv1.3 and TLSv1.2, logins (PLAIN) offered, clients without a login rejected, certificate of "
    "its own name"
)


def _with_587(host: LabHost) -> None:
    master_cf = host.root / "etc/postfix/master.cf"
    master_cf.write_text(master_cf.read_text() + OWNERS_587)
    host.run("systemctl reload postfix")


def test_what_was_proved_is_said_once_for_equal_hosts(stock: list[LabHost]) -> None:
    first, second = stock
    deployed = succeed(deploy(stock))
    assert deployed.proof == [
        f"proved on {first.name} and {second.name}:",
        "  certbot: its hook is executable",
        *(DOVECOT, PORT_25, PORT_465),
    ]
    _with_587(first)
    side_by_side(lambda host: host.run("systemctl restart dovecot"), stock)
    unchanged = succeed(deploy(stock))
    assert "2 hosts: 2 unchanged" in unchanged.report
    assert unchanged.proof == [
        *(f"proved on {first.name}:", DOVECOT, PORT_25, "  587: greeting, STARTTLS", PORT_465),
        *(f"proved on {second.name}:", DOVECOT, PORT_25, PORT_465),
    ]
    # Nothing left to prove.
    assert succeed(deploy(stock)).proof == []
    removed = succeed(deploy(stock, program="remove.py"))
    assert removed.proof == [
        *(f"proved on {first.name}:", "  25: greeting", "  587: greeting"),
        *(f"proved on {second.name}:", "  25: greeting", "  Dovecot: it runs, without a socket for Postfix"),
    ]
