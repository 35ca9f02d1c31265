"""What people read: README.md and docs/. Links lead somewhere, and what is stated of keys and packages holds.

What a page says of refusals is compared in test_refusals.py, what it says of figures is made by `bench`.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from operations import STEPS
from smtp_auth.services.postfix.guide_options import GUIDE_OPTIONS
from smtp_auth.settings import Settings, settings_from_data

ROOT = Path(__file__).resolve().parents[2]

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_MOST_LINES = 120

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _without_code(text: str) -> str:
    """A page without its blocks and words of code: no link is in these."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", lambda code: code[0] if "](" not in code[0] else "", text)


def _links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for link in _LINK.findall(_without_code(page.read_text())):
            if not link.startswith(("http://", "https://")):
                yield page, link


def _anchor(heading: str) -> str:
    """What GitHub makes of a heading: lower case, without punctuation, white space as hyphens."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")


def _anchors(page: Path) -> list[str]:
    headings = re.findall(r"^#{1,6} +(.+?) *$", _without_code(page.read_text()), re.MULTILINE)
    return [_anchor(heading) for heading in headings]


@pytest.mark.parametrize(
    ("page", "link"), [pytest.param(*one, id=f"{one[0].name}: {one[1]}") for one in _links()]
)
def test_a_link_leads_somewhere(page: Path, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = (page.parent / name).resolve() if name else page
    assert target.exists(), f"{page.name}: no such file: {link}"
    assert target.is_relative_to(ROOT)
    if anchor:
        assert anchor in _anchors(target), f"{page.name}: {target.name} has no heading for #{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_pages_headings_have_anchors_of_their_own(page: Path) -> None:
    anchors = _anchors(page)
    assert [anchor for anchor in anchors if anchors.count(anchor) > 1] == []


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    pages = [page.name for page in (ROOT / "docs").glob("*.md")]
    assert [name for name in pages if f"(docs/{name})" not in readme] == []


def test_the_readme_is_short_and_has_its_pictures() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= _MOST_LINES
    assert re.findall(r"!\[[^\]]+\]\((.*?)\)", readme) == [
        "docs/preview.svg",
        "docs/refusal.svg",
        "docs/benchmark.svg",
    ]


def test_the_readme_explains_before_it_uses_a_word() -> None:
    readme = (ROOT / "README.md").read_text()
    for word in ("lineage", "the guide", "proof", "went live", "goes live"):
        assert word not in readme.replace("docs/guide.md", "")


def test_the_readme_names_every_package_that_the_demo_installs() -> None:
    lines = (ROOT / "lab" / "packages.txt").read_text().splitlines()
    packages = [line.split()[0] for line in lines if line[:1].isalnum()]
    readme = (ROOT / "README.md").read_text()
    assert [name for name in packages if f"`{name}`" not in readme] == []


def test_every_step_stands_on_the_page_of_changes() -> None:
    page = (ROOT / "docs" / "changes.md").read_text()
    assert re.findall(r"^\| ([A-Z][^|]*?) \| ", page, re.MULTILINE) == [step.name for step in STEPS]


def test_every_option_of_the_service_stands_on_the_page_of_sources() -> None:
    page = (ROOT / "docs" / "guide.md").read_text()
    written = dict(re.findall(r"^\| `(\w+)=([^`]*)` \|", page, re.MULTILINE))
    assert written == GUIDE_OPTIONS


# -- data keys ----------------------------------------------------------------------------------------

_DATA = (ROOT / "docs" / "data.md").read_text()
_WHOLE = re.MULTILINE | re.DOTALL
_EXAMPLES = re.findall(r"^```python\n(.*?)^```$", _DATA, _WHOLE)


def test_every_data_key_has_its_section_and_its_default() -> None:
    sections = dict(re.findall(r"^### `(\w+)`\n\n(.*?)\n$", _DATA, re.MULTILINE))
    assert sections.keys() == {key.name for key in fields(Settings)}
    for key in fields(Settings):
        if key.name == "mail_domain":
            assert sections[key.name].startswith("Required.")
            continue
        written = sections[key.name].removeprefix("Default: `").removesuffix("`")
        assert ast.literal_eval(written) == key.metadata["default"], key.name


def test_every_data_key_has_the_meaning_that_group_data_has() -> None:
    sections = re.findall(
        r"^### `(\w+)`\n\n(?:Default: [^\n]*\n\n|Required\. )(.*?)\n\n(?=```|#)", _DATA, _WHOLE
    )
    plain = {key: re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text.replace("`", "")) for key, text in sections}
    assert {key: " ".join(text.split()) for key, text in plain.items()} == {
        key.name: key.metadata["meaning"] for key in fields(Settings)
    }


@pytest.mark.parametrize("example", _EXAMPLES)
def test_an_example_of_a_data_key_is_accepted(example: str) -> None:
    data: dict[str, Any] = {"mail_domain": "example.jp"}
    for line in ast.parse(example).body:
        assert isinstance(line, ast.Assign)
        (target,) = line.targets
        assert isinstance(target, ast.Name)
        data[target.id] = ast.literal_eval(line.value)
    settings_from_data("mail1.example.jp", data)


def test_every_data_key_that_can_be_given_has_an_example() -> None:
    given = set(re.findall(r"^(\w+) = ", "".join(_EXAMPLES), re.MULTILINE))
    assert {key.name for key in fields(Settings)} - given == {"sender_ownership"}
