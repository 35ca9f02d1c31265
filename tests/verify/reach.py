"""Whether a host is there at all, so that one that is not is reported once and not by every check."""

from tests.verify.connection import connection_error
from tests.verify.outside import connections_25, connections_465
from tests.verify.target import Target, Unseen


def silence(target: Target) -> str:
    """Why the host counts as down: nothing of it answers; empty where anything does."""
    error = target.see(connection_error)
    if not error:
        return ""
    for connections in (connections_465, connections_25):
        try:
            if None in target.see(connections).values():
                return ""
        except Unseen as reason:
            error = f"{error}; {reason}"
    return error
