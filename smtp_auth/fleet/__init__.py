"""Many hosts side by side, for the commands of `smtp-auth`.

options.py     the options that choose them
inventory.py   the hosts, from the inventory and data that pyinfra deploys with
own_files.py   the deploy's own files, which are not the inventory's
history.py     who changed what, when, with which outcome
"""
