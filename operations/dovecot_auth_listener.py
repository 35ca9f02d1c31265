"""SMTP AUTH, Dovecot side: the auth listener in Postfix's spool."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import Look, Socket
from operations.activation import Replacement, activation, prove_script, render
from operations.changes import current, show, show_difference

WANTED = Socket(mode="0600", user="postfix", group="postfix")


@operation()
def listener() -> Generator[PyinfraCommand, None, None]:
    """
    Give `service auth` a listener at `private/auth` in Postfix's queue directory, for Postfix alone.

    Written as a drop-in behind Dovecot's stock files, into which it merges on 2.3 and 2.4 alike and
    which package upgrades leave alone. Where Dovecot's effective configuration has it already,
    uncommented by hand in 10-master.conf for example, nothing is written. Dovecot is reloaded where
    the socket is not what its configuration says.

    **Example:**

    .. code:: python

        dovecot_auth_listener.listener(name="Dovecot's auth listener for Postfix")
    """
    change = yield from current()
    if change is None:
        return
    look = change.look
    content = desired_dropin(look)
    reasons = pending(look)
    if content is None and not reasons:
        host.noop("Dovecot listens in Postfix's spool for Postfix alone")
        return
    replacements = []
    if content is not None:
        show_difference(look.dropin.path, look.dropin.content, content)
        replacements.append(Replacement(look.dropin, content, "0644"))
        reasons = [*reasons, "its configuration changes"]
    show([f"+reload Dovecot: {'; '.join(reasons)}"])
    yield activation(
        "dovecot.sh",
        service="Dovecot",
        lock=look.lock,
        managed=[look.dropin],
        replacements=replacements,
        variables={
            "dovecot_directory": look.dropin.path.rpartition("/conf.d/")[0],
            "dropin": look.dropin.real_path,
            "socket": f"{look.queue_directory}/private/auth",
            "owner": f"{WANTED.mode.lstrip('0')} {WANTED.user} {WANTED.group}",
            "had_socket": "yes" if look.socket else "",
            "prove_perl": prove_script(),
        },
    )


def desired_dropin(look: Look) -> str | None:
    """The drop-in's content; `None` where Dovecot is configured as wanted without writing it."""
    content = _content(look)
    return None if look.listener == WANTED or content == look.dropin.content else content


def overruled(look: Look) -> bool:
    """Whether Dovecot reads the drop-in and still gives the listener other permissions."""
    return look.listener != WANTED and look.dropin.content == _content(look)


def _content(look: Look) -> str:
    socket = f"{look.queue_directory}/private/auth"
    return render("dovecot_listener.conf.j2", socket=socket)


def pending(look: Look) -> list[str]:
    """Why Dovecot has to be reloaded although its configuration is as wanted."""
    reasons = []
    if look.listener == WANTED and look.socket != WANTED:
        reasons.append("its socket is not yet what its configuration says")
    if any("/conf.d/" in path for path in look.leftovers):
        reasons.append("an earlier change was cut short")
    return reasons
