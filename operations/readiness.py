"""Whether a host can be deployed to at all: data, prerequisites, certificate. Changes nothing.

What is wrong fails that host alone, in the plan, with one sentence that says what to do. A service that
does not run is among it, and stays stopped: a change proves itself on the running service, and whoever
stopped it may have had a reason.
"""

from collections.abc import Iterator, Sequence

from pyinfra import host, logger, state
from pyinfra.context import ctx_host

from facts.mail_host import Look
from operations import (
    certbot_hook,
    certificates,
    dovecot_auth_listener,
    postfix_sasl,
    postfix_sni,
    postfix_tls,
    submissions_service,
)
from operations.changes import begin
from postfix.master_cf import Service, submissions_services
from settings import Settings, SettingsError, settings_from_data


def ready() -> bool:
    """Validate the host's data, look at the host, and say whether the operations can go on.

    Fails the host with every reason where they cannot.
    """
    current = ctx_host.get()
    try:
        settings = settings_from_data(current.name, current.data.dict())
    except SettingsError as error:
        return _failed([str(problem) for problem in error.problems])
    look = begin(settings, parameters(settings))
    if look is None:
        return False
    for warning in (*certificates.warnings(settings, look), *certbot_hook.warnings(settings, look)):
        host.log_styled(warning, fg="yellow", log_func=logger.warning)
    found = list(obstacles(settings, look))
    return _failed(found) if found else True


def parameters(settings: Settings) -> tuple[str, ...]:
    """The Postfix parameters that the operations ask about."""
    options = submissions_service.all_options(settings)
    names = (*postfix_tls.PARAMETERS, *postfix_sni.PARAMETERS, *postfix_sasl.PARAMETERS, *options)
    return tuple(dict.fromkeys((*names, "smtpd_sasl_exceptions_networks", "inet_interfaces")))


def obstacles(settings: Settings, look: Look) -> Iterator[str]:
    """Why this host cannot be deployed to; nothing where it can."""
    if look.uid != 0:
        yield "not root: set ssh_user to 'root', or _sudo to True, for this host"
        return
    programs = {"postconf": "Postfix", "doveconf": "Dovecot", "systemctl": "systemd"}
    for command, program in programs.items():
        if command not in look.commands:
            yield f"{program} is not installed ({command} not found): install it, or leave this host out"
    if programs.keys() - look.commands:
        return
    for command in ("openssl", "flock"):
        if command not in look.commands:
            yield f"the program {command} is missing: install the package that brings it"
    unreadable = list(_configuration_obstacles(look))
    if unreadable:
        yield from unreadable
        return
    yield from _service_obstacles(look)
    yield from _port_obstacles(look)
    yield from certificates.obstacles(settings, look)
    yield from certbot_hook.obstacles(settings, look)


def _configuration_obstacles(look: Look) -> Iterator[str]:
    """Why Postfix's own programs cannot read its configuration; the rest of a look rests on that."""
    for file in (look.main_cf, look.master_cf):
        if file.content is None:
            yield f"{file.path} is missing or cannot be read: restore it"
            return
    try:
        submissions_services(look.master_cf.content or "")
    except ValueError as error:
        yield f"{look.master_cf.path} has a broken line, mend it first: {error}"
        return
    if "queue_directory" not in look.parameters:
        yield "Postfix's configuration has an error: postconf -n on the host names it"


def _service_obstacles(look: Look) -> Iterator[str]:
    if look.postfix_reloaded is None:
        yield "Postfix is not running: start it (systemctl start postfix), for a change proves itself live"
    if look.dovecot_version is None:
        yield "Dovecot's configuration has an error: doveconf -n on the host names it"
    elif not look.dovecot_running:
        yield "Dovecot is not running: start it (systemctl start dovecot), for a change proves itself live"
    elif dovecot_auth_listener.overruled(look):
        yield (
            f"something that Dovecot reads after {look.dropin.path} overrules it: doveconf -n shows the "
            f"listener {look.queue_directory}/private/auth as it is; it must not be set elsewhere"
        )


def _port_obstacles(look: Look) -> Iterator[str]:
    services = submissions_services(look.master_cf.content or "")
    for service in services:
        if service.command != "smtpd":
            yield (
                f"port 465 is held by {service.name}/inet, which runs {service.command} and not smtpd: "
                f"move it to another port in {look.master_cf.path}"
            )
    yield from _reach_obstacles(look, services)
    # Postfix itself may still hold it, where the service was taken out and no reload came since.
    if 465 in look.listening - look.postfix_listening and not services:
        yield "port 465 is held by another program than Postfix (ss -ltnp shows which): stop that first"


_LOOPBACK = {"127.0.0.1", "[::1]", "localhost"}


def _reach_obstacles(look: Look, services: Sequence[Service]) -> Iterator[str]:
    """Why no mail program elsewhere could connect, although the service is as wanted."""
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


def _failed(reasons: list[str]) -> bool:
    for reason in reasons:
        host.log_styled(reason, fg="red", log_func=logger.error)
    state.fail_hosts({ctx_host.get()})
    return False
