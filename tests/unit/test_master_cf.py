"""Edits of master.cf give the submissions service its options, and keep everything else as it was written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtp_auth.postfix.master_cf import (
    SUBMISSIONS_NAMES,
    Service,
    add_submissions_service,
    port_25_services,
    remove_services,
    services,
    set_options,
    submissions_services,
)
from tests.unit.config_files import master_cf

HEAD = "smtp      inet  n       -       y       -       -       smtpd\n"
ADDED = "submissions inet n       -       y       -       -       smtpd\n  -o a=1\n"


def on_465(content: str, options: dict[str, str | None]) -> str:
    """Each service on port 465 gets the options."""

    return set_options(content, {service.label: options for service in submissions_services(content)})


def added_to(content: str, options: dict[str, str | None], chroot: str = "y") -> str:
    """The new service with options."""
    return set_options(add_submissions_service(content, chroot), {"submissions/inet": options})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HEAD, HEAD + ADDED),
        (HEAD.rstrip("\n"), HEAD + ADDED),
        (HEAD.replace("\n", "\r\n"), (HEAD + ADDED).replace("\n", "\r\n")),
        # Below Debian's commented service, and its commented options.
        (
            f"{HEAD}#submissions inet n - y - - smtpd\n#  -o x=1\n#628 inet\n",
            f"{HEAD}#submissions inet n - y - - smtpd\n#  -o x=1\n{ADDED}#628 inet\n",
        ),
        # Only the head is commented out: its options now belong to the service above.
        (
            f"{HEAD}#submissions inet n - y - - smtpd\n  -o x=1\nb unix - - y - - b\n",
            f"{HEAD}#submissions inet n - y - - smtpd\n  -o x=1\n{ADDED}b unix - - y - - b\n",
        ),
    ],
)
def test_the_service_is_added_where_people_look_for_it(before: str, after: str) -> None:
    assert added_to(before, {"a": "1"}) == after


def test_the_new_service_gets_its_chroot_column() -> None:
    [_, added] = services(add_submissions_service(HEAD, "n"))
    assert (added.name, added.chroot) == ("submissions", "n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("submissions inet n - y - - smtpd\n", "submissions inet n - y - - smtpd\n  -o a=1\n"),
        ("submissions inet n - y - - smtpd", "submissions inet n - y - - smtpd\n  -o a=1\n"),
        ("smtps inet n - n - - smtpd -v\n", "smtps inet n - n - - smtpd -v\n  -o a=1\n"),
        ("465 inet n - n - - smtpd\n  -o a=2\n", "465 inet n - n - - smtpd\n  -o a=1\n"),
        ("[::1]:465 inet n - n - - smtpd\n -oa=2\n", "[::1]:465 inet n - n - - smtpd\n -o a=1\n"),
        (
            "submissions inet n - y - - smtpd\n -o { a = 1 }\n",
            "submissions inet n - y - - smtpd\n -o { a = 1 }\n",
        ),
        ("submissions inet n - y - - smtpd\n -o {a=2 3}\n", "submissions inet n - y - - smtpd\n -o a=1\n"),
        (
            "submissions inet n - y - - smtpd\n -o a=1 -o a=2\n",
            "submissions inet n - y - - smtpd\n -o a=1 -o a=1\n",
        ),
        (
            "submissions inet n - y - - smtpd\n  -o\n# why\n  a=2\n  -o b=1\n",
            "submissions inet n - y - - smtpd\n  -o\n# why\n  a=1\n  -o b=1\n",
        ),
        (
            "submissions inet n - y - - smtpd\n  -o b=1\n# kept\n\n  -o c=1\n# below\nb unix - - - - - b\n",
            "submissions inet n - y - - smtpd\n  -o b=1\n# kept\n\n  -o c=1\n"
            "  -o a=1\n# below\nb unix - - - - - b\n",
        ),
        (
            "smtps inet n - y - - smtpd\nsubmissions inet n - y - - smtpd\n",
            "smtps inet n - y - - smtpd\n  -o a=1\nsubmissions inet n - y - - smtpd\n  -o a=1\n",
        ),
    ],
)
def test_the_service_gets_an_option(before: str, after: str) -> None:
    assert on_465(before, {"a": "1"}) == after


@pytest.mark.parametrize(
    ("options", "after"),
    [
        ("  -o a=1\n", ""),
        ("  -o b=1 -o a=1\n", "  -o b=1\n"),
        ("  -o a=1 -o b=1\n", " -o b=1\n"),
        ("  -o { a = 1 2 }\n  -o b=1\n", "  -o b=1\n"),
        ("  -oa=1\n# kept\n  -o a=2\n", "# kept\n"),
        ("  -o b=1\n", "  -o b=1\n"),
    ],
)
def test_an_option_is_removed(options: str, after: str) -> None:
    head = "submissions inet n - y - - smtpd\n"
    assert on_465(head + options, {"a": None}) == head + after


def test_a_value_with_white_space_comes_in_braces() -> None:
    content = on_465("submissions inet n - y - - smtpd\n", {"a": "x, y", "b": ""})
    assert content == "submissions inet n - y - - smtpd\n  -o { a = x, y }\n  -o b=\n"


@pytest.mark.parametrize("line", ["smtp inet n - y - -", "rubbish", "  -o a=b"])
def test_a_broken_line_is_quoted(line: str) -> None:
    with pytest.raises(ValueError, match=line.strip()):
        services(f"{line}\n{HEAD}")


def test_services_are_read_as_postfix_reads_them() -> None:
    content = f"{HEAD}  -o {'{'} a = b c {'}'} -ob=1\n# no\n\n  -o a={'{'}d,e{'}'}\n"
    [found] = services(content)
    assert (found.name, found.type, found.command) == ("smtp", "inet", "smtpd")
    assert [(option.name, option.value) for option in found.options] == [
        ("a", "b c"),
        ("b", "1"),
        ("a", "{d,e}"),
    ]
    assert found.effective_options == {"a": "{d,e}", "b": "1"}


@pytest.mark.parametrize("name", [*SUBMISSIONS_NAMES, "0.0.0.0:465", "[::]:submissions"])
def test_port_465_has_many_names(name: str) -> None:
    assert submissions_services(f"{name} inet n - y - - smtpd\n")


@pytest.mark.parametrize(
    "service", ["submission inet", "smtp inet", "465 unix", "submissions pass", "1465 inet"]
)
def test_what_is_not_on_port_465_is_not_touched(service: str) -> None:
    content = f"{service} n - y - - smtpd\n"
    assert not submissions_services(content)
    assert on_465(content, {"a": "1"}) == content


@pytest.mark.parametrize("name", ["smtp inet", "25 inet", "192.0.2.1:smtp inet", "smtpd pass"])
def test_port_25_is_found(name: str) -> None:
    assert port_25_services(f"{name} n - y - - smtpd\n")


@pytest.mark.parametrize(
    "service",
    ["smtp inet n - y - 1 postscreen", "smtp unix - - y - - smtp", "2525 inet n - y - - smtpd"],
)
def test_what_is_not_smtpd_on_port_25_is_not_taken_for_it(service: str) -> None:
    assert not port_25_services(f"{service}\n")


NAMES = st.sampled_from(
    ["smtpd_tls_wrappermode", "syslog_name", "smtpd_milters", "smtpd_client_restrictions", "smtpd_new"]
)
VALUES = st.none() | st.sampled_from(["", "yes", "a, b", "$mua_client_restrictions", "{x}", "${a?{b}:{c}}"])


@given(master_cf(), st.dictionaries(NAMES, VALUES, max_size=4))
def test_options_change_and_nothing_else(content: str, options: dict[str, str | None]) -> None:
    after = on_465(content, options)
    assert comments(after) == comments(content)
    assert others(after) == others(content)
    assert [effective(service) for service in submissions_services(after)] == [
        (service.name, merged(service.effective_options, options))
        for service in submissions_services(content)
    ]
    assert on_465(after, options) == after


@given(master_cf())
def test_a_service_is_added_and_nothing_else(content: str) -> None:
    after = add_submissions_service(content, "y")
    assert comments(after) == comments(content)
    assert sorted(map(effective, services(after)), key=repr) == sorted(
        [*map(effective, services(content)), ("submissions", {})], key=repr
    )


@pytest.mark.parametrize(
    ("before", "kept", "after"),
    [
        (HEAD + ADDED, {}, HEAD),
        (ADDED + HEAD, {}, HEAD),
        # Comments between its lines are somebody's.
        (f"{HEAD}# ours\n{ADDED.strip()}\n# why\n  -o b=2\n# next\n", {}, f"{HEAD}# ours\n# why\n# next\n"),
        (HEAD + ADDED.rstrip("\n"), {}, HEAD),
        (HEAD + ADDED, {"b": "2", "c": "x y"}, f"{HEAD}#  -o b=2\n#  -o {{ c = x y }}\n"),
    ],
)
def test_a_service_goes_with_its_options(before: str, kept: dict[str, str], after: str) -> None:
    assert remove_services(before, {"submissions/inet": kept}) == after


@given(master_cf())
def test_what_was_added_is_taken_out_to_the_byte(content: str) -> None:
    content = content.rstrip("\r\n") + "\n"
    if any(service.label == "submissions/inet" for service in services(content)):
        return
    assert remove_services(add_submissions_service(content, "y"), {"submissions/inet": {}}) == content


def effective(service: Service) -> tuple[str, dict[str, str]]:
    return service.name, service.effective_options


def merged(present: dict[str, str], options: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in {**present, **options}.items() if value is not None}


def others(content: str) -> list[tuple[str, dict[str, str]]]:
    ours = {service.start for service in submissions_services(content)}
    return [effective(service) for service in services(content) if service.start not in ours]


def comments(content: str) -> list[str]:
    return [line.strip() for line in content.split("\n") if line.lstrip().startswith("#")]
