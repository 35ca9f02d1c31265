"""Dovecot's auth listener in Postfix's spool: where it is, and who may use it."""

from dataclasses import replace

from smtp_auth.facts.look import Look, ManagedFile, Socket, listener_in
from smtp_auth.plan.draft import Draft

# A path relative to Postfix's queue directory is right inside a chroot and outside.
AUTH_LISTENER = "private/auth"

DROPIN = ManagedFile("dropin", "dovecot", "99-postfix-smtp-auth.conf")

WANTED = Socket(mode="0600", user="postfix", group="postfix")


def listener_path(look: Look) -> str:
    """The listener's path on a host."""
    return f"{look.queue_directory}/{AUTH_LISTENER}"


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
    return listener_in(content or "", listener_path(look))
