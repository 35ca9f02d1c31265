"""Which refused connections to port 25 are a fault: not those where its owner does not serve it."""

from types import SimpleNamespace
from typing import Any

import pytest

from smtp_auth.verify.connection import look
from smtp_auth.verify.visits import connections_25, refused_25

ADDRESS, OTHER = "192.0.2.25", "2001:db8::25"


def refused(*bound: str, error: OSError | None = None) -> set[str]:
    """The addresses that are blamed. + bound: where Postfix listens on port 25"""
    seen: dict[Any, Any] = {
        look: SimpleNamespace(postfix_sockets={(465, "0.0.0.0"), *((25, address) for address in bound)}),
        connections_25: dict.fromkeys((ADDRESS, OTHER), error or ConnectionRefusedError()),
    }
    return {*refused_25(SimpleNamespace(see=seen.__getitem__))}  # type: ignore[arg-type]


@pytest.mark.parametrize("bound", [(), ("0.0.0.0",), ("127.0.0.1", "::")])
def test_postfix_is_stopped_or_listens_everywhere(bound: tuple[str, ...]) -> None:
    assert refused(*bound) == {ADDRESS, OTHER}


@pytest.mark.parametrize("bound", [("127.0.0.1",), ("127.0.0.1", "::1"), ("10.0.0.25",)])
def test_its_owner_serves_port_25_elsewhere(bound: tuple[str, ...]) -> None:
    assert refused(*bound) == set()


def test_an_address_on_which_postfix_listens_refuses() -> None:
    assert refused(ADDRESS) == {ADDRESS}


def test_what_blocks_a_connection_is_no_refusal() -> None:
    assert refused("0.0.0.0", error=TimeoutError()) == set()
