"""After any history nothing of an owner's is lost, and nothing of ours stays."""

import pytest

from smtp_auth.facts.look import MASTER_CF
from tests.unit.histories import (
    World,
    defined_twice,
    deploy,
    differences,
    edit,
    effective,
    hook_of_the_owner,
    is_mine,
    new_world,
)
from tests.unit.past import Host

HISTORIES = 1000


@pytest.mark.parametrize("first", range(0, HISTORIES, 100))
def test_a_removal_leaves_what_the_owner_would_have_without_us(first: int) -> None:
    for seed in range(first, first + 100):
        world = new_world(seed)
        for _ in range(world.random.randrange(1, 6)):
            world.random.choice((_deploy, _deploy, edit, edit, _undo, _remove))(world)
            if world.is_over:
                break
        _remove(world)
        _compare(world, seed)


def _deploy(world: World) -> None:
    data = deploy(world)
    if not data:
        return
    # As if the data had never been other.
    fresh = Host(world.shadow)
    assert not fresh.deploy(**data).refusals
    found = differences(world.host.look, fresh.look)
    # What its owner has added to a service of ours.
    found = {name: values for name, values in found.items() if not name.endswith("junk_command_limit")}
    assert found == {}, world.told
    assert not world.host.deploy(**data).files, world.told


def _undo(world: World) -> None:
    if world.host.changes:
        number = world.random.choice((1, 1, 1, 2, 3))
        refused = world.host.undo(world.host.changes[-number:]).refusals
        world.told.append(f"undo {refused}")


def _remove(world: World) -> None:
    if world.host.changes:
        plan = world.host.remove()
        world.told.append(f"remove {plan.notes}")
        assert not plan.refusals, world.told
        # What a service of the owner's needs is the owner's now.
        world.is_over = bool(differences(world.host.look, world.shadow))


def _compare(world: World, seed: int) -> None:
    where = (seed, world.told)
    found = differences(world.host.look, world.shadow)
    assert not [name for name in found if "/" in name], (where, found)
    needs = [
        name
        for name, value in effective(world.host.look).items()
        if name.endswith("/smtpd_sasl_auth_enable") and value == "yes"
    ]
    if not needs:
        assert found == {}, where
        assert is_mine(world.host.look) == is_mine(world.shadow), where
        assert hook_of_the_owner(world.host.look) == hook_of_the_owner(world.shadow), where
    assert defined_twice(world.host.look) <= defined_twice(world.shadow), where
    assert all(comment in world.host.content(MASTER_CF) for comment in world.comments), where
