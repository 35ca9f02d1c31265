"""The submissions service on port 465 (master.cf), and the mua_* restrictions it refers to (main.cf)."""

import re
from collections.abc import Generator, Iterator, Mapping

from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from deploys.operation import take_part
from facts.look import MASTER_CF, Look
from plan.draft import Draft
from plan.step import Step
from postfix.main_cf import defined_parameters
from postfix.master_cf import Service, set_options, submissions_services
from settings import Settings

# The guide's options: TLS from the first byte (RFC 8314), and nothing without a login.
GUIDE_OPTIONS: dict[str, str] = {
    "syslog_name": "postfix/submissions",
    "smtpd_forbid_unauth_pipelining": "no",
    "smtpd_tls_wrappermode": "yes",
    "smtpd_sasl_auth_enable": "yes",
    "local_header_rewrite_clients": "static:all",
    "smtpd_hide_client_session": "yes",
    "smtpd_reject_unlisted_recipient": "no",
    "smtpd_client_restrictions": "$mua_client_restrictions",
    "smtpd_helo_restrictions": "$mua_helo_restrictions",
    "smtpd_sender_restrictions": "$mua_sender_restrictions",
    "smtpd_relay_restrictions": "$mua_relay_restrictions",
    "smtpd_recipient_restrictions": "permit_sasl_authenticated,reject",
    "milter_macro_daemon_name": "ORIGINATING",
}

# Written if a host defines none, because an undefined one makes every Postfix command print a warning.
SAFE_RESTRICTIONS: dict[str, str] = {
    "mua_client_restrictions": "permit_sasl_authenticated, reject",
    "mua_helo_restrictions": "",
    "mua_sender_restrictions": "",
    "mua_relay_restrictions": "permit_sasl_authenticated, reject",
}


@operation()
def service() -> Generator[PyinfraCommand, None, None]:
    """
    Add the submissions service with the guide's options, or give an existing one these options.

    A service that holds port 465 under another name (`smtps`, `465`) keeps its name, its columns, its
    comments and its other options. An option that this Postfix does not know is not written, because
    Postfix would ignore it silently.

    **Example:**

    .. code:: python

        submissions_service.service(name="Submissions: the service on port 465")
    """
    yield from take_part(STEP)


def edit(draft: Draft) -> None:
    """Write the service with its options, and the restrictions that these refer to."""
    settings, look = draft.settings, draft.look
    options = desired_options(settings, look)
    for name in unknown_options(settings, look):
        draft.note(f"{name} is not written: Postfix {look.postfix_version} does not know it")
    restrictions = desired_restrictions(settings, defined_parameters(draft.main_cf))
    draft.set_parameters(restrictions, "the submissions service refers to it")
    before = _effective(look.submissions_services)
    content = set_options(draft.master_cf, options)
    services = submissions_services(content)
    changed = (
        f"{service.name}/inet/{name}"
        for service in services
        for name, value in options.items()
        if before.get(service.name, {}).get(name) != value
    )
    draft.write(MASTER_CF, content, parameters=tuple(changed))
    _expect(draft, services, options, restrictions)
    # A certificate of the administrator's own on the service is theirs to answer for.
    if any(_OWN_CERTIFICATE & found.keys() for found in _effective(services).values()):
        draft.certificates[settings.mail_hostname] = ""
    draft.logins = not look.parameters.get("smtpd_sasl_exceptions_networks")


_OWN_CERTIFICATE = {"smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtpd_tls_eccert_file"}


def all_options(settings: Settings) -> dict[str, str | None]:
    """The guide's options under those of `submissions_options`; `None` removes one."""
    return {**GUIDE_OPTIONS, **settings.submissions_options}


def desired_options(settings: Settings, look: Look) -> dict[str, str | None]:
    """The options that this host's Postfix knows, or that are to go."""
    unknown = unknown_options(settings, look)
    return {name: v for name, v in all_options(settings).items() if name not in unknown}


