"""The programs that run on a host, and what builds them.

    look.pl          what the host is; reads only
    change.sh        a change of configuration files as a transaction, for any service
    postfix.sh, dovecot.sh, certbot_hook.sh   the part of one service in it
    prove.pl         a real connection to a service
    change.py        puts the change of one service together

They go to a host on standard input and leave nothing there. Perl and the shell are what every Debian
mail host has.
"""

from functools import cache
from pathlib import Path


@cache
def program(name: str) -> str:
    """The text of a program of this folder."""
    return Path(__file__).with_name(name).read_text()
