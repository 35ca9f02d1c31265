"""Postfix's last step: what the operations before it have changed goes live, is reloaded and proved."""

from collections.abc import Generator

from pyinfra import host
from pyinfra.api import operation
from pyinfra.api.command import PyinfraCommand

from facts.mail_host import Look
from operations import postfix_sni
from operations.activation import Replacement, activation, prove_script
from operations.changes import Change, current, show
from postfix.master_cf import submissions_services

# Rounding of process start times; a reload that follows a change takes longer than this.
_CLOCK_TOLERANCE = 0.05


@operation()
def activate() -> Generator[PyinfraCommand, None, None]:
    """
    Put the changed main.cf and master.cf live as one transaction, reload Postfix and prove it.

    Postfix is also reloaded where it runs an older configuration or certificate than the one on the
    disk, whoever changed it. The proof is a TLS connection to port 465 that shows the certificate and
    offers AUTH, another one for each further domain, and a greeting on port 25 where that was served
    before. Without it the old files come back.

    **Example:**

    .. code:: python

        postfix_activation.activate(name="Reload Postfix and prove it")
    """
    change = yield from current()
    if change is None:
        return
    look = change.look
    # The table comes first: main.cf refers to it.
    replacements = [
        Replacement(file, content, mode)
        for file, content, mode in (
            (look.sni, change.sni, postfix_sni.MODE),
            (look.main_cf, change.main_cf, ""),
            (look.master_cf, change.master_cf, ""),
        )
        if content is not None and file.content != content
    ]
    reasons = pending(look)
    if not replacements and not reasons:
        host.noop("Postfix runs what is on the disk")
        return
    if replacements:
        reasons = [*reasons, "its configuration changes"]
    show([f"+reload Postfix: {'; '.join(reasons)}"])
    yield activation(
        "postfix.sh",
        service="Postfix",
        lock=look.lock,
        managed=[look.sni, look.main_cf, look.master_cf],
        replacements=replacements,
        variables=_variables(change),
    )


def pending(look: Look) -> list[str]:
    """Why Postfix has to be reloaded although its configuration does not change."""
    if look.postfix_reloaded is None:
        return []
    reasons = []
    last = look.postfix_reloaded + _CLOCK_TOLERANCE
    by_name = postfix_sni.in_use(look)
    for file in (look.main_cf, look.master_cf, *([look.sni] if by_name else [])):
        if file.changed > last:
            reasons.append(f"{file.path} is newer than what runs")
    for domain, lineage in look.certificates.items():
        chain = f"{lineage.directory}/fullchain.pem"
        served = chain == look.parameters["smtpd_tls_cert_file"] or (
            by_name and chain in (look.sni.content or "")
        )
        if served and lineage.changed > last:
            reasons.append(f"the certificate of {domain} is newer than what runs")
    directories = {file.real_path.rpartition("/")[0] for file in (look.main_cf, look.master_cf)}
    if any(path.rpartition("/")[0] in directories for path in look.leftovers):
        reasons.append("an earlier change was cut short")
    return reasons


def _variables(change: Change) -> dict[str, str]:
    look, settings = change.look, change.settings
    services = submissions_services(change.master_cf)
    # A certificate or login offer of the administrator's own on the service is theirs to answer for.
    own = {name for service in services for name in service.effective_options}
    own_certificate = own & {"smtpd_tls_cert_file", "smtpd_tls_chain_files", "smtpd_tls_eccert_file"}
    lineage = look.certificates[settings.mail_domain]
    return {
        "config_directory": look.parameters["config_directory"],
        "queue_directory": look.queue_directory,
        "main_cf": look.main_cf.real_path,
        "master_cf": look.master_cf.real_path,
        "wanted": "\n".join(change.postconf),
        "parameters": " ".join(look.parameters),
        "services": " ".join(f"{service.name}/inet" for service in services),
        "mail_hostname": settings.mail_hostname,
        "chain": "" if own_certificate else f"{lineage.directory}/fullchain.pem",
        "by_name": "\n".join(_by_name(change)),
        "auth": "" if look.parameters.get("smtpd_sasl_exceptions_networks") else "yes",
        "ports": " ".join(str(port) for port in sorted(_served_ports(look))),
        "wrapped": "yes" if _wrapped(look) else "",
        "prove_perl": prove_script(),
    }


def _by_name(change: Change) -> list[str]:
    """`NAME CHAIN` of each further domain: a name that a client may ask for, and what it is to get."""
    names: dict[str, str] = {}
    for name, lineage in postfix_sni.served(change.settings, change.look).items():
        names.setdefault(lineage.directory, name.replace("*", "mail", 1))
    default = change.look.certificates[change.settings.mail_domain].directory
    return [f"{name} {chain}/fullchain.pem" for chain, name in names.items() if chain != default]


def _served_ports(look: Look) -> frozenset[int]:
    """Which of the ports 25 and 465 the present files serve; what runs may be older than these."""
    services = submissions_services(look.master_cf.content or "")
    return look.listening if services else look.listening - {465}


def _wrapped(look: Look) -> bool:
    """Whether port 465 speaks TLS from the first byte, before the change."""
    default = look.parameters["smtpd_tls_wrappermode"]
    return any(
        service.effective_options.get("smtpd_tls_wrappermode", default) == "yes"
        for service in submissions_services(look.master_cf.content or "")
    )
