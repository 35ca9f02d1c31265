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
from smtp_auth.services.dovecot.listener import (
    DROPIN,
    is_served,
    listener_name,
    listener_path,
    listener_wanted,
)
from smtp_auth.settings import Settings


@operation()
def listener(present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """
    Add a listener at `private/auth` in Postfix's queue directory to `service auth`; only Postfix may use it.

    The listener is in a drop-in that Dovecot reads after its stock files. Dovecot 2.3 and 2.4 merge both, and
    package upgrades do not change the drop-in. If Dovecot's effective configuration has a listener there that
    only Postfix may use, for example because somebody has uncommented it in 10-master.conf, nothing is
    written. If only the socket on the disk differs from the configuration, Dovecot is reloaded.

    + present: `False` in remove.py, which deletes the drop-in

    Source: Postfix's SASL_README, "Configuring Postfix to use Dovecot SASL".

    **Example:**

    .. code:: python

        dovecot_auth_listener.listener(name="SMTP AUTH, Dovecot: it listens on a socket for Postfix")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Write the drop-in unless Dovecot has the listener; reload Dovecot if only the socket differs."""
    look = draft.look
    wanted = listener_wanted(look)
    draft.proof = replace(draft.proof, listener=wanted)
    if look.listener != wanted:
        draft.write(DROPIN, _content(look), mode="0644")
    elif not is_served(wanted, look.socket):
        draft.reload(DOVECOT.key, "its socket differs from its configuration")


def _obstacles(_settings: Settings, look: Look) -> Iterator[str]:
    dropin = look.files[DROPIN.key]
    if dropin.odd:
        # Dovecot refuses this, too, but does not say what is wrong.
        yield readiness.in_the_way(dropin)
    elif look.dovecot_version is None:
        yield "Dovecot's configuration has an error: doveconf -n on the host names it"
    elif not look.dovecot_running:
        yield "Dovecot is not running, so no change could be proved: start it (systemctl start dovecot)"
    elif len(look.listener_names) > 1:
        yield (
            f"Dovecot's configuration has several listeners for the socket {listener_path(look)} "
            f"({', '.join(look.listener_names)}), and Dovecot does not start with them: delete all but one"
            f"{_places(look)}"
        )
    elif look.listener != listener_wanted(look) and dropin.content == _content(look):
        yield (
            f"a setting that Dovecot reads after {dropin.path} overrules it (doveconf -n shows the listener "
            f"{listener_path(look)} as it is): delete that setting{_places(look)}"
        )


def _places(look: Look) -> str:
    return f" ({', '.join(look.listener_places)})" if look.listener_places else ""


def _content(look: Look) -> str:
    return render("dovecot_listener.conf.j2", socket=listener_name(look))


STEP = Step(
    name="SMTP AUTH, Dovecot",
    nothing_to_do="Dovecot already listens on a socket for Postfix",
    service=DOVECOT,
    edit=edit,
    files=(DROPIN,),
    obstacles=_obstacles,
)
