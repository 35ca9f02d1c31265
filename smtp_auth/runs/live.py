"""Reload what is due, if no step has an edit that reloads it."""

from collections.abc import Generator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.runs.operation import go_live


@operation()
def changes() -> Generator[PyinfraCommand, None, None]:
    """
    Reload the services that run an older configuration or certificate than the one on the disk.

    All files of a host change in one transaction, and each service is reloaded once and proved: Dovecot's
    socket answers; a TLS connection to port 465 shows the certificate and offers AUTH, another one does so
    for each further domain; port 25 greets if it was served before. Otherwise the old files are restored.

    **Example:**

    .. code:: python

        live.changes(name="Going live: what runs is what is on the disk")
    """
    yield from go_live("what runs is what is on the disk")
