"""The preview is true: what it shows of each host is what a deploy then does to it, to the byte.

Shown lines and the deploy's work are compared file by file, as counted lines: what a file has more of
afterwards was announced with "+", what it has less of with "-".
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from lab.host import LabHost
from lab.lab import Lab
from smtp_auth.plan.as_json import as_json
from tests.fleet import by_hand
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import Run, deploy, succeed, tree
from tests.fleet.planning import plan_at
from tests.unit.scenarios import PATHS

MAIN_CF = "etc/postfix/main.cf"
MASTER_CF = "etc/postfix/master.cf"
HOOK = "etc/letsencrypt/renewal-hooks/deploy/reload_services.sh"
DROPIN = "etc/dovecot/conf.d/99-postfix-smtp-auth.conf"
WRITTEN = tuple(path.lstrip("/") for path in PATHS.values())


@dataclass(frozen=True)
class State:
    """A state that a deploy finds.

    + prepare: what makes it, on a stock host, or on a deployed one
    + reloads: the services whose reload is due for other reasons than a change, in the preview's words
    """

    prepare: Callable[[LabHost], None]
    deployed: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    reloads: tuple[str, ...] = ()


def _nothing(host: LabHost) -> None:
    pass


def _edit(host: LabHost, path: str, change: Callable[[bytes], bytes]) -> None:
    file = host.root / path
    file.write_bytes(change(file.read_bytes()))


def _by_hand_with_restrictions(host: LabHost) -> None:
    by_hand.follow_the_guide(host, by_hand.RESTRICTIONS_AND_FLOOR)


def _foreign_bytes(host: LabHost) -> None:
    """CRLF, a parameter defined twice, bytes that are no UTF-8, and no line end at the end."""
    _edit(host, MAIN_CF, lambda text: text.replace(b"\n", b"\r\n") + b"# caf\xe9 \x85 \xc3\xa0\x1b[31m\r\n")
    _edit(host, MAIN_CF, lambda text: text + b"smtpd_sasl_path = a\r\nsmtpd_sasl_path = /caf\xe9\tx\r\n")
    _edit(host, MASTER_CF, lambda text: text.rstrip(b"\n"))
    by_hand.reload(host)


def _services_with_addresses(host: LabHost) -> None:
    """Port 465 twice, by number and address, options joined and in braces, one over several lines."""
    stanzas = (
        f"{host.address}:465 inet n - y - - smtpd -osmtpd_tls_wrappermode=yes\n"
        "# between\n  -o { smtpd_client_restrictions = permit_sasl_authenticated, reject }\n"
        "  -o\n  # why\n    smtpd_sasl_auth_enable=no\n"
        "127.0.0.1:smtps inet n - y - - smtpd -o smtpd_tls_wrappermode=yes -v"
    ).encode()
    _edit(host, MASTER_CF, lambda text: text + stanzas)
    by_hand.reload(host)


def _by_parameters_of_their_own(host: LabHost) -> None:
    """Paths that mean the same through a parameter of the administrator's, and the parts outdated."""
    domain = host.domain.encode()
    _edit(
        host,
        MAIN_CF,
        lambda text: (
            re.sub(rb"(?m)^smtpd_tls_(cert|key)_file.*\n", b"", text)
            + b"mydomain = "
            + domain
            + b"\nsmtpd_tls_cert_file = /etc/letsencrypt/live/$mydomain/fullchain.pem\n"
            + b"smtpd_tls_key_file = ${lineage}/privkey.pem\nlineage = /etc/letsencrypt/live/$mydomain\n"
            + b"smtpd_sasl_path =\n\tsmtpd\n"
        ),
    )
    by_hand.reload(host)


def _postfix_reload_due(host: LabHost) -> None:
    _edit(host, MAIN_CF, lambda text: text + b"# a note\n")


def _dovecot_reload_due(host: LabHost) -> None:
    """The listener moved into the owner's own file, and Dovecot not reloaded after the second half."""
    host.run(f"rm /{DROPIN}; systemctl reload dovecot")
    by_hand.uncomment_listener(host, "    mode = 0600\n    user = postfix\n    group = postfix\n")


def _hook_forgotten(host: LabHost) -> None:
    _edit(host, HOOK, lambda _: b"systemctl reload nginx")
    host.run(f"chmod 0640 /{HOOK}")


OTHER_DATA = {
    "smtp_auth_on_port_25": False,
    "tls_minimum_version": "TLSv1.3",
    "mua_sender_restrictions": ["reject_non_fqdn_sender", "permit"],
    "submissions_options": {"syslog_name": None, "smtpd_milters": "", "smtpd_banner": "$myhostname  ready"},
    "certbot_reload_services": ["postfix", "dovecot"],
}

