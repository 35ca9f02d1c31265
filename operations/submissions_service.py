"""The submissions service on port 465 (master.cf), and the mua_* restrictions that it refers to (main.cf)."""

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from smtp_auth.facts.look import Look
from smtp_auth.plan.draft import Draft
from smtp_auth.plan.step import Step
from smtp_auth.postfix.lists import elements
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import Service, add_submissions_service, submissions_services
from smtp_auth.postfix.parameters import came_with, is_yes, nearest
from smtp_auth.postfix.restriction_lists import LISTS_OF_A_MESSAGE
from smtp_auth.runs.operation import take_part
from smtp_auth.services.postfix import POSTFIX, addresses
from smtp_auth.services.postfix.broken_services import DISABLED, WITHOUT_LOGINS, hidden_logins
from smtp_auth.services.postfix.guide_options import GUIDE_OPTIONS, LISTS, SAFE_RESTRICTIONS
from smtp_auth.services.postfix.login_rules import LIMITS
from smtp_auth.services.postfix.mechanisms import mechanism_obstacles
from smtp_auth.services.postfix.submissions_lists import Origin
from smtp_auth.services.postfix.submissions_model import (
    is_given,
    list_obstacles,
    tell_of_the_model,
)
from smtp_auth.services.postfix.submissions_options import (
    INHERITED,
    ServiceOptions,
    all_options,
    asks_our_dovecot,
    chroot_of_a_new_service,
    has_own_certificate,
    is_login_only,
    mua_parameters_in,
    options_of_services,
    restrictions_needed,
    unknown_options,
)
from smtp_auth.services.postfix.tls_in_use import TLS_PARAMETERS, cipher_checks, versions_served
from smtp_auth.settings import Settings


@operation()
def service(present: bool = True) -> Generator[PyinfraCommand, None, None]:
    """
    Add the submissions service with the guide's options, or set these options of an existing service.

    An existing service on port 465, such as `smtps` or `465`, keeps its name, its columns, its comments, its
    other options and its lists of restrictions (`services/postfix/submissions_options.py` has the rules). An
    option that this Postfix does not have is not written, because Postfix would ignore it silently.

    + present: `False` in remove.py, which deletes the service, or restores the owner's options

    Source: RFC 8314, section 3.3; master(5) and postconf(5).

    **Example:**

    .. code:: python

        submissions_service.service(name="Submissions: the service on port 465")
    """
    yield from take_part(STEP, present)


def edit(draft: Draft) -> None:
    """Write the service with its options, and the restrictions that these refer to."""
    settings, look = draft.settings, draft.owners
    found = options_of_services(settings, look)
    _tell(draft, found)
    restrictions, unused = restrictions_needed(settings, look, found)
    for name in unused:
        draft.note(
            f"{name} is not written, because no option of the service refers to it (submissions_options)"
        )
    draft.set_parameters(restrictions, "the submissions service refers to it")
    master_cf = draft.master_cf
    if any(one.service is None for one in found):
        master_cf = add_submissions_service(master_cf, chroot_of_a_new_service(look))
    draft.set_options({one.label: one.options for one in found}, content=master_cf)
    services = submissions_services(draft.master_cf)
    _expect_restrictions(draft, services, restrictions)
    # If the owner has set a certificate for the service, it may be any certificate.
    if has_own_certificate(services):
        draft.proof = draft.proof.with_certificate(settings.mail_hostname, "")
    draft.proof = replace(
        draft.proof,
        logins=not any(one.value(WITHOUT_LOGINS) for one in found),
        versions=versions_served(settings, look, found),
        ciphers=tuple(cipher_checks(settings, look, found)),
        login_only=all(map(is_login_only, found)),
        proxied=any(one.value(_PROXY) for one in found),
        unprovable=tuple((POSTFIX.key, reason) for reason in _unprovable(found)),
    )


def _unprovable(found: list[ServiceOptions]) -> Iterator[str]:
    """Why no connection can prove a change."""
    for one in found:
        if is_yes(one.value(_CLIENTS_CERTIFICATE)):
            yield (
                f"{one.name} on port 465 has {_CLIENTS_CERTIFICATE} = yes, so it rejects clients without a "
                "certificate of their own, and no change could be proved: to accept clients that log in, set "
                f"submissions_options to {{'{_CLIENTS_CERTIFICATE}': 'no'}}"
            )


_PROXY, _CLIENTS_CERTIFICATE = "smtpd_upstream_proxy_protocol", "smtpd_tls_req_ccert"


