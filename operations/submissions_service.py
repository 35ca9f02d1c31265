"""The submissions service on port 465 (master.cf), and the mua_* restrictions it refers to (main.cf)."""

from collections.abc import Generator, Mapping

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import Look
from operations.changes import current, show, show_difference, staged
from operations.main_cf import stage_parameters
from postfix.main_cf import defined_parameters
from postfix.master_cf import set_options, submissions_services
from settings import Settings

# The guide's options: RFC 8314's TLS from the first byte, and nothing for the unauthenticated.
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

# Where a host defines none: an undefined one makes every Postfix command print a warning.
SAFE_RESTRICTIONS: dict[str, str] = {
    "mua_client_restrictions": "permit_sasl_authenticated, reject",
    "mua_helo_restrictions": "",
    "mua_sender_restrictions": "",
    "mua_relay_restrictions": "permit_sasl_authenticated, reject",
}


@operation()
def service() -> Generator[PyinfraCommand, None, None]:
    """
    Add the submissions service with the guide's options, or give them to the one that is there.

    A service that holds port 465 under another name (`smtps`, `465`) is taken as it is; options that
    it has beyond these, comments and its columns stay. An option that this Postfix does not know is
    left out: Postfix would silently ignore it.

    **Example:**

    .. code:: python

        submissions_service.service(name="The submissions service")
    """
    change = yield from current()
    if change is None:
        return
    before = change.main_cf, change.master_cf
    options = desired_options(change.settings, change.look)
    version = change.look.postfix_version
    show(
        f"{name} is not written: Postfix {version} does not know it"
        for name in unknown_options(change.settings, change.look)
    )
    stage_parameters(change, desired_restrictions(change.settings, defined_parameters(change.main_cf)))
    change.master_cf = set_options(change.master_cf, options)
    for found in submissions_services(change.master_cf):
        joined = {option.name for option in found.options if option.joined}
        change.postconf += [
            f"{found.name}/inet/{name} = {value}".rstrip()
            for name, value in options.items()
            if value is not None and name not in joined
        ]
    if (change.main_cf, change.master_cf) == before:
        host.noop("the submissions service is as wanted")
        return
    if change.main_cf != before[0]:
        show_difference(change.look.main_cf.path, before[0], change.main_cf)
    if change.master_cf != before[1]:
        show_difference(change.look.master_cf.path, before[1], change.master_cf)
    yield staged()


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
