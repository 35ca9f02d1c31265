"""The pictures of a preview and of a refusal: which lines of a run they show, and that they stay the same."""

import re
from xml.etree import ElementTree

import pytest

from lab.command import LabError
from lab.pictures import ROOT, chosen_lines, picture, said

GREEN, RED, BOLD, END = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[0m"


def _line(host: str, text: str) -> str:
    """As pyinfra prints it."""
    return f"    {END}[{BOLD}{host}{END}] {text}"


def _run(*lines: str) -> str:
    before = [
        "--> Loading config...",
        "",
        "--> Connecting to hosts...",
        _line("mail1.example.jp", "Connected"),
    ]
    after = ["", "--> Detected changes:", "    Operation  Change", "", "--> Disconnecting from hosts..."]
    report = ["--> Report:", "        2 hosts: 1 would change, 1 refused", ""]
    return "\n".join([*before, "", "--> Preparing operation files...", *lines, *after, *report])


def _plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[\d;]*m", "", line) for line in lines]


def test_what_stands_beside_the_hosts_and_the_report_is_left_out() -> None:
    ready = _line("mail1.example.jp", "Ready")
    assert _plain(chosen_lines(_run(ready))) == [
        "--> Preparing operation files...",
        "    [mail1.example.jp] Ready",
        "--> Report:",
        "        2 hosts: 1 would change, 1 refused",
    ]


def test_a_run_that_looked_at_no_host_gives_no_picture() -> None:
    with pytest.raises(LabError, match="no such file"):
        chosen_lines("--> Loading config...\nno such file\n")


def test_hosts_stand_in_one_order_whichever_answered_first() -> None:
    lines = [_line("mail2.example.jp", "b"), _line("mail1.example.jp", "a"), _line("mail2.example.jp", "c")]
    assert [line[-1] for line in chosen_lines(_run(*lines))[1:4]] == ["a", "b", "c"]


def test_of_many_added_lines_the_first_are_shown_and_the_others_counted() -> None:
    host = "mail1.example.jp"
    added = [_line(host, f"    {GREEN}+line {number}{END}") for number in range(12)]
    reload = _line(host, f"    {GREEN}+reload Postfix: its configuration changes{END}")
    removed = _line(host, f"    {RED}-old{END}")
    shown = _plain(chosen_lines(_run(*added, reload, removed, *added[:3])))
    assert [line.partition("]")[2].strip() for line in shown[1:-2]] == [
        *(f"+line {number}" for number in range(4)),
        "… 8 more lines",
        "+reload Postfix: its configuration changes",
        "-old",
        *(f"+line {number}" for number in range(3)),
    ]


def test_a_picture_is_svg_with_the_lines_and_their_colours_and_nothing_of_elsewhere() -> None:
    lines = [
        "$ pyinfra <inventory>",
        f"{GREEN}+smtpd_tls_auth_only = yes{END}",
        _line("mail1", f"{RED}no{END}"),
    ]
    drawn = picture("preview", lines)
    texts = [
        "".join(node.itertext()) for node in ElementTree.fromstring(drawn).iter() if node.tag.endswith("text")
    ]
    for words in ("$ pyinfra <inventory>", "+smtpd_tls_auth_only = yes", "no"):
        assert words.replace(" ", "\xa0") in texts
    colours = set(re.findall(r"fill: (#[0-9a-f]{6})", drawn))
    assert len(colours) >= 3
    assert not re.search(r"url\((?!#)|@import|<script|<image", drawn)
    assert set(re.findall(r"https?://[^\s\"]+", drawn)) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    }


def test_the_same_lines_give_the_same_picture() -> None:
    lines = ["$ pyinfra", f"{GREEN}+yes{END}"]
    assert picture("preview", lines) == picture("preview", lines)


@pytest.mark.parametrize("name", ["preview", "refusal"])
def test_a_picture_that_is_kept_shows_nothing_of_a_machine(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.svg").read_text()
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert "example.jp" in text
    for trace in (str(ROOT), "/root", "/home", "198.18.", "@local"):
        assert trace not in text


def test_a_program_prints_as_on_a_terminal() -> None:
    program = "import sys; print(sys.stdout.isatty(), sys.stdin.isatty()); sys.exit(3)"
    assert said(["python", "-c", program]) == "True False\n"
