"""Data that tries to escape from its place in a file or command, if it passes validation."""

from typing import Any

from hypothesis import strategies as st

from smtp_auth.postfix.restrictions import RESTRICTIONS
from smtp_auth.settings import Settings, SettingsError
from tests.unit.scenarios import DEFAULTS, wanted

_PIECES = [
    *"aZ09_./:,@=+*?!%<>$()[]{}-",
    *(" ", "  ", "\n", "\r\n", "\t", "\0", "#", ";", "|", "&", "'", '"', "\\", "`", "\xe9", "\u4f8b"),
    *("-o ", "smtpd_relay_restrictions", "permit", "$(id)", "${x}", "${x?{a}:{b}}", "$mynetworks", "../"),
    *("\nsmtpd_relay_restrictions = permit", "\n465 inet n - n - - smtpd", "\n  -o x=y", "hash:/etc/x"),
    *("inline:{a=b}", " }", "{ ", "{}", "END", "$mua_client_restrictions", "example.jp", "/etc/x"),
]
# Validation refuses most of these pieces everywhere. Short texts of a few harmless ones often pass.
text = st.lists(st.sampled_from(_PIECES), max_size=4).map("".join) | st.lists(
    st.sampled_from(["a", "1", ".", "/", ":", ",", " ", "=", "$a", "{b}", "-", "x.jp", "[", "]", "*", "-o"]),
    min_size=1,
    max_size=6,
).map("".join)

# The words of a value, and the names of domains: some of these pass.
_words = st.lists(
    st.sampled_from(["a", "b,", "{x y}", "$z", "=", "-o", "inet:h:1", "[::1]"]),
    min_size=1,
    max_size=4,
).map(" ".join)
_domain = st.sampled_from(["example.org", "b\xfccher.example", "a b.example", "*.example", "x/y.example"])

_path = st.lists(
    st.sampled_from(["a", "b c", "x.jp", "..", "a=b", "@", "a,b", "$x", "'", "\xa0", "-rf"]),
    min_size=1,
    max_size=2,
).map(lambda parts: "/" + "/".join(parts))

_restriction = st.builds(" ".join, st.tuples(st.sampled_from(sorted(RESTRICTIONS)), text)) | st.sampled_from(
    sorted(RESTRICTIONS)
)
_parameter = st.sampled_from(
    ["smtpd_milters", "syslog_name", "smtpd_banner", "smtpd_helo_required", "smtpd_tls_wrappermode"]
)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "mail_domain": text | text.map(lambda label: f"{label}.jp"),
    "certificate_name": text | text.map(lambda label: f"{label}.jp"),
    "mail_hostname": text | text.map(lambda label: f"{label}.jp"),
    "additional_domains": st.lists(_domain | text, max_size=2),
    "letsencrypt_live": text | _path,
    "mua_client_restrictions": st.lists(_restriction | text, max_size=2),
    "mua_helo_restrictions": st.lists(_restriction, max_size=3),
    "mua_sender_restrictions": st.lists(_restriction, max_size=3),
    "mua_relay_restrictions": st.lists(_restriction, max_size=3),
    "submissions_options": st.dictionaries(_parameter, st.none() | _words, min_size=1, max_size=3)
    | st.dictionaries(_parameter | text, text, min_size=1, max_size=1),
    "certbot_reload_services": st.lists(text, max_size=2).map(lambda units: ["postfix", *units]),
}


class Tally:
    """How many values were tried, and how many of them passed."""

    def __init__(self) -> None:
        self.tried = 0
        self.passed = 0


@st.composite
def passing(draw: st.DrawFn, tally: Tally) -> Settings:
    """Settings of values that pass validation; a value that does not is replaced by its default."""
    data: dict[str, Any] = {}
    for key, values in VALUES.items():
        value = draw(values)
        tally.tried += 1
        try:
            # Together with the values before it: a further domain must differ from the first.
            wanted(**data, **{key: value})
        except SettingsError:
            data[key] = DEFAULTS[key]
        else:
            tally.passed += 1
            data[key] = value
    return wanted(**data)