STATES = {
    "stock": State(_nothing),
    "by hand": State(by_hand.follow_the_guide),
    "by hand, with restrictions": State(_by_hand_with_restrictions),
    "messy": State(by_hand.make_messy),
    "foreign bytes": State(_foreign_bytes),
    "services with addresses": State(_services_with_addresses),
    "parameters of their own": State(_by_parameters_of_their_own),
    "other data": State(_nothing, data=OTHER_DATA),
    "deployed": State(_nothing, deployed=True),
    "deployed, then other data": State(_nothing, deployed=True, data=OTHER_DATA),
    "deployed, Postfix's reload due": State(
        _postfix_reload_due, deployed=True, reloads=("reload Postfix: /etc/postfix/main.cf is newer",)
    ),
    "deployed, Dovecot's reload due": State(
        _dovecot_reload_due, deployed=True, reloads=("reload Dovecot: its socket differs",)
    ),
    "deployed, hook forgotten": State(_hook_forgotten, deployed=True),
    "deployed, then messy": State(by_hand.make_messy, deployed=True),
}
# Two states at a time: one on the hosts of each domain, a host of either release.
ROUNDS = [tuple(STATES)[number : number + 2] for number in range(0, len(STATES), 2)]


@pytest.mark.parametrize("names", ROUNDS, ids=" / ".join)
def test_the_deploy_does_what_the_preview_showed(lab: Lab, names: tuple[str, str]) -> None:
    hosts = [lab.hosts[name] for name in FLEET]
    found = {
        host: STATES[name] for name, pair in zip(names, (hosts[:2], hosts[2:]), strict=True) for host in pair
    }
    with ThreadPoolExecutor() as pool:
        list(pool.map(LabHost.reset, hosts))
    if first := [host for host in hosts if found[host].deployed]:
        succeed(deploy(first))
    for host in hosts:
        found[host].prepare(host)
    data = {host.name: found[host].data for host in hosts}
    before = {host: seen(host) for host in hosts}
    trees = {host: tree(host) for host in hosts}

    preview = succeed(deploy(hosts, "--dry", "--diff", per_host=data))
    plans = as_json({host.name: plan_at(host, data[host.name]) for host in hosts})["hosts"]
    assert {host: tree(host) for host in hosts} == trees, "the preview touched a host"

    run = succeed(deploy(hosts, per_host=data))
    for host in hosts:
        after = seen(host)
        shown, reloads = announced(preview, host)
        happened = changes(before[host].files, after.files)
        expected = _without_written_again(happened, before[host].files, after.files)
        assert shown == expected, f"{host.name}: {preview.output}"
        assert in_json(plans[host.name]) == (shown, reloads)
        assert {line.partition(":")[0] for line in reloads} == {
            f"reload {service}"
            for service in ("Postfix", "Dovecot")
            if before[host].reloads[service] != after.reloads[service]
        }, f"{host.name}: {preview.output}"
        due = found[host].reloads
        assert all(any(line.startswith(start) for line in reloads) for start in due), preview.output
        assert bool(run.changed(host)) == bool(shown or reloads)
    again = succeed(deploy(hosts, "--dry", "--diff", per_host=data))
    assert [announced(again, host) for host in hosts] == [({}, [])] * len(hosts), again.output

    deployed = {host: seen(host).files for host in hosts}
    preview = succeed(deploy(hosts, "--dry", "--diff", program="undo.py"))
    assert {host: seen(host).files for host in hosts} == deployed, "the preview touched a host"
    succeed(deploy(hosts, program="undo.py"))
    for host in hosts:
        undone = seen(host).files
        happened = _for_everybody(changes(deployed[host], undone), deployed[host], undone)
        assert announced(preview, host)[0] == happened, f"{host.name}: {preview.output}"
        if before[host].files != deployed[host]:
            assert undone == before[host].files


@pytest.mark.parametrize("options", [("--dry", "--diff"), ("--dry", "--diff", "-vvv", "--debug")])
def test_the_preview_shows_no_secret(stock: list[LabHost], options: tuple[str, ...]) -> None:
    output = deploy(stock, *options).output
    for host in stock:
        assert host.name in output
        archived = host.root / "etc/letsencrypt/archive" / host.domain
        keys = [line for file in archived.glob("privkey*") for line in file.read_text().splitlines()[1:-1]]
        assert keys
        assert not [line for line in keys if line in output]
        assert host.password not in output


@dataclass(frozen=True)
class Seen:
    """The files that a deploy writes as `path → (mode, lines)`, and how each service was last reloaded.

    + reloads: the PID of a process of the service that a reload replaces
    """

    files: dict[str, tuple[str, Counter[bytes]]]
    reloads: dict[str, str]


