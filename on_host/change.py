"""Builds the script that changes a service's files on the host as one transaction.

The script is change.sh with the service's own part behind it; the mechanism is described there. It goes
to the host on standard input, in one command, and does nothing before all of it has arrived.
"""

import base64
import hashlib
import shlex
from collections.abc import Iterable, Mapping

from facts.look import File, Look
from on_host import program
from plan.plan import Plan, PlannedFile
from plan.shebang import shell_of
from settings import Settings


def change_script(plan: Plan, settings: Settings, look: Look, service: str) -> str:
    """What the host's shell is to run, to do what the plan says of one service.

    + service: `Postfix`, `Dovecot` or `certbot's deploy hook`
    """
    part, variables = {
        "Postfix": ("postfix.sh", _postfix),
        "Dovecot": ("dovecot.sh", _dovecot),
        "certbot's deploy hook": ("certbot_hook.sh", _certbot_hook),
    }[service]
    return transaction(
        program(part),
        service=service,
        lock=look.lock,
        managed=[file for owner, file in plan.managed if owner == service],
        files=[file for file in plan.files if file.service == service],
        variables=variables(plan, settings, look),
    )


def transaction(
    part: str,
    *,
    service: str,
    lock: str,
    managed: Iterable[File],
    files: Iterable[PlannedFile],
    variables: Mapping[str, str],
) -> str:
    """The script that stages, checks, swaps, reloads and proves, or puts the old version back.

    + part: the service's own functions, which say what their variables mean
    + service: its name for people
    + lock: a directory of the host; one change at a time holds it
    + managed: all files of the service that a change may touch, those of an earlier one included
    """
    setup = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    steps = [f"lock {shlex.quote(lock)}"]
    steps += [f"manage {shlex.quote(file.real_path)}" for file in managed]
    steps += [_stage(file) for file in files]
    # One function, called at the very end: a script that is cut off on its way does nothing.
    lines = [
        "change() {",
        f"service={shlex.quote(service)}",
        *setup,
        program("change.sh"),
        part,
        *steps,
        "activate",
        "}",
        "change </dev/null",
    ]
    return "\n".join(lines)


def _stage(planned: PlannedFile) -> str:
    content = planned.content.encode("latin-1")
    words = (
        planned.file.real_path,
        planned.file.digest,
        hashlib.sha256(content).hexdigest(),
        planned.mode if planned.mode != planned.file.mode else "",
    )
    encoded = base64.b64encode(content).decode("ascii")
    return f"stage {shlex.join(words)} <<'END'\n{encoded}\nEND"


def _certbot_hook(plan: Plan, _settings: Settings, _look: Look) -> dict[str, str]:
    [hook] = [file for service, file in plan.managed if service == "certbot's deploy hook"]
    coming = next((planned.content for planned in plan.files if planned.file == hook), hook.content)
    return {"hook": hook.real_path, "shell": shell_of(coming or "")}


def _dovecot(plan: Plan, _settings: Settings, look: Look) -> dict[str, str]:
    [dropin] = [file for service, file in plan.managed if service == "Dovecot"]
    return {
        "dovecot_directory": dropin.path.rpartition("/conf.d/")[0],
        "dropin": dropin.real_path,
        "socket": f"{look.queue_directory}/private/auth",
        "owner": "600 postfix postfix",
        "had_socket": "yes" if look.socket else "",
        "prove_perl": program("prove.pl"),
    }


def _postfix(plan: Plan, settings: Settings, look: Look) -> dict[str, str]:
    options = [name.rpartition("/")[0] for name, _ in plan.expected if "/" in name]
    (_, chain), *by_name = plan.proof.certificates
    return {
        "config_directory": look.parameters["config_directory"],
        "queue_directory": look.queue_directory,
        "main_cf": look.main_cf.real_path,
        "master_cf": look.master_cf.real_path,
        "wanted": "\n".join(f"{name} = {value}".rstrip() for name, value in plan.expected),
        "parameters": " ".join(name for name, _ in plan.expected if "/" not in name),
        "services": " ".join(dict.fromkeys(options)),
        "mail_hostname": settings.mail_hostname,
        "chain": chain,
        "by_name": "\n".join(f"{name} {its_chain}" for name, its_chain in by_name),
        "auth": "yes" if plan.proof.logins else "",
        "ports": " ".join(str(port) for port in sorted(_served_ports(look))),
        "wrapped": "yes" if _wrapped(look) else "",
        "prove_perl": program("prove.pl"),
    }


def _served_ports(look: Look) -> frozenset[int]:
    """Which of the ports 25 and 465 the present files serve; what runs may be older than these."""
    return look.listening if look.submissions_services else look.listening - {465}


def _wrapped(look: Look) -> bool:
    """Whether port 465 speaks TLS from the first byte, before the change."""
    default = look.parameters["smtpd_tls_wrappermode"]
    return any(
        service.effective_options.get("smtpd_tls_wrappermode", default) == "yes"
        for service in look.submissions_services
    )