def _tell(draft: Draft, found: list[ServiceOptions]) -> None:
    """Note what is not written, which lists of the owner stay, and what a service has of its model."""
    settings, look = draft.settings, draft.look
    for name in unknown_options(settings, look):
        if name not in settings.submissions_options:
            draft.note(f"{name} is not written, because Postfix {look.postfix_version} does not have it")
    for one in found:
        for name in one.lists_from(Origin.SERVICE):
            value = one.effective[name]
            if elements(value) != elements(GUIDE_OPTIONS[name]):
                draft.note(f"{one.name} keeps its {name}: {value}")
        for name in one.lists_from(Origin.MAIN_CF):
            draft.note(f"{one.name} keeps {name} of main.cf: {one.value(name)}")
        tell_of_the_model(draft, one)
        if one.effective[_PROXY]:
            draft.note(
                f"{one.name} expects a proxy's header ({_PROXY} = {one.effective[_PROXY]}), so mail programs "
                "can reach it only through the proxy"
            )


def _expect_restrictions(draft: Draft, services: list[Service], restrictions: Mapping[str, str]) -> None:
    """Tell the draft what the host's postconf must print for the restrictions that the services refer to."""
    # postconf prints a user-defined parameter only if something refers to it.
    referred = mua_parameters_in(v for service in services for v in service.effective_options.values())
    defined = defined_parameters(draft.main_cf)
    for name in [name for name in SAFE_RESTRICTIONS if name in referred]:
        value = restrictions.get(name, draft.owners.parameters.get(name))
        # This plan may change the value of an owner's `$name`, and the host's comparison gets bytes outside
        # ASCII in another form.
        if value is not None and value.isascii() and "$" not in defined.get(name, ""):
            draft.expected[name] = value


def _parameters(settings: Settings) -> tuple[str, ...]:
    return (
        *all_options(settings),
        *SAFE_RESTRICTIONS,
        *LISTS_OF_A_MESSAGE,
        *LIMITS,
        *INHERITED,
        "smtpd_restriction_classes",
        "postscreen_upstream_proxy_protocol",
        "inet_interfaces",
        DISABLED,
        *TLS_PARAMETERS,
    )


def _obstacles(settings: Settings, look: Look) -> Iterator[str]:
    for service in look.submissions_services:
        if service.command != "smtpd":
            yield (
                f"port 465 is held by {service.name}/inet, which runs {service.command} instead of smtpd: "
                f"move it to another port in {look.master_cf.path}"
            )
    yield from _option_obstacles(settings, look)
    for one in options_of_services(settings, look):
        yield from hidden_logins(settings, look, one)
        if asks_our_dovecot(look, one):
            yield from mechanism_obstacles(look, f"{one.name} on port 465", one.effective, one.service)
        yield from list_obstacles(settings, look, one)
        if not is_login_only(one) and not _is_decided(settings):
            yield (
                f"{one.name} on port 465 may accept clients that have not logged in, because none of its "
                "lists of restrictions certainly rejects them: set mua_relay_restrictions (for example to "
                "['permit_sasl_authenticated', 'reject']), which replaces that list, or correct a list in "
                f"{look.master_cf.path}"
            )
    # With the port held, a reload would make Postfix's master exit. Postfix itself may hold it, for a service
    # that was deleted from master.cf since its last reload.
    if 465 in look.listening - look.postfix_listening:
        yield "port 465 is held by another program than Postfix (ss -ltnp shows which): stop that first"


def _is_decided(settings: Settings) -> bool:
    """Whether the data decides who may send without a login."""
    return any(
        is_given(settings, name)
        for name in LISTS
        if name in ("smtpd_client_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions")
    )


def _option_obstacles(settings: Settings, look: Look) -> Iterator[str]:
    """Refuse options of `submissions_options` that Postfix would not read: most likely they are misspelt."""
    defined = look.defined
    present = {name for service in look.submissions_services for name in service.effective_options}
    for name, value in settings.submissions_options.items():
        if name in look.parameters or name in defined or _is_of_a_later_release(name, look):
            continue
        if value is None and name in present:
            continue
        any_more = " any more" if came_with(name) else ""
        near = None if any_more else nearest(name, defined)
        yield (
            f"submissions_options: {name} is not a parameter of Postfix {look.postfix_version}{any_more}, "
            f"and main.cf does not define it{f'; did you mean {near}?' if near else ''}"
        )


def _is_of_a_later_release(name: str, look: Look) -> bool:
    release, since = look.postfix_release, came_with(name)
    return release is not None and since is not None and since > release


def _warnings(settings: Settings, look: Look) -> Iterator[str]:
    yield from addresses.warnings(look)
    for name in unknown_options(settings, look):
        since = came_with(name)
        if name in settings.submissions_options and since and _is_of_a_later_release(name, look):
            yield (
                f"submissions_options: {name} is not written, because it exists since Postfix "
                f"{since[0]}.{since[1]}, and this is {look.postfix_version}"
            )


STEP = Step(
    name="Submissions",
    nothing_to_do="the submissions service is as wanted",
    service=POSTFIX,
    edit=edit,
    parameters=_parameters,
    obstacles=_obstacles,
    warnings=_warnings,
)
