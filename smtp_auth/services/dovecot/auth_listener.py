"""Where Postfix asks Dovecot who may log in."""

from smtp_auth.facts.look import Look

# Below Postfix's queue directory, which smtpd takes for the root of the file system.
AUTH_LISTENER = "private/auth"


def auth_socket(look: Look) -> str:
    """The listener's path on a host."""
    return f"{look.queue_directory}/{AUTH_LISTENER}"
