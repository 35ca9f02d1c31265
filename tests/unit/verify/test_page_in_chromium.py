"""The page of a verification in a real browser: on a desk, on a telephone, on paper."""

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from smtp_auth.shown import shown_name
from tests.chromium import Browser, chromium
from tests.unit.verify.pages import CHECKS, HOSTILE_NAMES, NAMES, page

DESK, TELEPHONE = 1280, 360

# A sheet of A4 without its margins, in CSS pixels.
SHEET = 702

# What would show that something ran, was loaded, or changed how the page looks. For a frame, Chromium
# connects before it asks the policy, and sends nothing.
INJECTED = """
<script>document.title = "ran"</script>
<img src="http://127.0.0.1:{port}/x" onerror="document.title = 'ran'">
<style>body {{ display: none }}</style>
<p id="styled" style="position: fixed">styled</p>
<link rel="stylesheet" href="http://127.0.0.1:{port}/y">
<iframe src="http://127.0.0.1:9/z"></iframe>
<a id="run" href="javascript:void(document.title = 'ran')">run</a>
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as found:
        yield found


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("page") / "page.html"
    found.write_text(page())
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, TELEPHONE])
def test_it_fits_and_asks_for_nothing(
    browser: Browser, file: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    browser.shows(width, scheme=scheme)
    browser.open(file)
    assert browser.said == []
    assert browser.asked == [file.as_uri()]
    assert browser.value("document.documentElement.scrollWidth") == width
    assert "failed" in browser.value("document.title")
    assert browser.value("document.querySelectorAll('script, img, svg, iframe').length") == 0
    picture = browser.picture()
    (tmp_path / f"{width}-{scheme}.png").write_bytes(picture)
    assert struct.unpack(">4s2I", picture[12:24]) == (
        b"IHDR",
        width,
        browser.value("document.documentElement.scrollHeight"),
    )
    # Also with everything unfolded.
    browser.value("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert browser.value("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_are_those_of_the_reader(browser: Browser, file: Path, scheme: str) -> None:
    browser.shows(DESK, scheme=scheme)
    browser.open(file)
    colour = browser.value("getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, re.findall(r"\d+", colour))) / 3
    assert (lightness > 128) == (scheme == "light")


def test_a_wide_table_is_moved_in_its_own_box(browser: Browser, file: Path) -> None:
    browser.shows(TELEPHONE)
    browser.open(file)
    box = "document.querySelector('.scroll:has(.marks)')"
    assert browser.value(f"{box}.scrollWidth > {box}.clientWidth")
    # The names of the checks stay in sight.
    browser.value(f"{box}.scrollLeft = {box}.scrollWidth")
    left = f"Math.round({box}.querySelector('tbody th').getBoundingClientRect().left"
    assert browser.value(f"{left} - {box}.getBoundingClientRect().left)") == 0


def test_only_what_needs_attention_is_unfolded(browser: Browser, file: Path) -> None:
    browser.shows(DESK)
    browser.open(file)
    text = browser.value("document.body.innerText")
    healthy = [check for check in CHECKS if re.search(rf"^{check}\b", text, re.MULTILINE)]
    assert len(healthy) < len(CHECKS) / 2
    assert NAMES[100] not in text
    browser.value("document.querySelectorAll('details').forEach(one => { one.open = true })")
    text = browser.value("document.body.innerText")
    assert [check for check in CHECKS if check not in text] == []
    assert [name for name in NAMES if " ".join(shown_name(name).split()) not in text] == []


def test_a_name_changes_no_direction(browser: Browser, file: Path) -> None:
    browser.shows(DESK)
    browser.open(file)
    named = browser.value("[...document.querySelectorAll('#checks bdi')].map(one => one.textContent)")
    assert {*map(shown_name, HOSTILE_NAMES)} <= {*named}
    assert not [one for one in named if re.search("[\u202a-\u202e\u2066-\u2069]", one)]


def test_everything_is_on_paper(browser: Browser, file: Path, tmp_path: Path) -> None:
    browser.shows(SHEET, media="print", scheme="dark")
    browser.open(file)
    height = "getBoundingClientRect().height"
    folded = f"one.{height} <= one.firstElementChild.{height}"
    all_of_them = "[...document.querySelectorAll('details')]"
    assert browser.value(f"{all_of_them}.length") > 5
    assert browser.value(f"{all_of_them}.filter(one => {folded}).length") == 0
    assert browser.value("document.documentElement.scrollWidth") == SHEET
    assert browser.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    paper = browser.paper()
    (tmp_path / "page.pdf").write_bytes(paper)
    assert paper.startswith(b"%PDF-")


def test_what_somebody_would_get_into_it_does_nothing(browser: Browser, file: Path, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.setblocking(False)
        injected = INJECTED.format(port=listening.getsockname()[1])
        other = tmp_path / "injected.html"
        other.write_text(file.read_text().replace("<body>", f"<body>{injected}"))
        browser.shows(DESK)
        browser.open(other)
        browser.value("document.querySelector('#run').click()")
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert "failed" in browser.value("document.title")
    assert browser.value("getComputedStyle(document.body).display") == "block"
    assert browser.value("getComputedStyle(document.querySelector('#styled')).position") == "static"
    said = "\n".join(browser.said)
    for directive in ("script-src", "img-src", "style-src", "frame-src"):
        assert directive in said


def test_without_its_policy_the_same_would_be_done(browser: Browser, file: Path, tmp_path: Path) -> None:
    other = tmp_path / "injected.html"
    text = re.sub(r"<meta http-equiv=.*?>", "", file.read_text())
    other.write_text(text.replace("<body>", f"<body>{INJECTED.format(port=9)}"))
    browser.open(other)
    assert browser.value("document.title") == "ran"
    assert browser.value("getComputedStyle(document.body).display") == "none"
