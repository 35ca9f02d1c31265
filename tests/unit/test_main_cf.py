"""Edits of main.cf change the one parameter, and keep everything else as it was written."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.postfix.main_cf import comment_out, defined_parameters, give_back, set_parameter
from tests.unit.config_files import PARAMETERS, main_cf

NAMES = st.sampled_from(PARAMETERS)
VALUES = st.sampled_from(["", "x", "a, b", ">=TLSv1.2", "/etc/letsencrypt/live/example.jp/privkey.pem"])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "p = v\n"),
        ("a = 1", "a = 1\np = v\n"),
        ("a = 1\r\n", "a = 1\r\np = v\r\n"),
        ("a = 1\r\nb = 2", "a = 1\r\nb = 2\r\np = v\r\n"),
        ("p=old\na = 1\n", "p=v\na = 1\n"),
        ("p =   old\n", "p =   v\n"),
        ("p =\n", "p =v\n"),
        ("p = one\n# two\n", "p = v\n# two\n"),
        ("p = one,\n  # kept\n\n   two\na = 1\n", "p = v\n  # kept\n\na = 1\n"),
        ("p =\n  one\n  two\na = 1\n", "p =v\na = 1\n"),
        ("p\n  = one\n", "p\n  = v\n"),
        ("p = one\np = two\n", "#p = one\np = v\n"),
        ("p = one,\n  more\nq = 1\np = two", "#p = one,\n#  more\nq = 1\np = v"),
        ("#p = one\n", "#p = one\np = v\n"),
        ("p = one\r\n  two\r\n", "p = v\r\n"),
        ("p = one", "p = v"),
        ("  p = one\n", "  p = v\n"),
        ("pp = one\n", "pp = one\np = v\n"),
        ("# \xe9\xff\x85\np = \xe9\n", "# \xe9\xff\x85\np = v\n"),
    ],
)
def test_a_parameter_is_set_where_it_stands(before: str, after: str) -> None:
    assert set_parameter(before, "p", "v") == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a = 1\n", "a = 1\n"),
        ("p = 1\na = 2\n", "#p = 1\na = 2\n"),
        ("p = 1\n  2\n# c\n  3\na = 4\n", "#p = 1\n#  2\n# c\n#  3\na = 4\n"),
        ("p = 1\np = 2", "#p = 1\n#p = 2"),
        ("p\n = 1\n", "#p\n# = 1\n"),
        ("#p = 1\n", "#p = 1\n"),
    ],
)
def test_a_parameter_is_commented_out_with_all_its_lines(before: str, after: str) -> None:
    assert comment_out(before, "p") == after


@pytest.mark.parametrize(
    ("earlier", "present", "back"),
    [
        # It was not there.
        ("a = 1\n", "a = 1\np = v\nb = 2\n", "a = 1\nb = 2\n"),
        ("a = 1\n", "a = 1\np = v,\n  # why\n  w\nb = 2\n", "a = 1\n  # why\nb = 2\n"),
        # It had another value, as it was written then.
        ("p=old,\n  older\na = 1\n", "p=v\na = 7\n", "p=old,\n  older\na = 7\n"),
        # It was commented out, and is restored in its place, wherever that is now.
        ("p = old\na = 1\n", "b = 2\n#p = old\na = 1\np = v\n", "b = 2\np = old\na = 1\n"),
        ("p = one\np = two\n", "#p = one\np = v\n", "p = one\np = two\n"),
        # An owner has deleted the comment, or has moved it after the end of the file.
        ("p = old\na = 1\n", "a = 1\np = v\n", "a = 1\np = old\n"),
        ("p = old\n", "a = 1", "a = 1\np = old\n"),
        ("p = old\r\n", "a = 1\r\np = v\r\n", "a = 1\r\np = old\r\n"),
        ("a = 1\n", "a = 2\n", "a = 2\n"),
        # The lines between those of a definition are in their place, and the last definition counts.
        ("p =\n \n a\np = b\n", "#p =\n \n# a\np = v\n", "p =\n \n a\np = b\n"),
        ("p = a\np = b\n", "#p = b\nc = 1\np = v\n", "#p = b\nc = 1\np = a\np = b\n"),
        # The last line had no end, and is not the last one now.
        ("a = 1\np = old", "p = v\na = 1\n", "p = old\na = 1\n"),
        ("a = 1\r\np = old", "p = v\r\na = 1\r\n", "p = old\r\na = 1\r\n"),
    ],
)
def test_a_parameter_is_given_back_as_it_was(earlier: str, present: str, back: str) -> None:
    assert give_back(present, {"p": earlier}) == back


def test_an_empty_value_is_written_as_an_administrator_would() -> None:
    assert set_parameter("", "p", "") == "p =\n"
    assert set_parameter("p = x\n", "p", "") == "p =\n"


def test_values_are_read_as_postfix_folds_them() -> None:
    content = "a = 1\nb =\n  x,\n# no\n\ty  z\nc = p # kept\na=2\r\nd = \xc3\xa0\n"
    assert defined_parameters(content) == {"a": "2", "b": "x, y z", "c": "p # kept", "d": "\xc3\xa0"}


@given(main_cf(), NAMES, VALUES)
def test_setting_changes_one_parameter_and_no_comment(content: str, name: str, value: str) -> None:
    after = set_parameter(content, name, value)
    assert defined_parameters(after) == {**defined_parameters(content), name: value}
    # The earlier definitions are comments now; the others are all there.
    assert not Counter(comments(content)) - Counter(comments(after))
    # One definition is left, whatever there was.
    assert defined_parameters(comment_out(after, name)) == defined_parameters(comment_out(content, name))
    assert after.count(f"\n{name}") <= max(1, content.count(f"\n{name}"))
    assert set_parameter(after, name, value) == after


@given(main_cf(), NAMES)
def test_commenting_out_removes_one_parameter_and_no_text(content: str, name: str) -> None:
    after = comment_out(content, name)
    kept = {key: value for key, value in defined_parameters(content).items() if key != name}
    assert defined_parameters(after) == kept
    assert [line.removeprefix("#") for line in after.split("\n")] == [
        line.removeprefix("#") for line in content.split("\n")
    ]
    assert comment_out(after, name) == after


@given(main_cf(), NAMES, VALUES)
def test_what_was_set_or_commented_out_has_its_earlier_value(content: str, name: str, value: str) -> None:
    for changed in (set_parameter(content, name, value), comment_out(content, name)):
        back = give_back(changed, {name: content})
        assert defined_parameters(back) == defined_parameters(content)
        assert comments(back) == comments(content)


@given(main_cf(), main_cf(), NAMES)
def test_giving_back_changes_one_parameter(present: str, earlier: str, name: str) -> None:
    back = give_back(present, {name: earlier})
    wanted = {key: value for key, value in defined_parameters(present).items() if key != name}
    was = {key: value for key, value in defined_parameters(earlier).items() if key == name}
    assert defined_parameters(back) == wanted | was


def comments(content: str) -> list[str]:
    return [line.strip() for line in content.split("\n") if line.lstrip().startswith("#")]
