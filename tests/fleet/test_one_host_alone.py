"""An error on one host fails only that host, in every pass: the others continue."""

import pytest

from lab import mail
from lab.host import LabHost
from lab.lab import Lab
from tests.fleet.conftest import FLEET
from tests.fleet.deploying import Run, deploy, shim, side_by_side, succeed, tree

pytestmark = pytest.mark.lab

# The look reads times from stat(1): a time with two points is no number.
UNREADABLE = shim("stat", "/usr/bin/stat \"$@\" | sed 's/^\\([0-9.]*\\) /\\1.2.3 /'")


def of_version(version: str) -> str:
    """A Postfix with this version."""
    script = f"/usr/sbin/postconf \"$@\" | sed 's/^mail_version = .*/mail_version = {version}/'"
    return shim("postconf", script)


# A key on a curve for which no public authority issues certificates, and its certificate.
UNKNOWN_KEY = """
cd /etc/letsencrypt/live/$(cat /etc/mailname) && rm privkey.pem fullchain.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:SM2 -out privkey.pem
openssl req -x509 -new -key privkey.pem -subj /CN=x -addext subjectAltName=DNS:$(hostname) -days 60 \\
    -out fullchain.pem
"""


@pytest.fixture
def fleet(lab: Lab) -> list[LabHost]:
    """The whole fleet, stock."""
    hosts = [lab.hosts[name] for name in FLEET]
    side_by_side(LabHost.reset, hosts)
    return hosts


def assert_served(lab: Lab, host: LabHost) -> None:
    with mail.submissions(host, lab.ca) as client:
        client.login(host.user, host.password)


def told(run: Run, host: LabHost, sentence: str) -> bool:
    return any(sentence in line for line in run.lines_of(host))


@pytest.mark.parametrize("options", [("-y",), ("--dry", "--diff")])
def test_three_odd_hosts_hold_up_no_healthy_one(
    lab: Lab, fleet: list[LabHost], options: tuple[str, ...]
) -> None:
    unreadable, versionless, unknown, healthy = fleet
    unreadable.run(UNREADABLE)
    versionless.run(of_version("experimental"))
    unknown.run(UNKNOWN_KEY)
    before = {host: tree(host) for host in fleet}
    run = deploy(fleet, *options)
    assert run.status == 1, run.output
    assert told(run, unreadable, "the look at this host cannot be read: ValueError"), run.output
    assert told(run, versionless, "version is 'experimental', which does not begin with a number"), run.output
    assert told(run, unknown, "it is unknown whether privkey.pem belongs to fullchain.pem"), run.output
    assert "Traceback" not in run.output
    assert {host: tree(host) for host in fleet[:3]} == {host: before[host] for host in fleet[:3]}
    if options == ("-y",):
        assert_served(lab, healthy)
    else:
        assert run.difference(healthy)


def test_a_snapshot_of_postfix_is_deployed_to(lab: Lab, stock: list[LabHost]) -> None:
    for host, version in zip(stock, ("3.12-20260821", "3.10-RC1"), strict=True):
        host.run(of_version(version))
    succeed(deploy(stock))
    for host in stock:
        assert_served(lab, host)


# In pyinfra's process: what NAME of MODULE does for one host, in one pass, is an exception.
FAULT = """
import importlib as _importlib
from pyinfra import state as _state
from pyinfra.context import ctx_host as _ctx_host
_module = _importlib.import_module({module!r})
_real = getattr(_module, {name!r})
def _broken(*args, **kwargs):
    if _ctx_host.get().name == {host!r} and (_state.is_executing or not {executing!r}):
        raise {error}
    return _real(*args, **kwargs)
setattr(_module, {name!r}, _broken)
"""

FAULTS = {
    "look": ("smtp_auth.on_host.asking", "parse_look", False),
    "plan": ("smtp_auth.on_host.asking", "plan_of", False),
    "operations": ("smtp_auth.runs.operation", "step_lines", False),
    "execution": ("smtp_auth.on_host.changing", "start_program", True),
    "data": ("smtp_auth.runs.data_check", "settings_of", False),
}


@pytest.mark.parametrize("error", ["KeyError('unforeseen')", "RecursionError('unforeseen')"])
@pytest.mark.parametrize("where", FAULTS)
def test_an_error_in_this_program_fails_one_host_alone(
    lab: Lab, stock: list[LabHost], where: str, error: str
) -> None:
    broken, healthy = stock
    module, name, executing = FAULTS[where]
    before = tree(broken)
    if where == "data":
        # No host is current yet: the first one's data is asked for first.
        fault = FAULT.replace("_ctx_host.get().name == {host!r}", "args[0].name == {host!r}")
    else:
        fault = FAULT
    fault = fault.format(module=module, name=name, host=broken.name, executing=executing, error=error)
    run = deploy(stock, prelude=fault)
    assert run.status == 1, run.output
    assert "unforeseen" in "\n".join(line for line in run.output.splitlines() if broken.name in line), (
        run.output
    )
    assert "Traceback" not in run.output
    assert tree(broken) == before
    assert_served(lab, healthy)


@pytest.mark.parametrize(
    ("module", "name", "said"),
    [
        # deploy.py continues to call operations for a host after the first one has failed it.
        ("smtp_auth.runs.operation", "step_lines", "an error in this program"),
        ("smtp_auth.on_host.asking", "rehearsal_program", "an error in this program"),
        ("smtp_auth.on_host.asking", "parse_rehearsal", "the rehearsal on this host cannot be read"),
    ],
)
def test_an_error_while_a_preview_is_made_fails_one_host_alone(
    stock: list[LabHost], module: str, name: str, said: str
) -> None:
    broken, healthy = stock
    fault = FAULT.format(module=module, name=name, host=broken.name, executing=False, error="KeyError('x')")
    run = deploy(stock, "--dry", "--diff", prelude=fault)
    assert run.status == 1
    sentences = [line for line in run.lines_of(broken) if said in line]
    assert len(sentences) == 1, run.output
    assert "KeyError('x')" in sentences[0] or "KeyError: 'x'" in sentences[0]
    assert "Traceback" not in run.output
    assert run.difference(healthy)
