"""An earlier change of a text is taken back out of it; what others have edited since stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.past.taking_back import taken_back

BEFORE = "a = 1\nb = 2\nc = 3\n"


@pytest.mark.parametrize(
    ("written", "present", "wanted"),
    [
        # Nobody has edited it.
        ("a = 1\nb = 9\nc = 3\nd = 4\n", "a = 1\nb = 9\nc = 3\nd = 4\n", BEFORE),
        # Elsewhere.
        ("a = 1\nb = 9\nc = 3\n", "a = 7\nb = 9\nc = 3\nx = 1\n", "a = 7\nb = 2\nc = 3\nx = 1\n"),
        # Right behind what was added, and right in front of it.
        ("a = 1\nb = 2\nc = 3\nd = 4\n", "a = 1\nb = 2\nc = 3\nd = 4\nx = 1\n", f"{BEFORE}x = 1\n"),
        ("a = 1\nb = 2\nc = 3\nd = 4\n", "a = 1\nb = 2\nc = 3\nx = 1\nd = 4\n", f"{BEFORE}x = 1\n"),
        # The last line had no end, and has others behind it now.
        ("a = 1\nb = 2\nc = 3\nd = 4", "a = 1\nb = 2\nc = 3\nd = 4\nx = 1\n", f"{BEFORE}x = 1\n"),
        # It was taken back by hand.
        ("a = 1\nb = 9\nc = 3\n", BEFORE, BEFORE),
        ("b = 2\nc = 3\n", BEFORE, BEFORE),
    ],
)
def test_edits_elsewhere_stay(written: str, present: str, wanted: str) -> None:
    found = taken_back(BEFORE, written, present)
    assert (found.content, found.edited) == (wanted, ())


def test_a_last_line_that_had_no_end_has_one_in_front_of_others() -> None:
    found = taken_back("a = 1\nb = 2", "a = 1\nb = 2\nd = 4\n", "a = 1\nb = 2\nd = 4\nx = 1\n")
    assert found.content == "a = 1\nb = 2\nx = 1\n"


@pytest.mark.parametrize(
    ("written", "present", "edited"),
    [
        ("a = 1\nb = 9\nc = 3\n", "a = 1\nb = 8\nc = 3\n", ("-b = 9\n", "+b = 8\n")),
        ("a = 1\nb = 9\nc = 3\n", "a = 1\nc = 3\n", ("-b = 9\n",)),
        # A line that begins with white space belongs to what was added.
        (f"{BEFORE}d =\n", f"{BEFORE}d =\n# why\n  4\n", ("+# why\n", "+  4\n")),
        # Where a line would come back stands another one.
        ("a = 1\nc = 3\n", "a = 1\nx = 1\nc = 3\n", ("+x = 1\n",)),
    ],
)
def test_what_was_edited_since_stays_and_is_told(written: str, present: str, edited: tuple[str, ...]) -> None:
    found = taken_back(BEFORE, written, present)
    assert (found.content, found.edited) == (present, (edited,))


LINES = st.lists(
    st.sampled_from([f"{name} = {number}\n" for name in "abc" for number in range(3)]), max_size=12
).flatmap(lambda lines: st.sampled_from([lines, [*lines[:-1], *(line[:-1] for line in lines[-1:])]]))


@given(LINES, LINES)
def test_a_change_is_taken_back_whole_where_nobody_edited(before: list[str], written: list[str]) -> None:
    found = taken_back("".join(before), "".join(written), "".join(written))
    assert (found.content, found.edited) == ("".join(before), ())


@given(LINES, LINES)
def test_nothing_is_taken_back_of_no_change(written: list[str], present: list[str]) -> None:
    found = taken_back("".join(written), "".join(written), "".join(present))
    assert (found.content, found.edited) == ("".join(present), ())


@given(st.data())
def test_others_edits_are_what_they_were(data: st.DataObject) -> None:
    """Each line is changed by us, by others or by nobody: those of others stay, and ours are as before."""
    kinds = data.draw(st.lists(st.sampled_from("nowNOW"), max_size=15))
    # Unlike each other, so that nobody can mistake one for another.
    pieces = {
        "n": ("{0}\n", "{0}\n", "{0}\n"),
        "o": ("{0}\n", "{0}\n", "{0} by others\n"),
        "w": ("{0}\n", "{0} ours\n", "{0} ours\n"),
        "N": ("{0}\nkept {0}\n", "{0}\nkept {0}\n", "{0}\nkept {0}\n"),
        "O": ("{0}\n", "{0}\n", "{0}\nadded by others {0}\n"),
        "W": ("{0}\n", "{0}\nadded by us {0}\n", "{0}\nadded by us {0}\n"),
    }
    before, written, present = (
        "".join(pieces[kind][which].format(number) for number, kind in enumerate(kinds)) for which in range(3)
    )
    wanted = "".join(
        pieces[kind][2 if kind in "oO" else 0].format(number) for number, kind in enumerate(kinds)
    )
    found = taken_back(before, written, present)
    assert (found.content, found.edited) == (wanted, ())
