"""What is seen on a host, over pyinfra's connection. Each observer looks at one thing and only reads."""

import re
from dataclasses import dataclass, replace

from cryptography import x509

from smtp_auth.facts.look import File, Look
from smtp_auth.on_host.programs import proof_program
from smtp_auth.plan import readiness
from smtp_auth.plan.ours import ledger_now, without_ours
from smtp_auth.plan.plan import Plan, plan_ignoring_obstacles, plan_of
from smtp_auth.services.certbot.block import HOOK, our_lines
from smtp_auth.services.certbot.hook import reason_of_warning
from smtp_auth.services.certbot.shebang import is_text
from smtp_auth.services.dovecot import DOVECOT
from smtp_auth.services.dovecot.listener import listener_path
from smtp_auth.verify.connection import look, on
from smtp_auth.verify.target import Target, Unseen, observer

_DEPLOYABLE = "nothing prevents a deploy"


@observer
def deploy_plan(target: Target) -> Plan:
    """What a deploy would do: with refusals and no edits if something prevents it."""
    return plan_of(target.settings, target.see(look), target.steps)


@observer
def plan(target: Target) -> Plan:
    """How the host differs from what the steps want, and which reloads are due."""
    seen = target.see(look)
    if any(readiness.unreadable(seen)):
        raise Unseen("the host's configuration cannot be read", _DEPLOYABLE)
    wanted = target.see(deploy_plan)
    return plan_ignoring_obstacles(target.settings, seen, target.steps) if wanted.refusals else wanted


@observer
def owners(target: Target) -> Look:
    """The host without what deploys have written. The steps decide by it."""
    seen = target.see(look)
    return without_ours(seen, ledger_now(seen, target.steps), target.steps)


# -- services -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """A systemd unit."""

    name: str
    enabled: bool
    running: bool


@observer
def postfix_units(target: Target) -> tuple[Unit, ...]:
    """`postfix.service`, and the unit in which the daemon runs: on Debian 12, that is another one."""
    return _units(target, "postfix.service", target.see(look).postfix_unit)


@observer
def dovecot_units(target: Target) -> tuple[Unit, ...]:
    """`dovecot.service`, and the unit in which the daemon runs."""
    return _units(target, "dovecot.service", target.see(look).dovecot_unit)


def _units(target: Target, name: str, real: str) -> tuple[Unit, ...]:
    states = target.see(_states)
    if not real.endswith(".service"):
        return (replace(states[name], running=False),)
    return tuple(states[unit] for unit in dict.fromkeys((name, real)))


def _states(target: Target) -> dict[str, Unit]:
    """All units at once: each question to systemd costs the host more than its answer."""
    seen = target.see(look)
    real = [unit for unit in (seen.postfix_unit, seen.dovecot_unit) if unit.endswith(".service")]
    names = [*dict.fromkeys(("postfix.service", "dovecot.service", *real))]
    asked = "systemctl show --property=UnitFileState,ActiveState --" + " %s" * len(names)
    found = {}
    # In the order of the names.
    for name, block in zip(names, on(target).run(asked, *names).stdout.split("\n\n"), strict=False):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        enabled, running = values.get("UnitFileState") in _ENABLED, values.get("ActiveState") in _RUNNING
        found[name] = Unit(name, enabled=enabled, running=running)
    return found


# As systemctl is-enabled and is-active judge.
_ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")
_RUNNING = ("active", "reloading", "refreshing")


@observer
def owners_465(target: Target) -> tuple[str, ...]:
    """The programs that listen on port 465, from `ss`: `master (pid 347)`."""
    result = on(target).run("ss -Hltnp 'sport = :465'")
    found = re.findall(r'\("([^"]+)",pid=(\d+)', result.stdout)
    return tuple(dict.fromkeys(f"{program} (pid {pid})" for program, pid in found))


@observer
def master_pid(target: Target) -> str:
    """The process ID of Postfix's master."""
    path = f"{target.see(look).queue_directory}/pid/master.pid"
    return str(on(target).file(path).content_string).strip()


@observer
def complaints(target: Target) -> tuple[str, ...]:
    """What Postfix's programs print about its configuration on standard error; nothing if it is good."""
    # postfix check would create directories that are missing.
    said = on(target).run("{ postconf; postconf -M; postmap -q any static:any; } 2>&1 >/dev/null").stdout
    # Several programs print the same line, each with its own name at the start.
    found = {re.sub(r"^\S+: (?=warning: )", "", line) for line in said.splitlines() if line}
    return tuple(sorted(found))


