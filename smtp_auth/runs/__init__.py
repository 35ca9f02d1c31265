"""What the runs of pyinfra share: the data check, one host's look and plan in each pass, one host's trouble.

run.py           what is settled before a connection is made: command line, data, report
data_check.py    every host's data
host.py          a host's look, plan and rehearsal; `ready` decides whether it can be deployed to
operation.py     what an operation does: its step's part of the plan
transaction.py   the one command that changes a host, and what became of it
live.py          the operation that reloads what is due
report.py        what became of each host, at the end of the run
trouble.py       one host's trouble fails that host alone
origin.py        who makes the changes, from where, and from which version
terminal.py      what pyinfra itself prints of hosts is escaped
startup.py       two measures against needless work of pyinfra's
"""
