"""SMTP AUTH, Dovecot side: the auth listener in Postfix's spool."""

from collections.abc import Generator, Iterator
from dataclasses import replace

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from operations.template import render
from smtp_auth.facts.look import Look
from smtp_auth.plan import readiness
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step
from smtp_auth.runs.operation import take_part
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.dovecot.listener import DROPIN, WANTED, listener_path
from smtp_auth.settings import Settings


@operation()
def listener(present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """
    Give `service auth` a listener at `private/auth` in Postfix's queue directory, for Postfix alone.

    It is a drop-in that Dovecot reads after its stock files: it merges with them on 2.3 and 2.4, and
    package upgrades do not touch it. If Dovecot's effective configuration has the listener already,
    for example uncommented by hand in 10-master.conf, nothing is written. Dovecot is reloaded if
    the socket differs from its configuration.

    + present: `False` in remove.py, where all of it is taken back

    **Example:**

    .. code:: python

        dovecot_auth_listener.listener(name="SMTP AUTH, Dovecot: it listens in Postfix's spool")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Write the drop-in unless Dovecot has the listener; reload Dovecot if its socket differs."""
    look = draft.look
    draft.proof = replace(draft.proof, listener=WANTED)
    if look.listener != WANTED:
        draft.write(DROPIN, _content(look), mode="0644")
    elif look.socket != WANTED:
        draft.reload(DOVECOT.key, "its socket is not yet what its configuration says")


def _obstacles(_settings: Settings, look: Look) -> Iterator[str]:
    dropin = look.files[DROPIN.key]
    if dropin.odd:
        # Dovecot refuses it, too, without a word of what it is.
        yield readiness.in_the_way(dropin)
    elif look.dovecot_version is None:
        yield "Dovecot's configuration has an error: doveconf -n on the host names it"
    elif not look.dovecot_running:
        yield "Dovecot is not running: start it (systemctl start dovecot), for a change proves itself live"
    elif look.listener != WANTED and dropin.content == _content(look):
        yield (
            f"something that Dovecot reads after {dropin.path} overrules it: doveconf -n shows the "
            f"listener {listener_path(look)} as it is; it must not be set elsewhere"
        )


def _content(look: Look) -> str:
    return render("dovecot_listener.conf.j2", socket=listener_path(look))


STEP = Step(
    name="SMTP AUTH, Dovecot",
    nothing_to_do="Dovecot listens in Postfix's spool for Postfix alone",
    service=DOVECOT,
    edit=edit,
    files=(DROPIN,),
    obstacles=_obstacles,
)