@observer
def troubles(target: Target) -> tuple[str, ...]:
    """Lines that Postfix has logged since its last reload about errors that stop mail."""
    seen = target.see(look)
    since = seen.postfix_reloaded
    if since is None:
        raise Unseen("Postfix is not running", "postfix is enabled and running")
    host = on(target)
    in_file = seen.parameters.get("maillog_file", "")
    journal = "journalctl --quiet --no-pager --output=cat --unit='postfix*'"
    found = "" if in_file else host.run(f"{journal} --since=%s --lines=1000", f"@{int(since)}").stdout
    if in_file or not (found.strip() or host.run(f"{journal} --lines=1").stdout.strip()):
        found = _since_the_reload(target, in_file)
    return tuple([line for line in found.splitlines() if is_trouble(line)][-5:])


def is_trouble(line: str) -> bool:
    """Whether a line of Postfix's log, or a message of it, is about an error that stops mail.

    Only the beginning of a message counts: clients decide how some go on.
    """
    return _TROUBLE.search(line) is not None


# What people and cron jobs start. If one of these fails, whoever has started it is told, and mail goes on.
_COMMANDS = (
    *("postalias", "postcat", "postconf", "postdrop", "postfix", "postfix-script", "postkick", "postlock"),
    *("postlog", "postmap", "postmulti", "postqueue", "postsuper", "sendmail"),
)

# In a file, a line begins with the time, the host and the program.
_TROUBLE = re.compile(
    rf"^(?!(?:[^\s\[]+ +){{1,4}}(?:\S+/)?(?:{'|'.join(_COMMANDS)})\[\d+\]: )"
    r"(?:\S+ +){0,4}?(?:\S+\[\d+\]: )?"
    r"(?:(?:fatal|panic): |warning: (?:\S+: bad command startup|master_spawn: fork: .*) -- throttling$)"
)


def _since_the_reload(target: Target, in_file: str) -> str:
    """The lines in Postfix's log file after that of its last start or reload."""
    host = on(target)
    files = [path for path in ([in_file] if in_file else _LOG_FILES) if host.file(path).exists]
    if not files:
        raise Unseen(f"Postfix's log is neither in the journal nor in {in_file or ' or '.join(_LOG_FILES)}")
    command = "tac %s | sed -E '/postfix.*master.*: (daemon started|reload) /q' | tac"
    return str(host.run(command, files[0]).stdout)


_LOG_FILES = ("/var/log/mail.log", "/var/log/maillog")


# -- configuration ------------------------------------------------------------------------------------


@observer
def release_defaults(target: Target) -> dict[str, str]:
    """The defaults of this Postfix release for two behaviours that newer releases forbid."""
    names = ("smtpd_forbid_unauth_pipelining", "smtpd_forbid_bare_newline")
    result = on(target).run(f"postconf -d {' '.join(names)} 2>/dev/null")
    return dict(re.findall(r"^(\w+) = (.*)$", result.stdout, re.MULTILINE))


@observer
def forbids_bare_newlines(target: Target) -> bool:
    """Whether the host is configured to reject messages that end with bare newlines."""
    return target.see(look).parameters.get("smtpd_forbid_bare_newline", "").lower() not in ("", "no")


@observer
def disk_chains(target: Target) -> dict[str, list[x509.Certificate]]:
    """Domain to the chain in its lineage on the host."""
    found = {}
    for domain, lineage in target.see(look).certificates.items():
        if lineage.chain is None:
            raise Unseen(f"{lineage.directory} has no certificate", _DEPLOYABLE)
        try:
            found[domain] = x509.load_pem_x509_certificates(lineage.chain.encode("latin-1"))
        except (ValueError, x509.InvalidVersion):
            reason = f"{lineage.directory}/fullchain.pem is not a certificate in PEM"
            raise Unseen(reason, _DEPLOYABLE) from None
    return found


# -- files --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hook:
    """certbot's deploy hook, as far as it can be tried on the host.

    + interpreter, interpreter_runs: the program in its first line, and whether it is executable
    + parse_error: what the interpreter prints when it parses the script without running it; empty without an
      error
    + call_error: what the hook prints if it fails for a lineage that does not exist; empty if it succeeds
    + reloads: unit to whether systemd can reload it
    """

    executable: bool
    interpreter: str
    interpreter_runs: bool
    parse_error: str
    call_error: str
    reloads: dict[str, bool]


