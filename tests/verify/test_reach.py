"""The host is there, and so are its ports."""

from collections.abc import Mapping

from tests.verify.addresses import name_lookup
from tests.verify.conftest import See
from tests.verify.connection import connection_error
from tests.verify.outside import connections_25, connections_465
from tests.verify.reach import silence
from tests.verify.target import Target


def test_the_data_is_valid(target: Target) -> None:
    assert target.invalid is None, f"{target.invalid}"


def test_the_host_is_up(see: See) -> None:
    error = see(silence)
    assert not error, f"nothing on it answers ({error}): is the host switched on, and its network up?"


def test_the_host_is_reached_over_ssh(see: See) -> None:
    error = see(connection_error)
    assert not error, f"{error}: pyinfra connects the same way, see the host's ssh_… data"


def test_the_name_leads_to_an_address(see: See) -> None:
    _, problem = see(name_lookup)
    assert not problem, (
        f"{problem}: add it to DNS, or set mail_hostname to the name that mail programs use "
        '(before DNS knows it, verify_addresses = "ssh" connects where SSH does)'
    )


def test_port_465_is_reachable_on_each_address(see: See) -> None:
    failed = {address: error for address, error in see(connections_465).items() if error}
    assert not failed, (
        f"port 465 does not answer: {_listed(failed)}; is the service in master.cf running, does it "
        "listen on that address, and does a firewall let mail programs through?"
    )


def test_port_25_is_reachable_unless_it_is_blocked_from_here(see: See) -> None:
    """Providers block port 25 on the way out, which looks like a time-out; a refusal is the host's."""
    found = see(connections_25)
    refused = {address: error for address, error in found.items() if isinstance(error, ConnectionError)}
    assert not refused, f"port 25 does not answer: {_listed(refused)}; is Postfix running?"


def _listed(failed: Mapping[str, OSError | None]) -> str:
    return ", ".join(f"{address} ({error})" for address, error in failed.items())
