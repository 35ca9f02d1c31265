"""Whether a machine is among the clients that may relay through a host."""

import pytest

from smtp_auth.verify.addresses import is_within


@pytest.mark.parametrize(
    ("address", "networks", "narrow", "within"),
    [
        ("198.18.0.1", "127.0.0.0/8 198.18.0.0/15", False, True),
        ("198.18.0.1", "127.0.0.0/8, 198.18.0.1", True, True),
        ("2001:db8::1", "[::1]/128 [2001:db8::]/32", True, True),
        ("198.18.0.1", "0.0.0.0/0", False, True),
        # An open relay has no network of its own.
        ("198.18.0.1", "0.0.0.0/0", True, False),
        ("10.1.2.3", "10.0.0.0/8", True, True),
        ("198.18.0.1", "", False, False),
        ("198.18.0.1", "hash:/etc/postfix/networks !198.18.0.1", False, False),
        ("198.18.0.1", "[2001:db8::]/32", False, False),
        # As an administrator may write it, with bits set beyond the prefix length.
        ("198.18.0.9", "198.18.0.1/24", False, True),
    ],
)
def test_an_address_is_in_a_list_of_networks(address: str, networks: str, narrow: bool, within: bool) -> None:
    assert is_within(address, networks, narrow=narrow) == within
