"""main.cf and master.cf as administrators write them, for property tests.

They have everything that Postfix's syntax allows and people use: comments inside values and services,
empty lines, values over several lines, CRLF, no line end at the end, bytes that are not UTF-8.
"""

from hypothesis import strategies as st

# Existing parameters, so that Postfix itself can read these files.
PARAMETERS = (
    "smtpd_banner",
    "mydestination",
    "relayhost",
    "smtpd_milters",
    "smtpd_tls_cert_file",
    "smtpd_client_restrictions",
    "cyrus_sasl_config_path",
    "mua_client_restrictions",
)

comment = st.sampled_from(
    ["# note", "#smtpd_banner = old", "  # indented", "#", "# caf\xe9", "# \xc3\xa0 ", "#submissions inet n"]
).map(lambda line: [line])
blank = st.sampled_from([[""], ["   "], ["\t"]])
_between = st.lists(comment | blank, max_size=1).map(lambda parts: [line for part in parts for line in part])
_word = st.sampled_from(
    [
        "a",
        "$myhostname",
        "permit_mynetworks,",
        "hash:/etc/x",
        "caf\xc3\xa9",
        "\xc3\xa0",
        "x=y",
        "{ a b }",
        "#x",
    ]
)
_words = st.lists(_word, max_size=3).map(" ".join)
_equals = st.sampled_from(["=", " = ", " =", "= ", "\t=\t", "  =   "])


@st.composite
def _definition(draw: st.DrawFn) -> list[str]:
    name, value = draw(st.sampled_from(PARAMETERS)), draw(_words)
    # After "=" a "#" belongs to the value; at the start of a line it begins a comment.
    lines = [name + draw(_equals) + value]
    for _ in range(draw(st.integers(0, 2))):
        lines += draw(_between)
        lines.append(draw(st.sampled_from([" ", "\t", "    "])) + draw(_words))
    return lines


def _file(draw: st.DrawFn, blocks: list[list[str]]) -> str:
    lines = [line for block in blocks for line in block]
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n"]))
    last = draw(st.sampled_from(["\n", "\n", ""])) and end
    return end.join(lines) + last if lines else ""


@st.composite
def main_cf(draw: st.DrawFn) -> str:
    """The text of a main.cf."""
    return _file(draw, draw(st.lists(comment | blank | _definition(), max_size=8)))


_SERVICES = (
    "smtp      inet  n       -       y       -       -       smtpd",
    "pickup    unix  n       -       y       60      1       pickup",
    "submission inet n -   y       -       -       smtpd -v",
    "#submissions     inet  n       -       y       -       -       smtpd",
    "submissions inet n - y - - smtpd",
    "smtps inet n - n - - smtpd",
    "465 inet n - y - - smtpd -v",
    "192.0.2.1:465 inet n - y - - smtpd",
    "[2001:db8::1]:submissions inet n - y - - smtpd",
)
_OPTIONS = (
    "-o smtpd_tls_wrappermode=yes",
    "-o smtpd_tls_wrappermode=no",
    "-osyslog_name=postfix/smtps",
    "-o { smtpd_milters = inet:127.0.0.1:8891, inet:127.0.0.1:8893 }",
    "-o {smtpd_client_restrictions=permit_mynetworks, reject}",
    "-o smtpd_recipient_restrictions=",
    "-o smtpd_sasl_auth_enable=yes -o smtpd_banner=caf\xc3\xa0",
    "-o smtpd_relay_restrictions={permit_sasl_authenticated,reject}",
    "-v",
    "#  -o smtpd_helo_restrictions=",
)


@st.composite
def _service(draw: st.DrawFn) -> list[str]:
    lines = [draw(st.sampled_from(_SERVICES))]
    for option in draw(st.lists(st.sampled_from(_OPTIONS), max_size=5)):
        lines += draw(_between)
        if draw(st.booleans()) and not option.startswith("#") and not lines[-1].lstrip().startswith("#"):
            lines[-1] = (lines[-1] or "  ") + " " + option
        else:
            lines.append(option if option.startswith("#") else "  " + option)
    return lines


@st.composite
def master_cf(draw: st.DrawFn) -> str:
    """The text of a master.cf without broken lines."""
    head = "anvil     unix  -       -       y       -       1       anvil"
    blocks = draw(st.lists(comment | blank | _service(), max_size=6))
    return _file(draw, [[head], *blocks])


def long_main_cf() -> str:
    """A main.cf of ten thousand lines that defines every parameter three times."""
    lines = []
    for number in range(10_000):
        name = PARAMETERS[number // 1000 % len(PARAMETERS)]
        kinds = (f"# note {number}", f"\t# {name} = {number}", "", f"#{name} = x", "    ")
        lines.append(f"{name} =\tnumber,\n  {number}" if number % 400 == 0 else kinds[number % len(kinds)])
    return "\n".join(lines)


def long_master_cf() -> str:
    """A master.cf of ten thousand lines, with the service on port 465 in the middle."""
    lines = ["smtp inet n - n - - smtpd"]
    for number in range(2_499):
        lines += [
            f"{20_000 + number} inet n - y - - smtpd",
            f"  -o syslog_name=x{number}",
            "# between",
            "  -v",
        ]
        if number == 1_000:
            lines += ["smtps inet n - n - - smtpd", "# ours", "\t-o smtpd_sasl_auth_enable=no"]
    return "\n".join(lines) + "\n"
