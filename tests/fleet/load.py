"""Mail programs that send until they are told to stop, and their results."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from smtplib import SMTP

from lab import mail
from lab.command import wait_until
from lab.host import LabHost

# After so many failures, the load stops: more of them show nothing new.
_ENOUGH = 10


@dataclass
class Traffic:
    """What the mail programs of one host have sent, and which errors they have met.

    + least: so many messages are sent in any case; fewer would be no load
    + most: from then on, every connection sends only one
    + patient: whether failures are counted and not the end of it
    """

    least: int = 500
    most: int = 3000
    patient: bool = False
    tried: list[str] = field(default_factory=list)
    accepted: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def goes_on(self) -> bool:
        """Whether the load is still wanted, or too few messages were sent."""
        return not self.stop.is_set() or len(self.accepted) < self.least

    def send(
        self, host: LabHost, connect: Callable[[], AbstractContextManager[SMTP]], messages: int, login: bool
    ) -> None:
        """One mail program: connect, log in, send some messages, hang up, again and again.

        + connect: opens a conversation
        + messages: how many each conversation sends
        """
        while self.goes_on() and (self.patient or len(self.failures) < _ENOUGH):
            step = "connect"
            try:
                with connect() as client:
                    if login:
                        step = "log in"
                        client.login(host.user, host.password)
                    step = "send"
                    for _ in range(messages if len(self.accepted) < self.most else 1):
                        subject = uuid.uuid4().hex
                        self.tried.append(subject)
                        client.send_message(mail.message(host, subject))
                        self.accepted.append(subject)
                    step = "hang up"
                    client.quit()
            except Exception as error:
                self.failures.append(f"{step}: {error!r}")
                # If no program listens, a connection fails at once.
                self.stop.wait(0.05)


def delivered(host: LabHost) -> Counter[str]:
    """Subject to number of copies in the mailbox, once the queue is empty."""

    def is_empty() -> bool:
        # If a reload interrupts a delivery, the message waits for the next queue run, five minutes later.
        host.run("postqueue -f")
        return "Mail queue is empty" in host.run("postqueue -p").stdout

    wait_until(is_empty, f"the end of the queue of {host.name}", timeout=120)
    mailbox = (host.root / "var/mail" / host.user).read_text()
    return Counter(line.removeprefix("Subject: ") for line in mailbox.splitlines() if line[:9] == "Subject: ")
