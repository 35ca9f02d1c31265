"""Postfix itself reads what the operations write as it was meant, whatever files and data they began with.

Many files are made on the controller, from hostile data that passed validation and from main.cf and
master.cf as people write them. Each host's own postconf then reads all of them in one go, as they were before
and as they are afterwards: only what was meant has changed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from lab.host import LabHost
from operations import STEPS, postfix_sni, postfix_tls, submissions_service
from smtp_auth.postfix.logical_lines import fold
from smtp_auth.postfix.main_cf import defined_parameters
from smtp_auth.postfix.master_cf import services, submissions_services
from smtp_auth.services.postfix.submissions_options import options_of_services
from smtp_auth.settings import Settings
from tests.unit import scenarios
from tests.unit.config_files import long_main_cf, long_master_cf, main_cf, master_cf
from tests.unit.hostile_data import Tally, passing
from tests.unit.scenarios import Part, asked, wanted, with_lineages, with_main_cf, with_master_cf

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
        postconf -c "$folder" -$part 2>&1 | grep -v 'postconf: warning: ' || :
    done
done
"""


@dataclass
class Written:
    """The files that the operations made in one case, and what these files must say.

    + before: main.cf and master.cf as they were
    + parameters: name to value; `None` for a name that must not be defined
    + options: the options of each service on port 465 by its name
    + changed: what the plan says it changes: parameters, and options like `submissions/inet/NAME`
    """

    before: tuple[str, str]
    main_cf: str
    master_cf: str
    parameters: dict[str, str | None]
    options: dict[str, Mapping[str, str | None]]
    changed: set[str]


def written(version: str, main: str, master: str, found: Settings) -> Written:
    """What the operations make of these files."""
    look = with_lineages(with_master_cf(with_main_cf(scenarios.stock(version), main), master), found)
    part = Part(look, found, *STEPS)
    parameters = asked(look, found, postfix_tls.STEP, postfix_sni.STEP, submissions_service.STEP)
    options = {one.name: one.options for one in options_of_services(found, look)}
    changed = {name for edit in part.plan.edits for name in edit.parameters}
    return Written((main, master), part.main_cf, part.master_cf, parameters, options, changed)


def cases(version: str, tally: Tally) -> list[Written]:
    long = written(version, long_main_cf(), long_master_cf(), wanted())
    made = {(long.main_cf, long.master_cf): long}

    @settings(
        max_examples=EXAMPLES,
        phases=[Phase.generate],
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(main_cf(), master_cf(), passing(tally))
    def make(main: str, master: str, found: Settings) -> None:
        case = written(version, main, master, found)
        made[case.main_cf, case.master_cf] = case

    make()
    return list(made.values())


def read(host: LabHost, made: list[Written]) -> dict[tuple[int, str, str], list[str]]:
    """(case, `before` or `after`, part) to the lines of the host's postconf."""
    for number, case in enumerate(made):
        for when, files in (("before", case.before), ("after", (case.main_cf, case.master_cf))):
            folder = host.root / "root/cases" / f"{number}.{when}"
            folder.mkdir(parents=True)
            for name, text in zip(("main.cf", "master.cf"), files, strict=True):
                (folder / name).write_bytes(text.encode("latin-1"))
    host.run(f"{{ {READ} }} >/root/cases.said", timeout=300)
    output = (host.root / "root/cases.said").read_bytes()
    found: dict[tuple[int, str, str], list[str]] = {}
    lines: list[str] = []
    for line in output.decode("latin-1").split("\n"):
        if match := re.fullmatch(r"@ (\d+)\.(\w+) (\w)", line):
            lines = found[int(match[1]), match[2], match[3]] = []
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
    assert len(said) == 6 * len(made)
    for case_number, case in enumerate(made):
        assert_parameters(case, said[case_number, "after", "n"])
        assert_services(case, said[case_number, "after", "M"])
        assert_options(case, said[case_number, "after", "P"])
        assert_nothing_else_has_changed(
            case, *({part: said[case_number, when, part] for part in "nMP"} for when in ("before", "after"))
        )


def assert_parameters(case: Written, lines: list[str]) -> None:
    read = {name.strip(): fold(value) for name, _, value in (line.partition("=") for line in lines)}
    # postconf prints it because of `-c`; the file does not define it.
    del read["config_directory"]
    meant = defined_parameters(case.main_cf)
    # postconf does not print a mua_* that nothing refers to; everything else is a parameter of Postfix.
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
        for name, value in case.options[one.name].items():
            said = [pair[1] for pair in read if pair[0] == f"{one.name}/{one.type}/{name}"]
            assert f"{one.name}/{one.type}" in misread or (
                value in said if value is not None else not said
            ), case


def assert_nothing_else_has_changed(
    case: Written, before: dict[str, list[str]], after: dict[str, list[str]]
) -> None:
    """What postconf reads differently is what the plan says, and of services there is one more at most."""
    found = [*services(case.before[1]), *services(case.master_cf)]
    misread = {one.label for one in found if any(option.joined for option in one.options)}
    for part in ("n", "P"):
        old, new = (values(lines, part) for lines in (before, after))
        for name in old.keys() | new.keys():
            # postconf knows a mua_* where something refers to it, and that may be new.
            if old.get(name) != new.get(name) and name.rpartition("/")[0] not in misread:
                assert name in case.changed or name.startswith("mua_"), (name, case)
    columns = [sorted(tuple(line.split()[:8]) for line in lines["M"]) for lines in (before, after)]
    come = [columns_ for columns_ in columns[1] if columns_ not in columns[0]]
    assert [line[:2] for line in come] == (
        [] if submissions_services(case.before[1]) else [("submissions", "inet")]
    ), case
    assert len(columns[1]) == len(columns[0]) + len(come), case


def values(lines: dict[str, list[str]], part: str) -> dict[str, list[str]]:
    """Name to its values, of which an option given twice has two."""
    found: dict[str, list[str]] = {}
    for line in lines[part]:
        name, _, value = line.partition("=")
        found.setdefault(name.strip(), []).append(fold(value))
    # postconf prints it because of `-c`.
    found.pop("config_directory", None)
    return found
