"""What the runs of pyinfra share: the data check, one host's look and plan in each pass, one host's trouble.

startup.py      the calls of config.py
data_check.py   every host's data, checked before a connection is made
host.py         a host's look and plan; `ready` decides whether it can be deployed to
operation.py    what an operation does: its step's part of the plan
live.py         Postfix's files go live
trouble.py      one host's trouble fails that host alone
"""
