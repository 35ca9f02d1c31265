"""Many hosts side by side, for the commands of `smtp-auth`.

inventory.py   the hosts, from the inventory and data that pyinfra deploys with
history.py     who changed what, when, with which outcome
"""
