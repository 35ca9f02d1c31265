"""Postfix itself reads what the operations write as it was meant, whatever files and data they began with.

Many files are made on the controller, from hostile data that passed validation and from main.cf and
master.cf as people write them. Each host's own postconf then reads all of them in one go.
"""

import re
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from lab.host import LabHost
from operations import STEPS, postfix_sni, postfix_tls, submissions_service
from postfix.logical_lines import fold
from postfix.main_cf import defined_parameters
from postfix.master_cf import services, submissions_services
from settings import Settings
from tests.unit import scenarios
from tests.unit.config_files import main_cf, master_cf
from tests.unit.hostile_data import Tally, passing
from tests.unit.scenarios import Part, asked, with_lineages, with_main_cf, with_master_cf

VERSIONS = {"bookworm": "3.7.11", "trixie": "3.10.5"}
# Many examples give equal files, which are read once.
EXAMPLES = 200
# Prints the parameters (n), services (M) and options (P) of each folder, each part after a line that
# names folder and part.
READ = r"""
find /root/cases -name '*.cf' -exec touch -d '1 minute ago' {} +
for folder in /root/cases/*; do
    for part in n M P; do
        echo "@ ${folder##*/} $part"
        postconf -c "$folder" -$part 2>&1 | grep -v 'postconf: warning: '
    done
done
"""


@dataclass
class Written:
    """The files that the operations made in one case, and what these files must say.

    + parameters, options: name to value; `None` for a name that must not be defined
    """

    main_cf: str
    master_cf: str
    parameters: dict[str, str | None]
    options: dict[str, str | None]


def cases(version: str, tally: Tally) -> list[Written]:
    made = {}

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(main_cf(), master_cf(), passing(tally))
    def make(main: str, master: str, found: Settings) -> None:
        look = with_lineages(with_master_cf(with_main_cf(scenarios.stock(version), main), master), found)
        part = Part(look, found, *STEPS)
        steps = (postfix_tls.STEP, postfix_sni.STEP, submissions_service.STEP)
        parameters = asked(look, found, *steps)
        options = submissions_service.desired_options(found, look)
        written = Written(part.main_cf, part.master_cf, parameters, options)
        made[written.main_cf, written.master_cf] = written

    make()
    return list(made.values())


def read(host: LabHost, made: list[Written]) -> dict[tuple[int, str], list[str]]:
    """(case, part) to the lines of the host's postconf."""
    for number, case in enumerate(made):
        folder = host.root / "root/cases" / str(number)
        folder.mkdir(parents=True)
        (folder / "main.cf").write_bytes(case.main_cf.encode("latin-1"))
        (folder / "master.cf").write_bytes(case.master_cf.encode("latin-1"))
    host.run(f"{{ {READ} }} >/root/cases.said", timeout=300)
    output = (host.root / "root/cases.said").read_bytes()
    found: dict[tuple[int, str], list[str]] = {}
    lines: list[str] = []
    for line in output.decode("latin-1").split("\n"):
        if match := re.fullmatch(r"@ (\d+) (\w)", line):
            lines = found[int(match[1]), match[2]] = []
        elif line:
            lines.append(line)
    return found


@pytest.mark.parametrize("number", [0, 1], ids=list(VERSIONS))
def test_postconf_reads_what_was_meant(stock: list[LabHost], number: int) -> None:
    host = stock[number]
    tally = Tally()
    made = cases(VERSIONS[host.release], tally)
    assert len(made) >= EXAMPLES // 3
    assert tally.passed > tally.tried // 4
    said = read(host, made)
    assert len(said) == 3 * len(made)
    for case_number, case in enumerate(made):
        assert_parameters(case, said[case_number, "n"])
        assert_services(case, said[case_number, "M"])
        assert_options(case, said[case_number, "P"])


def assert_parameters(case: Written, lines: list[str]) -> None:
    read = {name.strip(): fold(value) for name, _, value in (line.partition("=") for line in lines)}
    # postconf prints it because of `-c`; the file does not define it.
    del read["config_directory"]
    meant = defined_parameters(case.main_cf)
    # postconf leaves out a mua_* that nothing refers to; everything else is a parameter of Postfix.
    assert {name: value for name, value in meant.items() if name in read} == read, case
    unread = meant.keys() - read.keys()
    assert all(name.startswith("mua_") for name in unread), case
    # A parameter whose default is the wanted value need not be in the file.
    for name in case.parameters.keys() & (read.keys() | meant.keys()) - unread:
        assert read.get(name) == case.parameters[name], case


def assert_services(case: Written, lines: list[str]) -> None:
    read = sorted((words[0], words[1], words[7]) for words in (line.split() for line in lines))
    assert read == sorted((one.name, one.type, one.command) for one in services(case.master_cf)), case
    assert submissions_services(case.master_cf), case


def assert_options(case: Written, lines: list[str]) -> None:
    found = services(case.master_cf)
    # postconf misreads `-oname=value`, which smtpd understands.
    misread = {f"{one.name}/{one.type}" for one in found if any(option.joined for option in one.options)}
    read = {(name.strip(), fold(value)) for name, _, value in (line.partition("=") for line in lines)}
    meant = {
        (f"{one.name}/{one.type}/{name}", value)
        for one in found
        for name, value in one.effective_options.items()
    }
    assert {pair for pair in read if pair[0].rpartition("/")[0] not in misread} == {
        pair for pair in meant if pair[0].rpartition("/")[0] not in misread
    }, case
    for one in submissions_services(case.master_cf):
        for name, value in case.options.items():
            said = [pair[1] for pair in read if pair[0] == f"{one.name}/{one.type}/{name}"]
            assert f"{one.name}/{one.type}" in misread or (
                value in said if value is not None else not said
            ), case
