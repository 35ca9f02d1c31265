"""The programs that run on a host, and what builds them.

    Look.pm          what the host is, with a Look.pm of each service; reads only
    History.pm       what the record of changes holds; reads only
    start.pl         starts a change as a unit of systemd's, or waits for its outcome
    orders.pl        what a change is to do, and its small tools; begins with the list of its parts
    rehearsal.pl     what stands in the way of a change, asked of the host's own programs
    record.pl        who changed what, the files from before, the baseline
    etckeeper.pl     commits of /etc, where etckeeper keeps it
    transaction.pl   swap, reload, prove, or put back
    postfix.pl, dovecot.pl, certbot_hook.pl   the part of one service in it
    main.pl          what the program of a change is run for
    prove.pl         a real connection to a service
    change.py        puts the program of a change together

They go to a host on standard input; the record is all that stays there. Perl is what every Debian host has.
"""

from functools import cache
from pathlib import Path


@cache
def program(name: str) -> str:
    """The text of a program of this folder."""
    return Path(__file__).with_name(name).read_text()
