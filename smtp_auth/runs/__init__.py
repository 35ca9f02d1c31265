"""pyinfra's command line as a front end: the data check, each host's plan in each pass, one host's trouble.

run.py           what is settled before a connection is made: command line, data, report
data_check.py    every host's data; host_settings.py: the settings in it
host.py          what is known of the present host before anything happens to it; `ready` decides whether it
                 is deployed to
undo.py, removal.py    the same for an undo and a removal, and the operation that each of them adds
operation.py     what an operation does: its step's part of the plan
transaction.py   the one command that changes a host
live.py          the operation that reloads what is due
channel.py       commands to a host over pyinfra's connection
report.py        what became of each host, at the end of the run
trouble.py       one host's trouble fails that host alone
origin.py        who makes the changes, from where, and from which version
terminal.py      what pyinfra itself prints of hosts is escaped
startup.py       less work for Python at the start and the end of a run
pyinfra_internals.py   everything that reaches into pyinfra beyond its documented interface
"""
