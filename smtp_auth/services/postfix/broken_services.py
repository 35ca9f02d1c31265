"""What keeps a service from serving although postconf accepts it, and only a connection would show it."""

from collections.abc import Iterator
from itertools import takewhile

from smtp_auth.facts.look import Look
from smtp_auth.postfix.lists import elements, expanded
from smtp_auth.postfix.master_cf import Service, services
from smtp_auth.postfix.parameters import is_yes
from smtp_auth.services.postfix.login_rules import AUTH
from smtp_auth.services.postfix.logins import switch_of
from smtp_auth.services.postfix.submissions_options import ServiceOptions
from smtp_auth.settings import Settings

DISABLED, WRAPPED = "master_service_disable", "smtpd_tls_wrappermode"

HIDDEN, WITHOUT_LOGINS = "smtpd_discard_ehlo_keywords", "smtpd_sasl_exceptions_networks"


def obstacles(look: Look) -> Iterator[str]:
    """Why a service that a change proves does not serve as it is. + look: the host as it is"""
    for service in services(look.master_cf.content or ""):
        if is_proved(service) and not is_disabled(look.parameters.get(DISABLED, ""), service.label):
            yield from _stray_words(look, service)
            yield from _wrapped(look, service)


def hidden_logins(settings: Settings, look: Look, one: ServiceOptions) -> Iterator[str]:
    """Why a service on port 465 would not be served, or would not offer TLS or AUTH, after a deploy.

    + look: the host without what we have written
    """
    for name in (WRAPPED, AUTH):
        if settings.submissions_options.get(name, "") is not None:
            continue
        is_on = switch_of(settings, look).is_on if name == AUTH else is_yes(look.parameters[name])
        value = "yes" if is_on else "no"
        if not is_on:
            yield (
                f"submissions_options: {name} = None deletes that option of {one.name} on port 465, which "
                f"would then have {name} = {value} of main.cf: leave the key out"
            )
    if is_disabled(look.parameters.get(DISABLED, ""), one.label):
        yield (
            f"{DISABLED} = {look.parameters[DISABLED]} keeps {one.label} from being served: take it out "
            "of that list in main.cf"
        )
    if "auth" in map(str.lower, elements(one.value(HIDDEN))):
        yield (
            f"{one.name} on port 465 would not offer AUTH, because {HIDDEN} = {one.value(HIDDEN)} hides "
            f"it: set {HIDDEN} in submissions_options to a list without auth"
        )
    if _is_everybody(elements(one.value(WITHOUT_LOGINS))):
        yield (
            f"{one.name} on port 465 would not offer AUTH to anybody, because {WITHOUT_LOGINS} = "
            f"{one.value(WITHOUT_LOGINS)}: set {WITHOUT_LOGINS} in submissions_options to the networks "
            "that must not log in"
        )


def _is_everybody(networks: list[str]) -> bool:
    """Whether a list contains every client; the first pattern that matches one counts."""
    first = {*takewhile(lambda word: not word.startswith("!"), networks)}
    return "static:all" in first or ("0.0.0.0/0" in first and bool(first & {"::/0", "[::]/0"}))


def is_proved(service: Service) -> bool:
    """Whether a change has a conversation with a service (conversations.py)."""
    return (service.type == "inet" and service.number in (25, 465, 587)) or service.type == "pass"


def is_disabled(value: str, label: str) -> bool:
    """Whether master(8) serves nothing for a service (`match_service_match()` in src/util/match_service.c).

    + value: that of master_service_disable: the first pattern that matches counts
    + label: the name of the service for postconf(1), such as `submissions/inet`
    """
    kind = label.rpartition("/")[2]
    for word in elements(value):
        pattern = word.lstrip("!").lower()
        if "/" not in pattern:
            # The way of writing it before Postfix 3.0.
            pattern = "/".join(pattern.rsplit(".", 1))
        if pattern == (label.lower() if "/" in pattern else kind):
            return (len(word) - len(word.lstrip("!"))) % 2 == 0
    return False


def _stray_words(look: Look, service: Service) -> Iterator[str]:
    if service.strays and service.command in ("smtpd", "postscreen"):
        yield (
            f"{service.command} ends at each connection to {service.label}, because it has this in "
            f"{look.master_cf.path}, which is no option: {' '.join(service.strays)}; write a value with "
            "white space as -o { name = value }, and a comment on its own line"
        )


def _wrapped(look: Look, service: Service) -> Iterator[str]:
    """That port 25 would serve nobody: other servers begin there without TLS."""
    is_wrapped = is_yes(expanded(look.effective(service, WRAPPED), look.definitions_of(service)))
    if service.command == "smtpd" and (service.number == 25 or service.type == "pass") and is_wrapped:
        own = WRAPPED in service.effective_options
        where = f"{service.label} in {look.master_cf.path}" if own else look.main_cf.path
        yield (
            f"{WRAPPED} = yes in {where} makes port 25 begin with TLS, so no other server can deliver mail "
            "there: delete it; port 465 gets an option of its own"
        )
