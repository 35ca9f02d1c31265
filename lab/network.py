"""A lab's network: a bridge on the controller, and one namespace per host with a cable to the bridge."""

import json
from collections.abc import Sequence
from pathlib import Path

from lab.command import run
from lab.names import Names

_NETNS = Path("/run/netns")


def _batch(lines: list[str]) -> None:
    run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")


def make_bridge(names: Names) -> None:
    """The bridge, with the controller's address on it."""
    _batch(
        [
            f"link add {names.bridge} type bridge stp_state 0",
            f"address add {names.gateway}/{names.network.prefixlen} dev {names.bridge}",
            f"link set {names.bridge} up",
        ]
    )


def make_host(names: Names, host: str, index: int) -> None:
    """A host's namespace, its eth0, and the cable to the bridge."""
    space, cable = names.netns(host), names.veth(index)
    _batch(
        [
            f"netns add {space}",
            f"link add {cable} type veth peer name eth0 netns {space}",
            f"link set {cable} master {names.bridge}",
            f"link set {cable} up",
        ]
    )
    run(
        *("ip", "-netns", space, "-batch", "-"),
        stdin="link set lo up\n"
        f"address add {names.address(index)}/{names.network.prefixlen} dev eth0\n"
        "link set eth0 up\n",
    )


def make_zone(names: Names, zone: str, index: int, unreached: Sequence[str]) -> None:
    """The same for a namespace without a host, from which these addresses are not reached."""
    make_host(names, zone, index)
    run(
        *("ip", "-netns", names.netns(zone), "-batch", "-"),
        stdin="".join(f"route add prohibit {address}/32\n" for address in unreached),
    )


def remove_host(names: Names, host: str, index: int) -> None:
    """Remove what `make_host` has made, even if it was interrupted."""
    for link in (names.veth(index), names.tap(index)):
        _remove_link(link)
    _remove_netns(names.netns(host))


def remove_all(names: Names) -> None:
    """Delete every interface and namespace with the lab's name."""
    for link in _links():
        if link.startswith((f"{names.bridge}h", f"{names.bridge}t")):
            _remove_link(link)
    if _NETNS.is_dir():
        for space in _NETNS.iterdir():
            if space.name.startswith(f"{names.bridge}-"):
                _remove_netns(space.name)
    _remove_link(names.bridge)


def _links() -> list[str]:
    return [str(row["ifname"]) for row in json.loads(run("ip", "-json", "link").stdout)]


def _remove_link(link: str) -> None:
    # The kernel may delete a cable together with the host's namespace, at any moment. That is no error.
    if Path("/sys/class/net", link).exists():
        done = run("ip", "link", "delete", link, check=False)
        if done.returncode != 0 and Path("/sys/class/net", link).exists():
            run("ip", "link", "delete", link)


def _remove_netns(space: str) -> None:
    if (_NETNS / space).exists():
        run("ip", "netns", "delete", space)
