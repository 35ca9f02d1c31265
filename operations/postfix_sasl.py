"""SMTP AUTH, Postfix side: SASL through Dovecot's auth listener (main.cf)."""

from collections.abc import Generator, Iterable, Iterator

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.facts.look import Look
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step
from smtp_auth.postfix.master_cf import port_25_services, services
from smtp_auth.postfix.parameters import is_yes, same_value
from smtp_auth.runs.operation import take_part
from smtp_auth.services.postfix import POSTFIX
from smtp_auth.services.postfix.guide_options import ASKS_DOVECOT
from smtp_auth.services.postfix.login_rules import AUTH, offers_logins
from smtp_auth.services.postfix.logins import Switch, Unlimited, lists_that_need_sasl, switch_of
from smtp_auth.services.postfix.mechanisms import FILTER, INSIDE_TLS, OPTIONS, mechanism_obstacles
from smtp_auth.services.postfix.other_services import (
    AUTH_ONLY,
    Kept,
    kept_options,
    services_that_move_to_dovecot,
    services_with_cyrus,
    services_without_tls,
    with_logins_of_dovecot,
)
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
    """Set the guide's parameters, and the options that keep the logins of other services as they are."""
    settings, owners = draft.settings, draft.owners
    switch = switch_of(settings, owners)
    kept = _needed(draft, switch, kept_options(settings, owners, switch))
    cyrus = services_with_cyrus(owners, kept)
    if cyrus:
        draft.note(f"cyrus_sasl_config_path stays, because {', '.join(cyrus)} checks logins with Cyrus SASL")
    else:
        draft.set_parameters(
            {"cyrus_sasl_config_path": None}, "Postfix checks logins with Dovecot, not Cyrus SASL"
        )
    for name in services_that_move_to_dovecot(owners, kept):
        draft.note(f"{name} checks logins with Dovecot, too, because it takes smtpd_sasl_type from main.cf")
    for name in services_without_tls(owners):
        draft.note(f"{name} offers no logins, because they need TLS, which it does not offer")
    draft.set_parameters({**ASKS_DOVECOT, **_switched(draft, switch), AUTH_ONLY: "yes"})
    for reason in dict.fromkeys(one.reason for one in kept):
        draft.set_options({one.service.label: one.options for one in kept if one.reason == reason}, reason)
    for service in port_25_services(owners.master_cf.content or ""):
        if settings.smtp_auth_on_port_25 is False:
            if offers_logins(owners, service) and AUTH in service.effective_options:
                draft.set_options({service.label: {AUTH: "no"}}, "logins are offered on port 465 only")
        elif AUTH in service.effective_options and not offers_logins(owners, service):
            draft.note(f"{service.name} keeps its {AUTH}=no in master.cf, so it offers no logins on port 25")


def _needed(draft: Draft, switch: Switch, kept: Iterable[Kept]) -> list[Kept]:
    """The options that services have already, or that they need because main.cf changes now.

    A service without them that was set up since main.cf has changed was set up with main.cf as it is.
    """
    look = draft.look
    coming = {**ASKS_DOVECOT, AUTH_ONLY: "yes", AUTH: "yes" if switch.is_on else "no"}
    changing = {name for name, value in coming.items() if not same_value(look.parameters[name], value)}
    present = {one.label: one.effective_options for one in services(look.master_cf.content or "")}
    return [
        one
        for one in kept
        if one.is_for_port_25 or one.options.keys() & (changing | present[one.service.label].keys())
    ]


def _switched(draft: Draft, switch: Switch) -> dict[str, str]:
    """Whether main.cf switches logins on; empty if it stays as it is without us."""
    verb = "are switched off" if is_yes(draft.look.parameters[AUTH]) else "stay off"
    for one in switch.unlimited if not switch.is_on else ():
        draft.note(f"logins {verb} on port 25: {_unlimited(one)}")
    for service, lists in switch.strangers:
        text = (
            f"with logins, {service.name} rejects mail from outside whose sender belongs to a user "
            f"({', '.join(lists)})"
        )
        draft.note(text if switch.is_on else f"logins {verb} on port 25: {text}")
    if switch.is_on or draft.settings.smtp_auth_on_port_25 is False:
        return {AUTH: "yes" if switch.is_on else "no"}
    return {}


def _unlimited(one: Unlimited) -> str:
    missing = ", ".join(one.missing)
    return f"{one.service.name} would not limit them as {one.limited} on port 465 does ({missing})"


def _obstacles(settings: Settings, look: Look) -> Iterator[str]:
    if settings.smtp_auth_on_port_25 is False:
        for service, lists in lists_that_need_sasl(look):
            yield (
                f"smtp_auth_on_port_25 = False, but without SASL {service.name} would accept senders of "
                f"users from anybody, which it rejects now ({', '.join(lists)}): set smtp_auth_on_port_25 to "
                "True, or replace reject_sender_login_mismatch and the like there by a table of senders"
            )
    switch = switch_of(settings, look)
    for service, options in with_logins_of_dovecot(settings, look, switch):
        yield from mechanism_obstacles(look, service.name, options, service)
    for one in switch.unlimited if settings.smtp_auth_on_port_25 else ():
        yield (
            f"smtp_auth_on_port_25 = True, but {_unlimited(one)}: give {one.service.name} the same, or "
            "set smtp_auth_on_port_25 to False"
        )


def _parameters(_settings: Settings) -> tuple[str, ...]:
    return ("cyrus_sasl_config_path", *ASKS_DOVECOT, AUTH, AUTH_ONLY, FILTER, OPTIONS, INSIDE_TLS)


STEP = Step(
    name="SMTP AUTH, Postfix",
    nothing_to_do="SASL parameters are as wanted",
    service=POSTFIX,
    edit=edit,
    parameters=_parameters,
    obstacles=_obstacles,
)
