"""The page of a verification, as text: what it tells, and that it needs and runs nothing else."""

import re
import stat
from base64 import b64encode
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from smtp_auth.shown import shown_name
from smtp_auth.verify.page import Page, page_of
from smtp_auth.verify.report import NOT_MADE, Outcome, settled
from smtp_auth.verify.since import Earlier
from tests.unit.verify.pages import BEGAN, HOSTILE_NAMES, HOSTILE_REASON, NAMES, page

SERVES, SAFE, CURRENT = "it serves", "it is safe", "it is current"

# What is part of a line.
_IN_LINES = {"bdi", "span", "b", "a", "time"}

# Elements without an end.
_EMPTY = {"meta", "br", "img", "link", "input", "base"}


class Read(HTMLParser):
    """What a page has.

    + elements: their names and attributes
    + texts: by the ids of the sections: what is in them
    + unclosed: what was not closed in its place
    """

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.unclosed: list[str] = []
        self._open: list[str] = []
        self._section = ""
        self.feed(content)
        self.close()
        self.unclosed += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _EMPTY:
            self._open.append(tag)
        if tag == "section":
            self._section = dict(attrs)["id"] or ""
        if tag not in (*_IN_LINES, "style"):
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unclosed.append(tag)
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        where = "style" if self._open[-1:] == ["style"] else self._section
        self.texts[where] = self.texts.get(where, "") + data

    def text(self, section: str) -> str:
        """The words of a section."""
        return " ".join(self.texts.get(section, "").split())


def _page(outcomes: Sequence[Outcome], names: Sequence[str], earlier: Earlier | None = None) -> Read:
    return Read(page_of(settled(outcomes), names, BEGAN, BEGAN + timedelta(seconds=6), earlier))


@pytest.fixture(scope="module")
def hostile() -> str:
    return page()


def test_nothing_runs_and_nothing_is_loaded(hostile: str) -> None:
    read = Read(hostile)
    assert not read.unclosed
    tags = {tag for tag, _ in read.elements}
    assert not tags & {"script", "img", "svg", "link", "iframe", "object", "embed", "base", "form", "video"}
    attributes = {name for _, found in read.elements for name in found}
    assert not {name for name in attributes if name.startswith("on") or name in ("style", "src", "srcset")}
    assert all(str(found["href"]).startswith("#") for _, found in read.elements if "href" in found)
    assert "url(" not in read.texts["style"]
    assert "@import" not in read.texts["style"]


