"""SMTP AUTH, Postfix side: SASL through Dovecot's auth listener (main.cf)."""

from collections.abc import Generator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import Look
from operations.main_cf import change_parameters
from settings import Settings

PARAMETERS = (
    "smtpd_sasl_type",
    "smtpd_sasl_path",
    "smtpd_sasl_auth_enable",
    "smtpd_tls_auth_only",
)


@operation()
def sasl() -> Generator[PyinfraCommand, None, None]:
    """
    Comment out Cyrus SASL and let Postfix ask Dovecot, offering AUTH only inside TLS.

    Source: the Postfix SASL howto, "Configuring Postfix to use Dovecot SASL". The path is relative to
    the queue directory, which works in and outside a chroot.

    **Example:**

    .. code:: python

        postfix_sasl.sasl(name="Postfix SASL through Dovecot")
    """
    yield from change_parameters(desired, "SASL parameters are as wanted")


def desired(settings: Settings, look: Look) -> dict[str, str | None]:
    """Parameter to value; `None` where it is to be commented out."""
    return {
        "cyrus_sasl_config_path": None,
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": "private/auth",
        "smtpd_sasl_auth_enable": "yes" if settings.smtp_auth_on_port_25 else "no",
        "smtpd_tls_auth_only": "yes",
    }
