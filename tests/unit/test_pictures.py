"""The screens that are kept, and the pictures that are made out of them."""

import re
from xml.etree import ElementTree

import pytest

from tests.screens import FOLDER, WIDTHS, as_text, file_of, kept
from tests.screens.pictures import PICTURES, picture
from tests.screens.pictures import file_of as file_of_picture
from tests.screens.scenes import SCENES
from tests.terminal import Row

NAMES = ("mail1.example.jp", "mail2.example.jp")


def test_a_screen_is_kept_of_each_scene_and_width() -> None:
    files = {file_of(name, columns) for name in SCENES for columns in WIDTHS}
    assert {*FOLDER.glob("*.txt")} == files
    for name in SCENES:
        for columns in WIDTHS:
            rows = kept(name, columns)
            assert as_text(rows) == file_of(name, columns).read_text()
            assert rows[0].text.startswith("$ smtp-auth ")


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_torn_on_a_narrow_screen(name: str) -> None:
    narrow, wide = ([row.text for row in kept(name, columns)] for columns in WIDTHS)
    assert " ".join(narrow).split() == " ".join(wide).split()
    assert max(map(len, narrow)) <= min(WIDTHS)
    assert any(host in line for line in narrow for host in NAMES)


def test_a_kept_screen_shows_nothing_of_a_machine() -> None:
    for file in FOLDER.glob("*.txt"):
        assert not re.search(r"/root|/home|/tmp|198\.18\.|\d{4}-(?!11-22)\d\d-\d\dT", file.read_text())


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_that_of_its_screen(name: str) -> None:
    """If this fails: make pictures."""
    assert file_of_picture(name).read_text() == picture(name, kept(PICTURES[name], 80))


def test_a_picture_is_svg_with_the_rows_and_their_colours_and_nothing_of_elsewhere() -> None:
    rows = [Row("$ smtp-auth <plan>"), Row("+smtpd_tls_auth_only = yes", "green"), Row("no", "bold red")]
    drawn = picture("preview", rows)
    texts = [
        "".join(node.itertext()) for node in ElementTree.fromstring(drawn).iter() if node.tag.endswith("text")
    ]
    for row in rows:
        assert row.text.replace(" ", "\xa0") in texts
    assert len(set(re.findall(r"fill: (#[0-9a-f]{6})", drawn))) >= 3
    assert not re.search(r"url\((?!#)|@import|<script|<image", drawn)
    assert set(re.findall(r"https?://[^\s\"]+", drawn)) <= {
        "http://www.w3.org/2000/svg",
        "https://www.textualize.io",
    }


def test_of_many_added_rows_the_first_are_shown_and_the_others_counted() -> None:
    added = [Row(f"    +line{number}", "green") for number in range(12)]
    drawn = picture("preview", [*added, Row("    +reload Postfix", "green"), *added[:3]])
    shown = re.findall(r"\+line\d+|…&#160;8&#160;more|\+reload", drawn)
    assert shown == [
        *(f"+line{number}" for number in range(4)),
        "…&#160;8&#160;more",
        "+reload",
        *(f"+line{number}" for number in range(3)),
    ]
