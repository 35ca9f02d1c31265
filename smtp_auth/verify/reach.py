"""Whether a host answers: a host that is down is reported once, not by every check."""

from smtp_auth.verify.connection import connection_error
from smtp_auth.verify.target import Target, Unseen, observer
from smtp_auth.verify.visits import connections_25, connections_465


@observer
def why_down(target: Target) -> str:
    """Why the host seems to be down: neither SSH nor a mail port answers. Empty if one answers."""
    error = target.see(connection_error)
    if not error:
        return ""
    for connections in (connections_465, connections_25):
        try:
            if None in target.see(connections).values():
                return ""
        except Unseen as reason:
            if reason.is_limit:
                return ""
            error = f"{error}; {reason}"
    return error
