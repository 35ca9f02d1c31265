"""After any history, a removal keeps everything of the owner and nothing of ours."""

from collections.abc import Callable
from random import Random

import pytest

from smtp_auth.facts.look import MASTER_CF
from tests.unit.histories import (
    PARAMETERS,
    World,
    begin,
    defined_twice,
    differences,
    edit,
    hook_of_the_owner,
    is_mine,
    play,
    random_data,
)
from tests.unit.past import Host, with_effective_parameters
from tests.unit.scenarios import stock, wanted, with_lineages

HISTORIES = 1000


@pytest.mark.parametrize(
    "first",
    [0, *(pytest.param(first, marks=pytest.mark.every_case) for first in range(100, HISTORIES, 100))],
)
def test_a_removal_leaves_what_the_owner_would_have_without_us(first: int) -> None:
    for seed in range(first, first + 100):
        _History(seed).run()


class _History:
    def __init__(self, seed: int) -> None:
        random = Random(seed)
        look = with_lineages(
            stock(random.choice(("3.7.11", "3.10.5"))), wanted(additional_domains=["example.net"])
        )
        self.host = Host(with_effective_parameters(look))
        self.first = 0
        self.world = World(self.host, self.host.look, random, PARAMETERS, [f"history {seed}"])

    def run(self) -> None:
        begin(self.world)
        acts: list[Callable[[], None]] = [self._deploy, self._deploy, self._edit, self._edit]
        acts += [self._undo, self._remove, self._lose_power]
        play(self.world, acts, self.world.random.randrange(1, 6))
        self._remove()
        self._compare()

    def _edit(self) -> None:
        edit(self.world)

    def _lose_power(self) -> None:
        """The next deploy finds some files new and the others old."""
        plan = self.host.lose_power(self.world.random.randrange(5), **random_data(self.world))
        self.world.is_deployed |= not plan.refusals
        self.world.told += ["the power fails", *plan.refusals]
        self._deploy()
        # A real change records what was proved last, a simulated one what it has found: do not undo that.
        self.first = len(self.host.changes)

    def _deploy(self) -> None:
        data = random_data(self.world)
        refusals = self.host.deploy(**data).refusals
        self.world.told += refusals
        if refusals:
            return
        self.world.is_deployed = True
        # The host must be as if earlier data had been the same.
        fresh = Host(self.world.shadow)
        assert not fresh.deploy(**data).refusals
        found = differences(self.host.look, fresh.look)
        # This option is the owner's, who has added it to a service of ours.
        found = {name: values for name, values in found.items() if not name.endswith("junk_command_limit")}
        assert found == {}, self.world.told
        assert not self.host.deploy(**data).files, self.world.told

    def _undo(self) -> None:
        if undoable := self.host.changes[self.first :]:
            number = self.world.random.choice((1, 1, 1, 2, 3))
            refusals = self.host.undo(undoable[-number:]).refusals
            self.world.told += [f"undo of {number}", *refusals]

    def _remove(self) -> None:
        if self.host.changes:
            plan = self.host.remove()
            self.world.told += ["remove", *(note.text for note in plan.notes)]
            assert not plan.refusals, self.world.told
            # What the removal kept for a service of the owner is the owner's now.
            self.world.is_over = bool(differences(self.host.look, self.world.shadow))

    def _compare(self) -> None:
        host, shadow, told = self.host, self.world.shadow, self.world.told
        found = differences(host.look, shadow)
        assert not [name for name in found if "/" in name], (told, found)
        if not self.world.may_need:
            assert found == {}, told
            assert is_mine(host.look) == is_mine(shadow), told
            assert hook_of_the_owner(host.look) == hook_of_the_owner(shadow), told
        assert defined_twice(host.look) <= defined_twice(shadow), told
        assert all(comment in host.content(MASTER_CF) for comment in self.world.comments), told