def seen(host: LabHost) -> Seen:
    files = {}
    for path in WRITTEN:
        file = host.root / path
        if file.exists():
            files[f"/{path}"] = (f"{file.stat().st_mode & 0o7777:04o}", _lines(file.read_bytes()))
    reloads = {"Postfix": host.run("pgrep -x qmgr").stdout, "Dovecot": by_hand.dovecot_log(host)}
    return Seen(files, reloads)


def _lines(content: bytes) -> Counter[bytes]:
    *lines, last = content.split(b"\n")
    return Counter([*lines, last + _NO_END] if last else lines)


_NO_END = b" (no line end)"

Files = Mapping[str, tuple[str, Counter[bytes]]]
Changes = dict[str, tuple[Counter[bytes], Counter[bytes]]]


def changes(before: Files, after: Files) -> Changes:
    """Path to the lines that were deleted and added; a mode is a line of its own."""
    found = {}
    nothing: tuple[str, Counter[bytes]] = ("", Counter())
    for path in {*before, *after}:
        (old_mode, old), (new_mode, new) = before.get(path, nothing), after.get(path, nothing)
        gone, come = old - new, new - old
        if old_mode != new_mode:
            gone += Counter([f"mode {old_mode}".encode()] if old_mode else [])
            come += Counter([f"mode {new_mode}".encode()] if new_mode else [])
        if gone or come:
            found[path] = (gone, come)
    return found


def _private(*files: Files) -> set[str]:
    """The paths of files that not everybody may read."""
    return {path for one in files for path, (mode, _) in one.items() if not int(mode, 8) & 0o004}


def _without_written_again(found: Changes, *files: Files) -> Changes:
    """Changes as a deploy shows them: without lines of a private file that only get another line end."""
    private = _private(*files)
    shown = {}
    for path, (gone, come) in found.items():
        again = {_text(line) for line in gone} & {_text(line) for line in come} if path in private else set()
        gone, come = (
            Counter([line for line in lines.elements() if _text(line) not in again]) for lines in (gone, come)
        )
        shown[path] = (gone, come)
    return {path: one for path, one in shown.items() if any(one)}


def _text(line: bytes) -> bytes:
    return line.removesuffix(_NO_END).rstrip(b"\r")


def _for_everybody(found: Changes, *files: Files) -> Changes:
    """Changes as an undo shows them: only the mode of a file that not everybody may read."""
    private = _private(*files)
    shown = {
        path: (_modes(gone), _modes(come)) if path in private else (gone, come)
        for path, (gone, come) in found.items()
    }
    return {path: one for path, one in shown.items() if any(one)}


def _modes(lines: Counter[bytes]) -> Counter[bytes]:
    return Counter([line for line in lines if line.startswith(b"mode ")])


def announced(preview: Run, host: LabHost) -> tuple[Changes, list[str]]:
    """What a preview says of a host: net lines by path, and its reloads."""
    found: dict[str, Counter[bytes]] = {}
    reloads = []
    path = ""
    for line in preview.output.splitlines():
        match = re.match(rf"\s*\[{re.escape(host.name)}\]\s+([-+/])(.*)", line)
        if not match:
            continue
        sign, text = match.groups()
        if sign == "/":
            path = f"/{text}"
        elif text.startswith("reload "):
            reloads.append(text)
        else:
            raw = re.sub(r"\\x(..)|\\r", lambda m: chr(int(m[1], 16)) if m[1] else "\r", text).encode(
                "latin-1"
            )
            net = found.setdefault(path, Counter())
            net[raw] += 1 if sign == "+" else -1
    return _net(found), reloads


def in_json(plan: Mapping[str, Any]) -> tuple[Changes, list[str]]:
    """What a host's plan in JSON says: net lines by path, and its reloads."""
    found: dict[str, Counter[bytes]] = {}
    for edit in plan["edits"]:
        net = found.setdefault(edit["path"], Counter())
        for line in edit["lines"]:
            sign, text = line[0], line[1:]
            text = text.removesuffix("\n") if text.endswith("\n") else f"{text} (no line end)"
            # Bytes that are not UTF-8 are escaped.
            raw = re.sub(rb"\\x(..)", lambda match: bytes.fromhex(match[1].decode()), text.encode())
            net[raw] += 1 if sign == "+" else -1
        if edit["mode"]:
            before, after = edit["mode"]["before"], edit["mode"]["after"]
            net.update([f"mode {after}".encode()])
            net.subtract([f"mode {before}".encode()] if before else [])
    reloads = [f"reload {reload['service']}: {'; '.join(reload['reasons'])}" for reload in plan["reloads"]]
    return _net(found), reloads


def _net(found: Mapping[str, Counter[bytes]]) -> Changes:
    return {path: (-net, +net) for path, net in found.items() if -net or +net}
