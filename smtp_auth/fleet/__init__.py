"""Many hosts side by side, for the commands of `smtp-auth`.

inventory.py   the hosts, out of the inventory and data that pyinfra deploys with
history.py     who changed what, when, with which outcome
"""
