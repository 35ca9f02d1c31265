"""What a host's files and answers say is read in a time that grows with their size, and not with its square.

No time is compared with a limit, because machines differ: the CPU time for a text is compared with that for
a text of the same kind that is eight times as long. It is about eight times as much if each part is read a
certain number of times, and 64 times or more if it is read again and again.
"""

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from operations import STEPS
from operations.certbot_hook import desired_content
from smtp_auth import accepted_values
from smtp_auth.facts import ledger, look, record
from smtp_auth.facts.ledger import Definition, Ledger
from smtp_auth.facts.record import Record
from smtp_auth.on_host.causes import not_begun
from smtp_auth.on_host.packing import packed
from smtp_auth.past.removal import plan_of_removal
from smtp_auth.past.taking_back import taken_back
from smtp_auth.past.undo import plan_of_undo
from smtp_auth.plan.difference import changed_lines
from smtp_auth.plan.plan import plan_of
from smtp_auth.postfix import lists, main_cf, master_cf, restriction_lists
from smtp_auth.postfix.tls_protocols import allowed
from smtp_auth.services import SERVICES
from smtp_auth.services.certbot.block import HOOK, our_lines
from smtp_auth.services.certbot.commands import is_elsewhere, is_rebuild, is_reload, mentions_reload
from smtp_auth.services.certbot.script_effect import effect_of, surely_rebuilds
from smtp_auth.shown import shown
from tests.unit.hostile_texts import texts
from tests.unit.past import deployed
from tests.unit.scenarios import (
    MAIN_CF,
    MASTER_CF,
    look_lines,
    stock,
    wanted,
    with_file,
    with_main_cf,
    with_master_cf,
)

SIZE, TIMES = 2_000, 8

# Perl reads most texts at once, so these are longer.
SHORT, LONG = 2 * SIZE, 2 * SIZE * TIMES

# Between 8 and 64, nearer to none of them.
MOST = 24

# Seconds of CPU time. Some machines measure in steps of four milliseconds; less than this counts as this.
LEAST = 0.008

SETTINGS, LOOK = wanted(), stock("3.10.5")
LATER, CHANGE = deployed(LOOK, SETTINGS)
LOOK_LINES = [*look_lines("3.10.5")]

Reader = Callable[[str], object]
Property = Callable[[str, object], None]

KINDS = [*texts(SIZE)]


def _every_second(text: str) -> str:
    lines = text.split("\n")
    return "\n".join(f"{line}!" if number % 2 else line for number, line in enumerate(lines))


def _line(key: str, value: str) -> str:
    return f"{key}\t{quote(value, encoding='latin-1')}"


