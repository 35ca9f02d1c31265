"""Random histories on booted hosts: after a removal, Postfix reads what it would read without us."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from lab.host import LabHost
from smtp_auth.facts.look import MAIN_CF, MASTER_CF, Look, ManagedFile
from smtp_auth.services.certbot.block import HOOK
from smtp_auth.services.dovecot.listener import DROPIN
from tests.fleet.deploying import deploy, side_by_side, succeed
from tests.fleet.test_undo import REMOVE, UNDO, live, program
from tests.fleet.test_undo import effective as read_by_programs
from tests.unit.histories import (
    DATA,
    PARAMETERS,
    SASL_PATH,
    World,
    begin,
    defined_twice,
    differences,
    edit,
    hook_of_the_owner,
    play,
    random_data,
)
from tests.unit.past import with_effective_parameters
from tests.unit.scenarios import PATHS
from tests.unit.scenarios import stock as recorded

HISTORIES = 15

# These set a listener that does not exist, and a certificate without its key. With them Postfix does not
# work, so a removal that restores them would be put back.
_HARMFUL = {SASL_PATH, "smtpd_tls_eccert_file"}
_HARMLESS = {name: values for name, values in PARAMETERS.items() if name not in _HARMFUL}

# These hosts have a certificate for one domain.
_DATA = {key: values for key, values in DATA.items() if key != "additional_domains"}

_FILES = (MAIN_CF, MASTER_CF, HOOK, DROPIN)


class _Booted:
    """A booted host as `Edited`."""

    def __init__(self, host: LabHost) -> None:
        self.host = host

    @property
    def look(self) -> Look:
        look = recorded("3.10.5")
        contents = {file.key: self.content(file) for file in _FILES}
        files = {
            key: replace(look.files[key], content=text or None, mode="0644") for key, text in contents.items()
        }
        return with_effective_parameters(replace(look, files={**look.files, **files}))

    def content(self, file: ManagedFile) -> str:
        path = self.host.root / PATHS[file.key].lstrip("/")
        return path.read_text() if path.exists() else ""

    def edit(self, file: ManagedFile, content: str | None) -> None:
        path = self.host.root / PATHS[file.key].lstrip("/")
        if content is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)


class _History:
    """The history of one host. Those of both hosts run in parallel and differ."""

    def __init__(self, seed: int, host: LabHost) -> None:
        self.host = host
        self.booted = _Booted(host)
        self.world = World(self.booted, self.booted.look, Random(seed), _HARMLESS, [f"history {seed}"])

    def run(self) -> None:
        begin(self.world)
        acts: list[Callable[[], None]] = [self._deploy, self._deploy, self._edit, self._edit]
        acts += [self._undo, self._remove]
        self._deploy()
        play(self.world, acts, self.world.random.randrange(2, 5))
        self._remove()
        self._compare()

    def _edit(self) -> None:
        edit(self.world)

    def _deploy(self) -> None:
        done = deploy([self.host], data=random_data(self.world, _DATA))
        self.world.is_deployed = True
        # An edit of the owner may make a deploy refuse the host.
        assert done.status == 0 or ": 1 refused" in done.report, (self.world.told, done.output)

    def _undo(self) -> None:
        if live(self.host):
            done = program([self.host], UNDO)
            self.world.told.append("undo")
            assert done.status == 0 or ": 1 refused" in done.report, (self.world.told, done.output)

    def _remove(self) -> None:
        if live(self.host):
            self.world.told.append("remove")
            succeed(program([self.host], REMOVE))
            self.world.is_over = bool(differences(self.booted.look, self.world.shadow))

    def _compare(self) -> None:
        shadow, told = self.world.shadow, self.world.told
        found = differences(self.booted.look, shadow)
        assert not [name for name in found if "/" in name], (told, found)
        assert all(comment in self.booted.content(MASTER_CF) for comment in self.world.comments), told
        assert defined_twice(self.booted.look) <= defined_twice(shadow), told
        if self.world.may_need:
            return
        assert hook_of_the_owner(self.booted.look) == hook_of_the_owner(shadow), told
        read = read_by_programs(self.host)
        for file in (MAIN_CF, MASTER_CF, DROPIN):
            if self.booted.content(file) or shadow.files[file.key].content:
                self.booted.edit(file, shadow.files[file.key].content)
        assert read_by_programs(self.host) == read, told


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_postfix_reads_what_it_would_have_read_without_us(stock: list[LabHost], seed: int) -> None:
    side_by_side(lambda host: _History(seed, host).run(), stock)
