"""The operation that reloads services if no step has an edit but a reload is due."""

from collections.abc import Generator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.runs.operation import go_live


@operation()
def changes() -> Generator[PyinfraCommand, None, None]:
    """
    Reload the services that run with an older configuration or certificate than the one on the disk.

    All files of a host change in one transaction, and each service is reloaded once and proved: Dovecot's
    socket answers; a TLS connection to port 465 shows the certificate and offers AUTH, another one does so
    for each further domain; port 25 greets if it was served before. Otherwise the old files are restored.

    **Example:**

    .. code:: python

        live.changes(name="Reload: every service runs its current configuration")
    """
    yield from go_live("every service runs its current configuration")
