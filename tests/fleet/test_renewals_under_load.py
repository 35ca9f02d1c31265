"""Ten renewals one after another while mail programs send: no connection, login or message fails."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import deploy, succeed
from tests.fleet.load import Traffic, delivered
from tests.fleet.tls import SUBMISSIONS, on_disk, served

RENEWALS = 10

# Messages that each mail program sends before it hangs up: phones send one, newsletters many. At the
# moment of a reload, some connections then begin and others are in use.
PROGRAMS = (1, 1, 1, 50, 50)


@pytest.fixture
def reloading(stock: list[LabHost]) -> list[LabHost]:
    """A host of each release whose hook reloads Dovecot, too: a login depends on both services."""
    succeed(deploy(stock, data={"certbot_reload_services": ["postfix", "dovecot"]}))
    return stock


def test_ten_renewals_cost_no_connection_no_login_and_no_message(
    lab: Lab, reloading: list[LabHost], measured: Callable[[str], None]
) -> None:
    with ThreadPoolExecutor() as pool:
        traffic = list(pool.map(lambda host: _renew_under_load(host, lab.ca), reloading))
    for host, sent in zip(reloading, traffic, strict=True):
        assert sent.failures == []
        assert len(sent.accepted) >= sent.least
        assert delivered(host) == Counter(sent.accepted)
        measured(
            f"load on {host.release:<8}: {RENEWALS} renewals, no failure, "
            f"{len(sent.accepted)} messages accepted and each delivered once"
        )


def _served(host: LabHost) -> str:
    """What port 465 serves; if it does not answer, the error has what Postfix has logged."""
    try:
        return served(host, SUBMISSIONS, host.name)
    except OSError as error:
        error.add_note(host.run("journalctl --quiet --lines=200 --unit='postfix*'").stdout)
        raise


def _renew_under_load(host: LabHost, ca: Path) -> Traffic:
    traffic = Traffic()
    with ThreadPoolExecutor(len(PROGRAMS)) as pool:
        connect = partial(mail.submissions, host, ca)
        programs = [pool.submit(traffic.send, host, connect, messages, True) for messages in PROGRAMS]
        try:
            for _ in range(RENEWALS):
                before = on_disk(host, host.domain)
                host.renew()
                now = on_disk(host, host.domain)
                assert now != before
                assert _served(host) == now
        finally:
            traffic.stop.set()
        for program in programs:
            program.result()
    return traffic
