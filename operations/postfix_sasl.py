"""SMTP AUTH, Postfix side: SASL through Dovecot's auth listener (main.cf)."""

from collections.abc import Generator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from deploys.operation import take_part
from plan.draft import Draft
from plan.step import Step
from settings import Settings


@operation()
def sasl() -> Generator[PyinfraCommand, None, None]:
    """
    Comment out Cyrus SASL and let Postfix ask Dovecot, offering AUTH only inside TLS.

    The path of the listener is relative to the queue directory, so that it is right in a chroot and
    outside. Source: the Postfix SASL howto, "Configuring Postfix to use Dovecot SASL".

    **Example:**

    .. code:: python

        postfix_sasl.sasl(name="SMTP AUTH, Postfix: it asks Dovecot")
    """
    yield from take_part(STEP)


def edit(draft: Draft) -> None:
    """Set the guide's four parameters, and comment out that of Cyrus SASL."""
    draft.set_parameters({"cyrus_sasl_config_path": None}, "Postfix asks Dovecot and no longer Cyrus SASL")
    draft.set_parameters(
        {
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": "private/auth",
            "smtpd_sasl_auth_enable": "yes" if draft.settings.smtp_auth_on_port_25 else "no",
            "smtpd_tls_auth_only": "yes",
        }
    )


def _parameters(_settings: Settings) -> tuple[str, ...]:
    return ("smtpd_sasl_type", "smtpd_sasl_path", "smtpd_sasl_auth_enable", "smtpd_tls_auth_only")


STEP = Step(
    name="SMTP AUTH, Postfix",
    nothing_to_do="SASL parameters are as wanted",
    edit=edit,
    parameters=_parameters,
)
