"""The names of a lab's parts."""

import pytest

from lab.command import PROGRAMS, LabError
from lab.fixtures import ROOT
from lab.fleet import DEFAULT_FLEET, HostSpec
from lab.names import COUNT, LAST_HOST, Names


def test_labs_have_networks_of_their_own() -> None:
    networks = [Names(number).network for number in range(COUNT)]
    assert len(set(networks)) == COUNT == 512
    assert str(networks[0]) == "198.18.0.0/24"
    assert str(networks[-1]) == "198.19.255.0/24"


def test_interface_names_fit_the_kernel() -> None:
    names = Names(COUNT - 1)
    for name in (names.bridge, names.veth(LAST_HOST), names.tap(LAST_HOST)):
        assert len(name) <= 15


def test_the_default_fleet_is_of_both_ages_in_both_domains() -> None:
    found = {(spec.group, spec.release) for spec in DEFAULT_FLEET}
    assert found == {
        ("example_jp", "bookworm"),
        ("example_jp", "trixie"),
        ("example_net", "bookworm"),
        ("example_net", "trixie"),
    }


@pytest.mark.parametrize("name", ["mail1", "Mail1.example.jp", "a b.example.jp", "x/../y.jp", ""])
def test_a_host_needs_a_full_name(name: str) -> None:
    with pytest.raises(LabError, match="full lower-case name"):
        HostSpec(name, "trixie", "example.jp")


def test_a_host_needs_a_known_release() -> None:
    with pytest.raises(LabError, match="no such release in the lab: 'sid'"):
        HostSpec("mail1.example.jp", "sid", "example.jp")


def test_every_program_comes_with_a_listed_package() -> None:
    lines = (ROOT / "lab/packages.txt").read_text().splitlines()
    listed = {line.split("#")[0].strip() for line in lines} - {""}
    assert set(PROGRAMS.values()) <= listed
