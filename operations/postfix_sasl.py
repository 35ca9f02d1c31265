"""SMTP AUTH, Postfix side: SASL through Dovecot's auth listener (main.cf)."""

from collections.abc import Generator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step
from smtp_auth.postfix.master_cf import (
    PORT_25_NAMES,
    SUBMISSIONS_NAMES,
    port_25_services,
    services,
)
from smtp_auth.runs.operation import take_part
from smtp_auth.services.dovecot.listener import AUTH_LISTENER
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.services.postfix.logins import AUTH
from smtp_auth.settings import Settings


@operation()
def sasl(present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """
    Make Postfix check logins with Dovecot, and offer AUTH only inside TLS; comment out Cyrus SASL.

    With `smtp_auth_on_port_25 = False`, AUTH is also switched off in the options that services of port 25
    have in master.cf. If an owner's option has switched it off there, it stays off in any case.

    The path of the listener is relative to the queue directory, so it is right in a chroot and outside.

    + present: `False` in remove.py, which restores the earlier settings

    Source: Postfix's SASL_README, "Configuring Postfix to use Dovecot SASL".

    **Example:**

    .. code:: python

        postfix_sasl.sasl(name="SMTP AUTH, Postfix: it checks logins with Dovecot")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Set the guide's four parameters, and comment out the parameter of Cyrus SASL."""
    draft.set_parameters(
        {"cyrus_sasl_config_path": None}, "Postfix checks logins with Dovecot, not Cyrus SASL"
    )
    draft.set_parameters(
        {
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": AUTH_LISTENER,
            AUTH: "no" if draft.settings.smtp_auth_on_port_25 is False else "yes",
            "smtpd_tls_auth_only": "yes",
        }
    )
    options = {
        service: service.effective_options[AUTH]
        for service in port_25_services(draft.owners.master_cf.content or "")
        if AUTH in service.effective_options
    }
    if draft.settings.smtp_auth_on_port_25 is False:
        offering = {service.label: {AUTH: "no"} for service, value in options.items() if value != "no"}
        draft.set_options(offering, "logins are offered on port 465 only")
        _tell_who_inherits(draft)
        return
    for service in (service for service, value in options.items() if value == "no"):
        draft.note(f"{service.name} keeps its {AUTH}=no in master.cf, so it offers no logins on port 25")


def _tell_who_inherits(draft: Draft) -> None:
    """Note which other services lose the logins that main.cf offered, for example a service on port 587."""
    if draft.look.parameters[AUTH] != "yes":
        return
    for service in services(draft.master_cf):
        is_smtpd = service.type == "inet" and service.command == "smtpd"
        is_other = service.port not in (*SUBMISSIONS_NAMES, *PORT_25_NAMES)
        if is_smtpd and is_other and AUTH not in service.effective_options:
            draft.note(f"{service.name} offers no logins any more, because it takes {AUTH} from main.cf")


def _parameters(_settings: Settings) -> tuple[str, ...]:
    return ("smtpd_sasl_type", "smtpd_sasl_path", AUTH, "smtpd_tls_auth_only")


STEP = Step(
    name="SMTP AUTH, Postfix",
    nothing_to_do="SASL parameters are as wanted",
    service=POSTFIX,
    edit=edit,
    parameters=_parameters,
)
