"""The host and its ports are reachable."""

from collections.abc import Mapping

import pytest

from smtp_auth.facts.look import Look
from smtp_auth.postfix.master_cf import serves_port_25
from smtp_auth.verify.target import Target


def test_the_data_is_valid(target: Target) -> None:
    assert target.invalid is None, f"{target.invalid}"


def test_the_host_is_up(why_down: str) -> None:
    error = why_down
    assert not error, (
        f"the host does not answer on any port ({error}): check that it is switched on, and its network"
    )


def test_the_host_is_reached_over_ssh(connection_error: str) -> None:
    error = connection_error
    assert not error, (
        f"{error}. pyinfra connects in the same way: check ssh_user, ssh_port and the other keys "
        "for SSH in the host's data"
    )


def test_the_name_resolves(name_lookup: tuple[tuple[str, ...], str]) -> None:
    _, problem = name_lookup
    assert not problem, (
        f"{problem}: check DNS and this machine's network, or set mail_hostname to the name that mail "
        'programs use (before the name is in DNS, verify_addresses = "ssh" connects to the address that '
        "SSH uses)"
    )


def test_port_465_is_reachable_on_each_address(connections_465: dict[str, OSError | None]) -> None:
    failed = {address: error for address, error in connections_465.items() if error}
    assert not failed, (
        f"port 465 does not answer: {_listed(failed)}; check that the service is in master.cf, that Postfix "
        "runs and listens on that address, and that no firewall blocks the port"
    )


def test_port_25_is_reachable_unless_it_is_blocked_from_here(
    connections_25: dict[str, OSError | None], refused_25: dict[str, OSError], look: Look
) -> None:
    """Many providers block outgoing connections to port 25, so they time out. Only the host refuses one."""
    if not serves_port_25(look.master_cf.content or ""):
        pytest.skip("the host does not serve port 25")
    assert not refused_25, f"port 25 refuses connections: {_listed(refused_25)}; check that Postfix runs"
    if any(isinstance(error, ConnectionError) for error in connections_25.values()):
        where = ", ".join(sorted(address for port, address in look.postfix_sockets if port == 25))
        pytest.skip(f"the host serves port 25 only on {where}")


def _listed(failed: Mapping[str, OSError | None]) -> str:
    return ", ".join(f"{address} ({error})" for address, error in failed.items())