@observer
def hook(target: Target) -> Hook:
    """The hook, as far as it can be tried without a reload.

    It is run only if it is, byte for byte, the whole file that a deploy writes, and only root can replace it:
    our lines do nothing for a lineage that is not the host's. Of any other hook, other checks read the text.
    systemd is asked whether it can reload the units.
    """
    host, file = on(target), target.see(look).files[HOOK.key]
    reason = reason_of_warning(target.settings, target.see(look))
    # A hook that a deploy has written is judged, also where certbot is told since then to pass over it.
    if reason and not (target.see(look).without_hooks and our_lines(file.content or "")):
        raise Unseen(f"{reason}: the client that renews has to reload Postfix, and is not checked here")
    if file.content is None:
        raise Unseen(f"{file.path} is missing", "as deployed: Certificate rotation")
    words = file.content.partition("\n")[0].removeprefix("#!").split() or [""]
    if not is_text(file.content) and not file.content.startswith("#!"):
        # The kernel runs the program itself.
        words = [file.real_path]
    runs = host.run("test -x %s", words[0]).succeeded
    # Only shells can parse a script without running it (-n). The script may name any program as its shell.
    shell = words[0] in _SHELLS
    parsed = host.run("%s -n %s 2>&1", words[0], file.real_path) if runs and shell else None
    reloads = {}
    for unit in target.settings.certbot_reload_services:
        shown = host.run("systemctl show --property=CanReload,ActiveState %s", unit).stdout
        reloads[unit] = {"CanReload=yes", "ActiveState=active"} <= set(shown.splitlines())
    called = (
        host.run("RENEWED_LINEAGE=/nonexistent RENEWED_DOMAINS= %s 2>&1", file.real_path)
        if _is_idle(target, file)
        else None
    )
    return Hook(
        executable=bool(int(file.mode, 8) & 0o100),
        interpreter=words[0],
        interpreter_runs=runs,
        parse_error=parsed.stdout.strip() if parsed is not None and parsed.failed else "",
        call_error=called.stdout.strip() or "no reason given" if called is not None and called.failed else "",
        reloads=reloads,
    )


_SHELLS = tuple(
    f"{place}/{shell}" for place in ("/bin", "/usr/bin") for shell in ("sh", "bash", "dash", "ksh")
)


def _is_idle(target: Target, hook: File) -> bool:
    """Whether the hook certainly does nothing for a lineage that is not the host's."""
    if hook.user != "root" or int(hook.mode, 8) & 0o022 or hook.writers:
        return False
    # Other units are reloaded, and tables rebuilt, after any renewal.
    seen = replace(target.see(look), sni_tables=())
    if target.settings.certbot_reload_services != ("postfix",):
        return False
    without = replace(seen, files={**seen.files, HOOK.key: File(hook.path, real_path=hook.real_path)})
    steps = [step for step in target.steps if HOOK in step.files]
    coming = plan_ignoring_obstacles(target.settings, without, steps).files
    return hook.content in [planned.content for planned in coming if planned.file.path == hook.path]


@dataclass(frozen=True)
class Owner:
    """Owner and permissions of a file or directory, from stat(1)."""

    path: str
    mode: int
    user: str
    group: str


@observer
def key_owners(target: Target) -> dict[str, tuple[Owner, ...]]:
    """Each private key, to the owners of the key and of every directory above it, with links resolved."""
    host, found = on(target), {}
    for lineage in target.see(look).certificates.values():
        key = f"{lineage.directory}/privkey.pem"
        result = host.run(
            "path=$(readlink -e %s) && while :; do stat -c '%%a %%U %%G %%n' -- \"$path\"; "
            '[ "$path" != / ] || break; path=$(dirname -- "$path"); done',
            key,
        )
        owners = [line.split(" ", 3) for line in result.stdout.splitlines()]
        found[key] = tuple(Owner(path, int(mode, 8), user, group) for mode, user, group, path in owners)
    return found


def readers(owners: tuple[Owner, ...]) -> tuple[str, ...]:
    """Who can read a file, except root; `owners` are the file itself, then the directories above it."""
    file, *directories = owners
    found = [] if file.user == "root" else [f"user {file.user}"]
    for who, read, enter in ((f"group {file.group}", 0o040, 0o011), ("everybody", 0o004, 0o001)):
        if file.group == "root" and who.startswith("group"):
            continue
        if file.mode & read and all(directory.mode & enter for directory in directories):
            found.append(who)
    return tuple(found)


@observer
def listener_proof(target: Target) -> str:
    """Why Dovecot does not answer on its listener; empty if it does. It uses the deploy's own proof."""
    socket = listener_path(target.see(look))
    result = on(target).run("perl -e %s -- %s", proof_program(DOVECOT), socket)
    return "" if result.succeeded else result.stderr.strip() or "no reason given"
