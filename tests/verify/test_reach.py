"""The host is there, and so are its ports."""

from collections.abc import Mapping

import pytest

from smtp_auth.facts.look import Look
from smtp_auth.postfix.master_cf import serves_port_25
from smtp_auth.verify.target import Target


def test_the_data_is_valid(target: Target) -> None:
    assert target.invalid is None, f"{target.invalid}"


def test_the_host_is_up(why_down: str) -> None:
    error = why_down
    assert not error, f"nothing on it answers ({error}): is the host switched on, and its network up?"


def test_the_host_is_reached_over_ssh(connection_error: str) -> None:
    error = connection_error
    assert not error, f"{error}: pyinfra connects the same way, see the host's ssh_… data"


def test_the_name_leads_to_an_address(name_lookup: tuple[tuple[str, ...], str]) -> None:
    _, problem = name_lookup
    assert not problem, (
        f"{problem}: add it to DNS, or set mail_hostname to the name that mail programs use "
        '(before DNS knows it, verify_addresses = "ssh" connects where SSH does)'
    )


def test_port_465_is_reachable_on_each_address(connections_465: dict[str, OSError | None]) -> None:
    failed = {address: error for address, error in connections_465.items() if error}
    assert not failed, (
        f"port 465 does not answer: {_listed(failed)}; is the service in master.cf running, does it "
        "listen on that address, and does a firewall let mail programs through?"
    )


def test_port_25_is_reachable_unless_it_is_blocked_from_here(
    connections_25: dict[str, OSError | None], look: Look
) -> None:
    """Providers block port 25 on the way out, which looks like a time-out; a refusal is the host's."""
    if not serves_port_25(look.master_cf.content or ""):
        pytest.skip("the host does not serve port 25")
    refused = {address: e for address, e in connections_25.items() if isinstance(e, ConnectionError)}
    assert not refused, f"port 25 does not answer: {_listed(refused)}; is Postfix running?"


def _listed(failed: Mapping[str, OSError | None]) -> str:
    return ", ".join(f"{address} ({error})" for address, error in failed.items())