def test_its_policy_allows_its_own_style_alone(hostile: str) -> None:
    (style,) = re.findall(r"<style>(.*?)</style>", hostile, re.DOTALL)
    own = b64encode(sha256(style.encode()).digest()).decode()
    (policy,) = [
        found["content"]
        for tag, found in Read(hostile).elements
        if tag == "meta" and found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy == f"default-src 'none'; style-src 'sha256-{own}'; base-uri 'none'; form-action 'none'"


def test_it_is_the_same_in_each_encoding(hostile: str) -> None:
    assert hostile.isascii()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", hostile)


def test_every_name_and_reason_is_shown_as_a_text(hostile: str) -> None:
    read = Read(hostile)
    for name in HOSTILE_NAMES:
        assert shown_name(name) in read.text("checks")
    for part in ("</p></section><script>", r"\x1b[2J\u202e\x00 the second line: xxx"):
        assert part in read.text("failures")
    assert "<i>5</i> is unused" in read.text("warnings")
    assert "<b>old</b>.example" in read.text("changes")
    assert "<u>monday</u>.json" in read.text("changes")


@pytest.mark.parametrize("more", [0, 3])
def test_the_names_of_checks_of_an_earlier_file_are_escaped(more: int) -> None:
    names = ["\x00\x1b[2J\u202e\ud800<i>gone</i>", *(f"gone {number}" for number in range(more))]
    earlier = Earlier("monday.json", "2026-11-26T06:33:05Z", {"a": dict.fromkeys(names, "passed")})
    page = page_of([Outcome("a", SERVES, "passed")], ["a"], BEGAN, BEGAN, earlier)
    assert r"\x00\x1b[2J\u202e\ud800<i>gone</i>" in Read(page).text("changes")
    assert "&lt;i&gt;gone" in page


def test_it_can_be_listened_to(hostile: str) -> None:
    elements = Read(hostile).elements
    assert ("html", {"lang": "en"}) in elements
    assert all(found.get("scope") in ("col", "row") for tag, found in elements if tag == "th")
    ids = [found["id"] for _, found in elements if "id" in found]
    assert len(ids) == len({*ids})
    wanted = {str(found[name]) for _, found in elements for name in ("aria-labelledby",) if name in found}
    wanted |= {str(found["href"])[1:] for tag, found in elements if tag == "a"}
    assert wanted <= {*ids}
    levels = [int(tag[1]) for tag, _ in elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    tables = [tag for tag, _ in elements if tag in ("table", "caption")]
    assert tables == ["table", "caption"] * (len(tables) // 2)


def test_a_reason_is_told_once_with_its_hosts() -> None:
    outcomes = [Outcome(f"mail{number}", SAFE, "failed", "it is not:\nmend it") for number in (10, 9, 2)]
    read = _page(outcomes, ["mail10", "mail9", "mail2"])
    assert read.text("failures") == "1 failure it is safe it is not: mend it 3 hosts: mail2, mail9, mail10"


def test_only_what_failed_or_warned_is_open() -> None:
    outcomes = [
        *(Outcome(name, SERVES, "passed") for name in "ab"),
        *(Outcome("a", check, "skipped", "there is none") for check in (SAFE,)),
        Outcome("b", SAFE, "passed"),
        *(Outcome(name, CURRENT, outcome, "why") for name, outcome in (("a", "passed"), ("b", "failed"))),
    ]
    text = _page(outcomes, ["a", "b"]).text("checks")
    assert re.findall(r"Check group 1 1 host group 2 1 host (it is current ok FAIL)", text)
    assert "1 check skipped or not made on some hosts, and passed by the others" in text
    assert f"1 check passed by every host {SERVES}" in text
    assert text.endswith("1 a 1 host: 1 skipped, 2 passed 2 b 1 host: 1 failed, 2 passed")


def test_what_was_not_looked_at_is_told() -> None:
    outcomes = [
        Outcome("a", SERVES, "skipped", "the host is down", reported_by=SAFE),
        Outcome("a", SAFE, "failed", "down"),
        Outcome("b", SERVES, NOT_MADE),
    ]
    assert _page(outcomes, ["a", "b", "c"]).text("unseen") == (
        "Not looked at it serves the host is down 1 host: a The run ended before all checks were made "
        "1 host: b No check was chosen for these hosts 1 host: c"
    )


def test_the_first_lines_count_the_hosts_and_say_when() -> None:
    outcomes = [Outcome("a", SERVES, "failed", "why"), Outcome("b", SERVES, "passed")]
    text = _page(outcomes, ["a", "b", "c"]).text("")
    assert "Verification of 3 hosts Begun 2026-11-27" in text
    assert "took 6 s \u2717 1 failed ? 1 not checked ! 0 warned \u2713 1 passed" in text


def test_what_was_measured_is_told() -> None:
    end = (BEGAN + timedelta(days=9.5, seconds=6)).timestamp()
    outcomes = [
        Outcome("a", SERVES, "passed", measured={"TLS": 0.25, "greeting": 2}, not_after={"mail": end}),
        Outcome("b", SERVES, "passed", measured={"TLS": 0.125}, not_after={"mail": end, "old": 0.0}),
    ]
    text = _page(outcomes, ["a", "b"]).text("measured")
    assert re.search(r"Hosts old expired 1970-01-01 .*? b mail 9\.5 2026-12-06 .*? a, b ", text)
    assert "Host TLS greeting a 0.25 2.00 b 0.12" in text


def test_what_changed_is_told() -> None:
    before = {"a": {SERVES: "passed", SAFE: "failed"}, "b": {SAFE: "failed"}}
    earlier = Earlier("monday.json", "2026-11-26T06:33:05Z", before)
    outcomes = [
        *(Outcome("a", check, outcome, "why") for check, outcome in ((SERVES, "failed"), (SAFE, "passed"))),
        Outcome("c", SAFE, "passed"),
    ]
    text = _page(outcomes, ["a", "c"], earlier).text("changes")
    assert text.endswith(
        f"FAIL Newly failing {SERVES} a ok Mended {SAFE} a New hosts (1) c "
        "Hosts that are gone, or were not asked (1) b"
    )
    outcomes[0] = Outcome("a", SERVES, "passed")
    outcomes[1] = Outcome("a", SAFE, "failed", "why")
    text = _page(outcomes, ["a", "b", "c"], earlier).text("changes")
    assert "Failing then and now: 1, each check of each host counted." in text


def test_a_healthy_fleet_has_no_trouble() -> None:
    outcomes = [Outcome(name, SERVES, "passed") for name in "ab"]
    earlier = Earlier("monday.json", "2026-11-26T06:33:05Z", {name: {SERVES: "passed"} for name in "ab"})
    read = _page(outcomes, ["a", "b"], earlier)
    assert read.texts.keys() == {"", "style", "changes", "checks"}
    assert "No check began to fail or was mended" in read.text("changes")
    assert not [tag for tag, _ in read.elements if tag == "table"]


def test_without_an_outcome_there_is_a_page_too() -> None:
    read = _page([], ["a"])
    assert "? 1 not checked" in read.text("")
    assert read.text("checks") == "Checks and hosts No check was made."


def test_it_replaces_a_file_and_keeps_its_permissions(tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text("before")
    file.chmod(0o604)
    assert Page(str(file), None).write([Outcome("a", SERVES, "passed")], ["a"])
    assert file.read_text().startswith("<!DOCTYPE html>\n")
    assert file.read_text().endswith("</html>\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o604
    assert [*tmp_path.iterdir()] == [file]


def test_the_example_is_large_enough(hostile: str) -> None:
    assert len(NAMES) == 200
    assert len(HOSTILE_REASON) > 700
    assert len(re.findall('<li id="group-', hostile)) > 12
