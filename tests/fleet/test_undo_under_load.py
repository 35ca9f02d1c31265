"""Deploy, undo and removal in turn under load: port 25 never misses a message."""

import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.deploying import deploy, succeed
from tests.fleet.load import Traffic, delivered

# What changes the host, and whether port 465 serves afterwards.
TURNS = (
    ("deploy.py", True),
    ("undo.py", False),
    ("undo.py", True),
    ("remove.py", False),
    ("deploy.py", True),
    ("remove.py", False),
)


def test_nothing_is_lost_on_port_25_and_what_is_accepted_on_465_arrives(
    lab: Lab, stock: list[LabHost], measured: Callable[[str], None]
) -> None:
    with ThreadPoolExecutor() as pool:
        traffic = list(pool.map(lambda host: _taken_in_turns(host, lab.ca), stock))
    for host, (incoming, outgoing, ours) in zip(stock, traffic, strict=True):
        assert incoming.failures == []
        assert len(incoming.accepted) >= incoming.least
        # On port 465 only what is no longer served; what was accepted has arrived.
        assert outgoing.accepted
        wanted, found = Counter(incoming.accepted + outgoing.accepted + ours), delivered(host)
        assert not wanted - found
        # The answer to a message may have been cut off, when the service on port 465 went.
        assert (found - wanted).keys() <= set(outgoing.tried)
        assert max(found.values()) == 1
        measured(
            f"load on {host.release:<8}: {len(TURNS)} changes, {len(incoming.accepted)} messages on port 25 "
            f"and none lost, {len(outgoing.accepted)} on port 465"
        )


def _taken_in_turns(host: LabHost, ca: Path) -> tuple[Traffic, Traffic, list[str]]:
    """The load on ports 25 and 465, and the subjects of our own messages, one after each change."""
    incoming, outgoing, ours = Traffic(), Traffic(least=0, patient=True), []
    with ThreadPoolExecutor() as pool:
        programs = [
            pool.submit(incoming.send, host, partial(mail.smtp, host), messages, False)
            for messages in (1, 20)
        ]
        programs.append(pool.submit(outgoing.send, host, partial(mail.submissions, host, ca), 1, True))
        try:
            for program, serves in TURNS:
                succeed(deploy([host], program=program))
                if serves:
                    subject = uuid.uuid4().hex
                    mail.send(host, ca, subject)
                    ours.append(subject)
        finally:
            for traffic in (incoming, outgoing):
                traffic.stop.set()
        for sending in programs:
            sending.result()
    return incoming, outgoing, ours
