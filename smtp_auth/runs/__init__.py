"""pyinfra's command line as a front end.

run.py           before any connection: checks the command line and the data, and prepares the report
inventory_check.py     checks the inventory and its data while it is read
data_check.py    checks every host's data; host_settings.py: the settings in it
host.py          makes the plan of the current host, before any operation; `ready` decides whether the
                 operations run
names.py         when all hosts have been planned: which of them are one machine
undo.py, removal.py    the same for an undo and a removal, and the operation that each of them adds
operation.py     what an operation does: its step's part of the plan
transaction.py   the one command that changes a host
carrying_out.py  carries out a host's plan, or proves its services, for both front ends
live.py          the operation that reloads services if only that is due
channel.py       commands to a host over pyinfra's connection; sudo.py: a password for sudo
bounds.py        how long a host may take, and how much it may send
host_keys.py     which SSH keys of hosts are accepted
outcome.py       the outcomes of a host, for both front ends
report.py        the outcome of each host, at the end of the run; proved.py: what was proved
trouble.py       an error on one host fails only that host; fault.py: the sentence for an unexpected one
origin.py        who makes the changes, from where, and with which version
terminal.py      escapes what pyinfra itself prints of hosts
interruption.py  Ctrl-C during a run; signals.py: what else ends it; echo.py: the terminal afterwards
mistakes.py      what is wrong with the command line, as one sentence; status.py: the exit statuses
startup.py       before anything else: Ctrl-C at the start; saves Python work at the start and the end
pyinfra_internals.py   everything that reaches into pyinfra beyond its documented interface
"""
