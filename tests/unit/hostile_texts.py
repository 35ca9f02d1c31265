"""Texts that take a reader long if it reads any part of them again and again: many of one thing, and no end.

Each is made for a size, so that a test can compare what twice the text costs.
"""

from collections.abc import Mapping
from functools import cache

# What a text consists of: the parts are repeated until it has its size, with numbers in place of {0} and {1}.
_REPEATED = {
    "open braces": "{",
    "open braces, spaced": "{ ",
    "open braces with words": "{a ",
    "closed in an open brace": "{{} ",
    "closing braces": "} ",
    "parentheses": "(",
    "open and closed": "{}(){}",
    "backslashes": "\\",
    "continued lines": "a \\\n",
    "dollars": "$",
    "references": "$a",
    "references in braces": "${a}",
    "open references": "${a?{",
    "a long word": "a",
    "a long number": "1",
    "spaces": " ",
    "commas": ", ",
    "tabs and commas": "\t,",
    "line ends": "\n",
    "CRLF": "\r\n",
    "carriage returns": "\r",
    "NUL": "\0",
    "double quotes": '"',
    "open quotations": "'a \"b\\ ",
    "quoted backslashes": '"\\"',
    "comments": "# a\n",
    "comments after words": "a #",
    "indented comments": "  # a\n",
    "here-documents": "a = <<END\n",
    "sections": "service a {\n",
    "definitions": "a = b\n",
    "different definitions": "{0} = b\n",
    "definitions that refer": "a{0} = $a{1} $a{1}\n",
    "names without a value": "a{0}\n",
    "continuations": "a =\n b\n",
    "commented out": "#a = b\n",
    "services": "smtp inet n - n - - smtpd\n",
    "different services": "{0} inet n - n - - smtpd\n",
    "services of port 465": "192.0.2.{0}:465 inet n - n - - smtpd\n -o smtpd_sasl_auth_enable=yes\n",
    "options": " -o a=b",
    "options without a value": " -o",
    "options with braces": " -o { a = b",
    "different options": " -o a{0}=b",
    "alternating": "a b a\n",
    "alternating lines": "a\nb{0}\n",
    "lines of two kinds": "a\nb\nb\na\n",
    "restrictions": "check_client_access hash:/a, ",
    "restrictions without arguments": "warn_if_reject ",
    "beginnings of our lines": "# BEGIN smtp-auth\n",
    "listeners": "unix_listener /var/spool/postfix/private/auth {{\n",
    "commands elsewhere": "ssh a ",
    "commands of systemd": "systemctl reload ",
    "commands of services": "service ",
    "redirections": "< ",
    "conditions": "if a; then\n",
    "separators": ";&|",
    "lists of another language": '["a", (',
    "programs of an init system": "/etc/init.d/a ",
    "certificates": "-----BEGIN CERTIFICATE-----\nMIIB\n",
    "refusals of sudo": "sudo: password ",
    "programs not found": ": env: ",
    "keys": "key{0}\tvalue\n",
    "percent signs": "%",
    "files of a look": "file\tk{0}\nfile.k{0}.path\t/a\n",
    "lineages of a look": "certificate.{0}.directory\t/a\n",
}  # fmt: skip


@cache
def texts(size: int) -> Mapping[str, str]:
    """Each text of about this size, by what it is."""
    # What is at the end may keep an expression from matching anywhere.
    found = {what: _repeated(part, size) + "a" for what, part in _REPEATED.items()}
    found |= {f"spaces behind {name}": f"{name} ={' ' * size}\n" for name in ("a", "fullchain")}
    return found


def _repeated(part: str, size: int) -> str:
    if "{0}" not in part and "{1}" not in part:
        return part * (size // len(part))
    numbers = range(size // len(_numbered(part, 1000)))
    return "".join(_numbered(part, number) for number in numbers)


def _numbered(part: str, number: int) -> str:
    return part.replace("{0}", str(number)).replace("{1}", str(number + 1))