READERS: Mapping[str, Reader] = {
    "main.cf": main_cf.defined_parameters,
    "a parameter that is set": lambda text: main_cf.set_parameter(text, "a", "x"),
    "a parameter that is commented out": lambda text: main_cf.comment_out(text, "a"),
    "lines that are restored": lambda text: main_cf.give_back(
        main_cf.comment_out(text, "a"), {"a": f"{text}\na = c\n"}
    ),
    "parameters that are restored": lambda text: main_cf.give_back(
        text, {name: f"{name} = x\n" for name in main_cf.defined_parameters(text)}
    ),
    "master.cf": master_cf.services,
    "a service": lambda text: master_cf.services(f"smtp inet n - n - - smtpd {' '.join(text.split())}"),
    "options that are set": lambda text: master_cf.set_options(
        text, {one.label: {"a": None, "b": "x"} for one in master_cf.services(text)}
    ),
    "services that are deleted": lambda text: master_cf.remove_services(
        text, {one.label: {"a": "b"} for one in master_cf.services(text)}
    ),
    "elements": lists.elements,
    "references": lists.references,
    "a value": lambda text: lists.expanded(text, {"a": text}),
    "a value within values": lambda text: lists.expanded(
        "$a", {"a": text.replace("$", "$b"), "b": text, "ba": text}
    ),
    "restrictions": lambda text: restriction_lists.restrictions_in(
        text, {"smtpd_restriction_classes": text, "a": text}
    ),
    "versions of TLS": allowed,
    "a hook in shell": lambda text: effect_of(f"#!/bin/sh\n{text}", "postfix"),
    "a hook in another language": lambda text: effect_of(f"#!/usr/bin/python3\n{text}", "postfix"),
    "tables in a hook": lambda text: surely_rebuilds(f"#!/bin/sh\n{text}", "hash:/a"),
    "our lines in a hook": lambda text: desired_content(SETTINGS, text, ["hash:/a"]) + our_lines(text),
    "a command": lambda text: (
        is_reload(f"systemctl {text}", "postfix"), is_rebuild(f"postmap {text}", "hash:/a")
    ),
    "commands": lambda text: (
        mentions_reload(text, "postfix"), mentions_reload(text, "a"), is_elsewhere(text)
    ),
    "a look": lambda text: look.parse([*LOOK_LINES, *text.split("\n")]),
    "a listener": lambda text: look.listener_in(text, "/var/spool/postfix/private/auth"),
    "the settings of a listener": lambda text: look.listener_in(f"unix_listener a {{\n{text}}}", "a"),
    "a record": lambda text: record.parse(
        ["complete\t1", *text.split("\n"), _line("manifest", f"a\0{text}")]
    ),
    "a ledger": lambda text: ledger.parse(text),
    "what a login shell says": lambda text: not_begun(text.split("\n"), [text]),
    "what is shown": shown,
    "data: a domain": lambda text: accepted_values.domain_name(f"\xe9{text}.jp"),
    "data: a directory": lambda text: accepted_values.directory("/" + text.replace("\n", "/")),
    "data: restrictions": lambda text: accepted_values.restrictions([*text.split("\n"), f"sleep {text}"]),
    "data: an option": lambda text: accepted_values.options(
        {"smtpd_client_restrictions": " ".join(text.split())}
    ),
    "data: units": lambda text: accepted_values.units(text.split("\n")),
}  # fmt: skip


# These compare short texts in the best way, which takes longer. So their time grows as it should only from
# some size on.
DIFFERENCES: Mapping[str, Reader] = {
    "a difference": lambda text: changed_lines(text, _every_second(text)),
    "a difference from the reverse": lambda text: changed_lines(text, "\n".join(reversed(text.split("\n")))),
    "a difference of empty lines": lambda text: changed_lines(f"x\n{text}y\n", text.replace("\n", "\n\n")),
    "an undo": lambda text: taken_back(text, _every_second(text), _every_second(_every_second(text))),
    "an undo in a new text": lambda text: taken_back(_every_second(text), text, "x"),
}  # fmt: skip


def _plan(text: str) -> None:
    """The plan of a deploy of a host with a text in each of its files and values."""
    value = " ".join(text.split())
    names = (
        "smtpd_client_restrictions",
        "tls_server_sni_maps",
        "inet_interfaces",
        "smtpd_discard_ehlo_keywords",
    )
    for host in (
        with_main_cf(LOOK, f"{LOOK.main_cf.content}\n{text}"),
        with_master_cf(LOOK, f"{LOOK.master_cf.content}\n{text}"),
        with_file(LOOK, HOOK, content=text, mode="0755"),
        replace(LOOK, parameters={**LOOK.parameters, **dict.fromkeys(names, value)}),
    ):
        plan_of(SETTINGS, host, STEPS)


def _plans_back(text: str) -> None:
    """The plans of an undo and a removal on such a host."""
    for file in (MAIN_CF, MASTER_CF):
        content = f"{LATER.files[file.key].content}\n{text}"
        with suppress(ValueError):
            _plans_back_of(with_file(LATER, file, content=content))


def _plans_back_of(host: look.Look) -> None:
    plan_of_undo([CHANGE], SETTINGS, host, STEPS)
    plan_of_removal(Record((CHANGE,)), SETTINGS, host, STEPS)


def _ledger_of(text: str) -> None:
    """A removal with a ledger that lists as much as a text has lines."""
    definitions = {
        f"{line}{number}{end}": Definition(None, "b", f"{line}\n", step="Submissions")
        for number, line in enumerate(text.split("\n"))
        for end in ("", "/inet", "/inet/a")
    }
    known = LATER.ledgers[0]
    long = Ledger(known.files, dict.fromkeys((MAIN_CF.key, MASTER_CF.key), definitions))
    main = "".join(f"{name} = b\n" for name in definitions if "/" not in name)
    _plans_back_of(replace(with_file(LATER, MAIN_CF, content=main), ledgers=(long,)))


