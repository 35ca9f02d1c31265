"""What the steps have edited goes live: one transaction for Postfix's files."""

from collections.abc import Generator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from deploys.operation import go_live


@operation()
def postfix() -> Generator[PyinfraCommand, None, None]:
    """
    Put the changed main.cf and master.cf live together, reload Postfix and prove it.

    Postfix is also reloaded where it runs an older configuration or certificate than the one on the
    disk, whoever changed it. The proof is a TLS connection to port 465 that shows the certificate and
    offers AUTH, another one for each further domain, and a greeting on port 25 where that was served
    before. Without it the old files come back.

    **Example:**

    .. code:: python

        live.postfix(name="Postfix: check, swap, reload and prove")
    """
    yield from go_live("Postfix", "Postfix runs what is on the disk")