def unknown_options(settings: Settings, look: Look) -> list[str]:
    """The options that this Postfix does not know and its main.cf does not define either."""
    defined = defined_parameters(look.main_cf.content or "")
    return [
        name
        for name, value in all_options(settings).items()
        if value is not None and name not in look.parameters and name not in defined
    ]


def desired_restrictions(settings: Settings, defined: Mapping[str, str]) -> dict[str, str]:
    """The mua_* restrictions that have to be written: those asked for, else those not defined."""
    wanted = {}
    for name, safe in SAFE_RESTRICTIONS.items():
        asked: tuple[str, ...] | None = getattr(settings, name)
        if asked is None:
            if name not in defined:
                wanted[name] = safe
        elif name not in defined or _elements(defined[name]) != _elements(", ".join(asked)):
            wanted[name] = ", ".join(asked)
    return wanted


def _elements(value: str) -> list[str]:
    return value.replace(",", " ").split()


def _effective(services: list[Service]) -> dict[str, dict[str, str]]:
    """Service name to its options."""
    return {service.name: service.effective_options for service in services}


def _expect(
    draft: Draft,
    services: list[Service],
    options: Mapping[str, str | None],
    restrictions: Mapping[str, str],
) -> None:
    """Say what the host's postconf has to read of the service and of the restrictions it refers to."""
    referred: set[str] = set()
    for service in services:
        # postconf misreads `-oname=value`, which smtpd understands.
        joined = {option.name for option in service.options if option.joined}
        for name, value in options.items():
            if value is not None and name not in joined:
                draft.expected[f"{service.name}/inet/{name}"] = value
        for value in service.effective_options.values():
            referred.update(re.findall(r"\$[({]?(mua_\w+)", value))
    # postconf knows a parameter of the user's own only where something refers to it.
    defined = defined_parameters(draft.main_cf)
    for name in [name for name in SAFE_RESTRICTIONS if name in referred]:
        value = restrictions.get(name, draft.look.parameters.get(name))
        # What an owner's `$name` stands for may change with this very plan, and bytes outside ASCII would
        # not reach the host's comparison as they are.
        if value is not None and value.isascii() and "$" not in defined.get(name, ""):
            draft.expected[name] = value


def _parameters(settings: Settings) -> tuple[str, ...]:
    return (
        *all_options(settings),
        *SAFE_RESTRICTIONS,
        "inet_interfaces",
        "smtpd_sasl_exceptions_networks",
    )


def _obstacles(_settings: Settings, look: Look) -> Iterator[str]:
    for service in look.submissions_services:
        if service.command != "smtpd":
            yield (
                f"port 465 is held by {service.name}/inet, which runs {service.command} and not smtpd: "
                f"move it to another port in {look.master_cf.path}"
            )
    yield from _reach_obstacles(look)
    # The reload would end Postfix's master. Postfix itself may hold it, for a service that was taken out.
    if 465 in look.listening - look.postfix_listening:
        yield "port 465 is held by another program than Postfix (ss -ltnp shows which): stop that first"


_LOOPBACK = {"127.0.0.1", "[::1]", "localhost"}


def _reach_obstacles(look: Look) -> Iterator[str]:
    """Why no mail program elsewhere could connect, although the service is as wanted."""
    services = look.submissions_services
    addresses = {service.name.rpartition(":")[0] for service in services} or {""}
    if addresses <= _LOOPBACK:
        names = ", ".join(service.name for service in services)
        yield (
            f"port 465 is bound to loopback ({names} in {look.master_cf.path}): call that service "
            "submissions, and mail programs reach it"
        )
    elif "" in addresses and set(look.parameters["inet_interfaces"].replace(",", " ").split()) <= {
        "loopback-only",
        *_LOOPBACK,
    }:
        yield (
            f"Postfix listens on loopback alone (inet_interfaces = {look.parameters['inet_interfaces']}): "
            "set inet_interfaces to all, and mail programs reach it"
        )


STEP = Step(
    name="Submissions",
    nothing_to_do="the submissions service is as wanted",
    edit=edit,
    parameters=_parameters,
    obstacles=_obstacles,
)