PLANS: Mapping[str, Reader] = {
    "a deploy": _plan,
    "undo and removal": _plans_back,
    "a long ledger": _ledger_of,
}

# Texts of which plans depend in another way than each of the functions above does.
OF_PLANS = (
    "definitions",
    "definitions that refer",
    "different definitions",
    "different options",
    "open braces with words",
    "restrictions",
    "services",
    "different services",
)


def _seconds(reader: Reader, text: str) -> float:
    began = time.process_time()
    # Some texts are refused with a sentence, and that takes its time, too.
    with suppress(ValueError):
        reader(text)
    return time.process_time() - began


def _too_long(reader: Reader, size: int = SIZE, chosen: Iterable[str] | None = None) -> list[str]:
    """The kinds of texts for which a reader takes longer than their size explains."""
    short, long = texts(size), texts(size * TIMES)
    found = []
    for what in chosen or KINDS:
        seconds = _seconds(reader, long[what])
        if seconds > MOST * LEAST:
            before = max(LEAST, min(_seconds(reader, short[what]) for _ in range(3)))
            seconds = min(seconds, *(_seconds(reader, long[what]) for _ in range(2)))
            if seconds > MOST * before:
                found.append(f"{what}: {seconds / before:.0f} times as long for {TIMES} times the text")
    return found


@pytest.mark.parametrize("what", READERS)
def test_a_text_is_read_in_a_time_that_grows_with_its_size(what: str, record_property: Property) -> None:
    record_property("cases", len(KINDS))
    assert _too_long(READERS[what]) == []


@pytest.mark.parametrize("what", DIFFERENCES)
def test_long_texts_are_compared_in_a_time_that_grows_with_their_size(
    what: str, record_property: Property
) -> None:
    record_property("cases", len(KINDS))
    assert _too_long(DIFFERENCES[what], 2 * SIZE * TIMES) == []


@pytest.mark.parametrize("what", PLANS)
def test_a_plan_is_made_in_a_time_that_grows_with_the_files(what: str, record_property: Property) -> None:
    record_property("cases", len(OF_PLANS))
    # A plan reads each file some dozen times.
    assert _too_long(PLANS[what], SIZE // 2, OF_PLANS) == []


def test_the_host_reads_its_files_in_a_time_that_grows_with_them(
    tmp_path: Path, record_property: Property
) -> None:
    program = packed("SmtpAuth::Look", *(f"{service.package}::Look" for service in SERVICES))
    driver = Path(__file__).with_name("linear.pl").read_text()
    files: dict[tuple[str, int], str] = {}
    for size in (SHORT, LONG):
        for number, what in enumerate(KINDS):
            file = tmp_path / f"{size}-{number}"
            file.write_bytes(texts(size)[what].encode("latin-1"))
            files[what, size] = str(file)
    done = subprocess.run(
        ["perl", "-x", "-", tmp_path, *files.values()],
        input=program[: program.rindex("exit ")] + driver,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds: dict[tuple[str, str], float] = {}
    for line in done.stdout.splitlines():
        function, path, spent = line.split("\t")
        seconds[function, path] = float(spent)
    functions = {function for function, _ in seconds}
    assert len(functions) > 10
    record_property("cases", len(functions) * len(KINDS))
    slow = [
        f"{function}: {what}"
        for function in functions
        for what, size in files
        if size == LONG
        and seconds[function, files[what, size]]
        # Perl counts in hundredths of a second.
        > MOST * max(0.01, seconds[function, files[what, SHORT]])
    ]
    assert slow == []


def test_a_definition_that_refers_to_others_ten_times_over_does_not_fill_the_memory() -> None:
    definitions = {f"a{number}": f"$a{number + 1} " * 10 for number in range(10)}
    assert len(lists.expanded("$a0", definitions)) <= 100_000
    chain = {f"c{number}": f"c{number + 1}, c{number + 1}" for number in range(40)}
    classes = {"smtpd_restriction_classes": ", ".join(chain), **chain}
    assert len(restriction_lists.restrictions_in("c0", classes)) <= 20_000
    # What is not read may permit or reject.
    assert not restriction_lists.asks_for_login(
        "c0, reject", {"smtpd_restriction_classes": ", ".join(chain), **chain}
    )
