"""Dovecot's auth listener in Postfix's spool: where it is, and who may use it."""

from dataclasses import replace

from smtp_auth.facts.look import Look, ManagedFile, Socket, listener_in
from smtp_auth.plan.draft import Draft

# A path relative to Postfix's queue directory is right inside a chroot and outside.
AUTH_LISTENER = "private/auth"

DROPIN = ManagedFile("dropin", "dovecot", "99-postfix-smtp-auth.conf")

WANTED = Socket(mode="0600", user="postfix", group="postfix")

# Modes with which only the user may connect, and with which the group may, too.
_FOR_USER = ("0600", "0640")
_FOR_GROUP = ("0620", "0660")


def listener_path(look: Look) -> str:
    """The listener's path on a host."""
    return f"{look.queue_directory}/{AUTH_LISTENER}"


def is_the_listener(look: Look, path: str) -> bool:
    """Whether a value of smtpd_sasl_path means the listener in Postfix's spool."""
    return path.removeprefix("unix:") in (AUTH_LISTENER, listener_path(look))


def asks_the_listener(look: Look, kind: str, path: str) -> bool:
    """Whether a service asks Dovecot there.

    + kind, path: its smtpd_sasl_type and smtpd_sasl_path, with each `$name` replaced
    """
    return kind.lower() == "dovecot" and is_the_listener(look, path)


def listener_name(look: Look) -> str:
    """The name of the listener in Dovecot's configuration, or that of a new one.

    An owner may have written the path in another way. Under a second name, the drop-in would add a second
    listener to the same socket, and Dovecot would not start again.
    """
    return (*look.listener_names, listener_path(look))[0]


def is_for_postfix_alone(look: Look) -> bool:
    """Whether nobody but Postfix may use the listener that Dovecot has.

    To connect to a socket, a process needs the permission to write. An owner's listener may have another
    group than ours, which then has no permission, or be open to a group that holds nobody else.
    """
    listener = look.listener
    if listener is None or listener.user != WANTED.user:
        return False
    if listener.mode in _FOR_USER:
        return True
    return listener.mode in _FOR_GROUP and listener.group == WANTED.group and not look.listener_others


def listener_wanted(look: Look) -> Socket:
    """The listener that a host is to have: the owner's if it is for Postfix alone, else ours."""
    return look.listener if look.listener and is_for_postfix_alone(look) else WANTED


def is_served(listener: Socket, socket: Socket | None) -> bool:
    """Whether the socket on the disk has what the configuration sets."""
    if socket is None or socket.mode != listener.mode:
        return False
    return listener.user in ("", socket.user) and listener.group in ("", socket.group)


def expect(draft: Draft) -> None:
    """Tell a draft that restores earlier files what has to be proved of Dovecot.

    If the listener is deleted, Postfix is changed first: an smtpd that offers AUTH without a listener dies.
    """
    draft.backwards = draft.content(DROPIN) is None
    draft.proof = replace(draft.proof, listener=_listener(draft))


def _listener(draft: Draft) -> Socket | None:
    """The auth listener that Dovecot has after the change; `None` if no file defines one."""
    look, content = draft.look, draft.content(DROPIN)
    if content == look.files[DROPIN.key].content:
        return look.listener
    return listener_in(content or "", listener_name(look))
