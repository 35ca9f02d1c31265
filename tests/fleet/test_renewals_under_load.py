"""Ten renewals one after another while mail programs send: nobody notices."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab import mail
from lab.command import wait_until
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import deploy, succeed
from tests.fleet.tls import SUBMISSIONS, on_disk, served

RENEWALS = 10

# Messages that each mail program sends before it hangs up: phones send one, newsletters many. At the
# moment of a reload, some connections then begin and others are in use.
PROGRAMS = (1, 1, 1, 50, 50)

# Fewer messages than LEAST would be no load. From MOST on, every connection sends only one.
LEAST, MOST = 500, 3000


@dataclass
class Traffic:
    """What the mail programs of one host sent and met."""

    accepted: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    renewed: threading.Event = field(default_factory=threading.Event)

    def goes_on(self) -> bool:
        """Whether renewals still go on, or too few messages were sent."""
        return not self.renewed.is_set() or len(self.accepted) < LEAST

    def send(self, host: LabHost, ca: Path, messages: int) -> None:
        """One mail program: connect, log in, send some messages, hang up, again and again."""
        while self.goes_on() and len(self.failures) < 10:
            step = "connect"
            try:
                with mail.submissions(host, ca) as client:
                    step = "log in"
                    client.login(host.user, host.password)
                    step = "send"
                    for _ in range(messages if len(self.accepted) < MOST else 1):
                        subject = uuid.uuid4().hex
                        client.send_message(mail.message(host, subject))
                        self.accepted.append(subject)
                    step = "hang up"
                    client.quit()
            except Exception as error:
                self.failures.append(f"{step}: {error!r}")


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
        assert len(sent.accepted) >= LEAST
        assert _delivered(host) == Counter(sent.accepted)
        measured(
            f"load on {host.release:<8}: {RENEWALS} renewals, no failure, "
            f"{len(sent.accepted)} messages accepted and each delivered once"
        )


def _renew_under_load(host: LabHost, ca: Path) -> Traffic:
    traffic = Traffic()
    with ThreadPoolExecutor(len(PROGRAMS)) as pool:
        programs = [pool.submit(traffic.send, host, ca, messages) for messages in PROGRAMS]
        try:
            for _ in range(RENEWALS):
                before = on_disk(host, host.domain)
                host.renew()
                now = on_disk(host, host.domain)
                assert now != before
                assert served(host, SUBMISSIONS, host.name) == now
        finally:
            traffic.renewed.set()
        for program in programs:
            program.result()
    return traffic


def _delivered(host: LabHost) -> Counter[str]:
    """Subject to number of copies in the mailbox, once the queue is empty."""

    def is_empty() -> bool:
        # A message whose delivery a reload interrupts waits for the next queue run, five minutes later.
        host.run("postqueue -f")
        return "Mail queue is empty" in host.run("postqueue -p").stdout

    wait_until(is_empty, f"the end of the queue of {host.name}", timeout=120)
    mailbox = (host.root / "var/mail" / host.user).read_text()
    return Counter(line.removeprefix("Subject: ") for line in mailbox.splitlines() if line[:9] == "Subject: ")
