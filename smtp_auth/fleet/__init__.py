"""Commands over many hosts: `python3 -m fleet COMMAND`.

inventory.py   the hosts, out of the inventory and data that pyinfra deploys with
history.py     who changed what, when, with which outcome
"""
